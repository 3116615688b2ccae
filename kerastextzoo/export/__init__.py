"""A run in a form that others can use: each is compared with the run before it is published.

`saved_model`  raw strings in, probabilities and labels out; TensorFlow alone needed
`keras`        the network as a `.keras` file: token ids in
`onnx`         the network for ONNX Runtime: token ids in
`litert`       the network for phones and small devices: token ids in, one text a call

What takes token ids has `preprocessing.json` beside it, which says how text becomes ids.
docs/how-to/exporting.md has a table of what works for which model. The work is done in a process
that sees no GPU, so that no GPU-only operation is baked in.
"""

import os
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from kerastextzoo.errors import InputError, KerasTextZooError, named, nearest, quoted
from kerastextzoo.sentence_encoder import SentenceEncoder
from kerastextzoo.storage import check_free, staged, verify

KIND = "saved_model"
#: What each form needs beside this package's own requirements.
FORMATS: dict[str, tuple[str, ...]] = {
    KIND: (),
    "keras": (),
    "onnx": ("onnx", "onnxruntime", "tf2onnx"),
    "litert": ("ai_edge_litert",),
}
REFUSED = 2
# Without -m: that would look for modules in the folder that the user happens to be in.
_CHILD = """
import sys
if sys.argv[1] not in sys.path:
    sys.path.insert(0, sys.argv[1])
from kerastextzoo.export.child import main
main()
"""


def export(run: str | Path, to: str | Path, form: str = KIND) -> Path:
    """Write a run in another form, whole or not at all.

    The SavedModel has the signature `serving_default`: `texts` `(batch,)` strings to
    `probabilities` `(batch, classes)` and `label` `(batch,)` strings, and of a multi-label run
    `chosen` `(batch, classes)`, which classes reach their thresholds. Signature `labels` gives the
    classes in order; `assets/labels.txt` has them one a line.

    Args:
        run: What `train` or `tune` wrote.
        to: A folder that is not there yet.
        form: `saved_model`, `keras`, `onnx` or `litert`.

    Raises:
        InputError: `run` is no run, or can't be exported so, or `to` is taken.
        KerasTextZooError: What was written does not answer as the run does.
    """
    _require(form)
    run, to = Path(run), check_free(Path(to))
    verify(run, "run")
    if not can_export(run):
        raise InputError(
            f"{named(run)} reads the vectors of a sentence encoder, which runs in PyTorch and not "
            "in a SavedModel; use 'kerastextzoo predict', or train a model that reads words"
        )
    root = Path(__file__).parents[2]
    with staged(to, form) as stage:
        child = subprocess.run(
            [sys.executable, "-P", "-c", _CHILD, root, run.absolute(), stage.absolute(), form],
            env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "KERAS_BACKEND": "tensorflow"},
            capture_output=True,
            text=True,
            check=False,
        )
        if child.returncode == REFUSED:
            raise InputError(child.stdout.strip().splitlines()[-1])
        if child.returncode:
            raise KerasTextZooError(f"export failed: {_cause(child)}")
    return to


def can_export(run: Path) -> bool:
    """Say whether TensorFlow alone can do all that a run does."""
    return not (run / SentenceEncoder.FILE).exists()


def _require(form: str) -> None:
    if form not in FORMATS:
        raise InputError(f"no format {quoted(form)}; {nearest(form, FORMATS)}")
    missing = [name for name in FORMATS[form] if find_spec(name) is None]
    if missing:
        told = f"format {form} needs {', '.join(missing)}, which is not installed"
        raise InputError(f"{told}; pip install 'kerastextzoo[{form}]'")


def _cause(child: "subprocess.CompletedProcess[str]") -> str:
    if child.returncode < 0:
        return f"its process was ended by {signal.Signals(-child.returncode).name}"
    return (child.stderr.strip().splitlines() or ["its process gave no reason"])[-1]
