"""How the pages are built: Markdown, docstrings, and what is generated of the package itself."""

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from generating import copy_notebooks, write_pages  # noqa: E402

from kerastextzoo import __version__  # noqa: E402
from kerastextzoo.options import load_tensorflow  # noqa: E402

load_tensorflow()
write_pages(HERE / "_generated")
copy_notebooks(HERE.parent / "notebooks", HERE / "notebooks")

project = "kerastextzoo"
release = __version__
language = "en"
extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "myst_nb"]
exclude_patterns = ["_build", "_generated"]
html_theme = "furo"
html_title = "kerastextzoo"
html_copy_source = False
html_show_copyright = False
nb_execution_mode = "off"
myst_heading_anchors = 3
# Two hyphens begin an option, and are no dash.
smartquotes = False
# A single backtick means code in the docstrings, as it does in Markdown.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "description"
# The attributes of a class stand in its docstring.
napoleon_use_ivar = True
