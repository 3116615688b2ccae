"""Text classifiers in Keras that learn, and a search that finds good ones.

`kerastextzoo.builders`    the model zoo: `create_model`, `list_models`
`kerastextzoo.layers`      Keras layers for any model: `ResLSTM`, masked convolution and pooling
`kerastextzoo.embeddings`  word vectors: train, load, line up with a vocabulary
`kerastextzoo.data`        files to data sets and splits
`kerastextzoo.run`         train a model into a folder that stands on its own, and load it again
`kerastextzoo.TextClassifier`  a model as a scikit-learn classifier of texts
`kerastextzoo.tuning`      search settings with KerasTuner
`kerastextzoo.doctor`      why a model does not learn: `diagnose`, `Watch`
`kerastextzoo.export`      a run as a SavedModel: strings in, labels out
"""

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kerastextzoo.estimator import TextClassifier

__all__ = ["TextClassifier", "__version__"]

try:
    __version__ = version("kerastextzoo")
except PackageNotFoundError:  # a checkout that is not installed
    __version__ = "0.0.0"


def __getattr__(name: str) -> Any:
    # Importing the package loads nothing heavy.
    if name == "TextClassifier":
        from kerastextzoo.estimator import TextClassifier

        return TextClassifier
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
