"""A model of the zoo as a scikit-learn classifier of texts."""

import json
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Self
from weakref import finalize

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from kerastextzoo.data import Dataset
from kerastextzoo.errors import InputError, quoted
from kerastextzoo.export import export
from kerastextzoo.run import KIND, Run, train
from kerastextzoo.sentence_preparation import prepare
from kerastextzoo.settings import share_out
from kerastextzoo.splits import make_splits
from kerastextzoo.storage import MANIFEST, files_of, read_json, staged, write_json

_CLASSES = "classes.json"
_NAME = "the texts given"


class TextClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Learns labels of texts; works in pipelines, cross-validation and searches of scikit-learn.

    A part of the texts is held back to choose the best epoch by. Texts have one label each; data
    with several goes through `kerastextzoo.run.train`.

    Pickles hold the whole run and are as safe as any pickle: load none from strangers. `save` and
    `load` execute nothing that a file holds.

    Args:
        model: A name of `kerastextzoo.builders.list_models()`.
        epochs: Most passes over the texts; None: the default of a training.
        batch_size: Texts of one step; None: the default.
        learning_rate: Step size; None: the default.
        max_length: Tokens of a text that are read; None: the default.
        tokenizer: `word`, `char`, `jieba`, or `auto`: by looking at the texts.
        embeddings: A file of word vectors to start from; None: word2vec of the texts.
        settings: Any other settings by name.
        validation_share: Of the texts, where `fit` gets no validation texts.
        random_state: Of weights, order and split; the same gives the same numbers on a CPU.

    Attributes:
        classes_: The labels, sorted, `(classes,)`.
        run_: The trained model with its record, a `kerastextzoo.run.Run`.

    Example:
        >>> texts = ["a good film", "good acting", "a bad film", "bad acting"] * 15
        >>> texts = [f"{text} {number}" for number, text in enumerate(texts)]
        >>> labels = ["pos", "pos", "neg", "neg"] * 15
        >>> classifier = TextClassifier("cnn", epochs=20, learning_rate=0.01).fit(texts, labels)
        >>> classifier.predict(["good", "bad"]).tolist()
        ['pos', 'neg']
    """

    def __init__(
        self,
        model: str = "cnn",
        *,
        epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        max_length: int | None = None,
        tokenizer: str = "auto",
        embeddings: str | Path | None = None,
        settings: Mapping[str, object] | None = None,
        validation_share: float = 0.1,
        random_state: int = 0,
    ) -> None:
        self.model = model
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.max_length = max_length
        self.tokenizer = tokenizer
        self.embeddings = embeddings
        self.settings = settings
        self.validation_share = validation_share
        self.random_state = random_state

    def fit(
        self,
        X: Sequence[str],
        y: Sequence[Any],
        validation: tuple[Sequence[str], Sequence[Any]] | None = None,
    ) -> Self:
        """Train on texts and their labels.

        Args:
            X: Texts.
            y: One label a text: strings, numbers or truth values.
            validation: Texts and labels to choose the best epoch by.

        Raises:
            InputError: A setting is wrong, or texts and labels can't be trained on.
        """
        classes = _classes(y)
        settings = share_out(self.model, self._given())
        splits = make_splits(
            _dataset(X, y),
            None if validation is None else _dataset(*validation),
            seed=self.random_state,
            validation_share=self.validation_share,
            test_share=0.0,
        )
        preparation = prepare(
            splits,
            settings.model.reads,
            settings.text,
            seed=self.random_state,
            vectors=self.embeddings,
        )
        run = train(
            preparation,
            self.model,
            self._make_folder() / "run",
            settings=settings.model,
            config=settings.training,
            seed=self.random_state,
        )
        return self._keep(run, classes)

    def _given(self) -> dict[str, object]:
        own = ("epochs", "batch_size", "learning_rate", "max_length", "tokenizer")
        given = {name: getattr(self, name) for name in own if getattr(self, name) is not None}
        return {**given, **(self.settings or {})}

    def _make_folder(self) -> Path:
        """Make a folder that goes when the classifier does."""
        folder = Path(mkdtemp(prefix="kerastextzoo-"))
        finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return folder

    def _keep(self, run: Run, classes: npt.NDArray[Any]) -> Self:
        names = [_named(label) for label in classes]
        # The run's classes are in the order of their names.
        self._order = [run.label_names.index(name) for name in names]
        self.run_, self.classes_ = run, classes
        return self

    def predict_proba(self, X: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return probabilities `(texts, classes)`, in the order of `classes_`.

        Raises:
            InputError: These are no texts.
        """
        check_is_fitted(self, "run_")
        return self.run_.predict_proba(_texts(X))[:, self._order]

    def predict(self, X: Sequence[str]) -> npt.NDArray[Any]:
        """Return the most probable label of each text, `(texts,)`.

        Raises:
            InputError: These are no texts.
        """
        best = self.predict_proba(X).argmax(axis=1)
        return np.asarray(self.classes_[best])

    def save(self, to: str | Path) -> Path:
        """Write the run into a folder that is not there yet; every command takes it.

        Raises:
            InputError: The folder is taken.
        """
        check_is_fitted(self, "run_")
        with staged(Path(to), KIND) as stage:
            for path in files_of(self.run_.directory):
                shutil.copyfile(path, stage / path.name)
            write_json(stage / _CLASSES, self.classes_.tolist())
        return Path(to)

    @classmethod
    def load(cls, directory: str | Path) -> Self:
        """Return the classifier of a run's folder.

        Raises:
            InputError: The folder is no run, a file in it has changed, or it is multi-label.
        """
        run = Run(directory)
        if run.thresholds is not None:
            raise InputError(
                f"{directory}: one label a text; got a multi-label run; load it with "
                "kerastextzoo.run.Run"
            )
        kept = Path(directory) / _CLASSES
        classes = read_json(kept) if _CLASSES in run.files else run.label_names
        made = cls(
            run.record["model"],
            settings={**run.record["settings"], **run.record["training"], **run.record["text"]},
            random_state=run.record["seed"],
        )
        return made._keep(run, np.array(classes))

    def export(self, to: str | Path) -> Path:
        """Write a SavedModel that takes raw strings; see `kerastextzoo.export`.

        Raises:
            InputError: The folder is taken, or the model can't be exported.
        """
        check_is_fitted(self, "run_")
        return export(self.run_.directory, Path(to))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        return tags

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        if "run_" not in state:
            return state
        packed = BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            folder = state.pop("run_").directory
            for path in (*files_of(folder), folder / MANIFEST):
                archive.write(path, path.name)
        return {**state, "_packed": packed.getvalue()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        packed = state.pop("_packed", None)
        super().__setstate__(state)
        if packed is not None:
            folder = self._make_folder()
            with zipfile.ZipFile(BytesIO(packed)) as archive:
                archive.extractall(folder)
            self.run_ = Run(folder)


def _named(label: Any) -> str:
    """Return a label as a run knows it."""
    return label if isinstance(label, str) else json.dumps(getattr(label, "item", lambda: label)())


def _classes(labels: Sequence[Any]) -> npt.NDArray[Any]:
    """Return the different labels, sorted."""
    given = np.asarray(labels)
    if given.ndim != 1 or given.dtype.kind not in "biufUO":
        told = f"got {given.ndim} dimensions of {given.dtype}"
        raise InputError(f"y: one label a text, strings or numbers; {told}; give a flat list")
    return np.unique(given)


def _dataset(texts: Sequence[str], labels: Sequence[Any]) -> Dataset:
    return Dataset(_NAME, tuple(_texts(texts)), tuple(_named(label) for label in labels))


def _texts(texts: Sequence[str]) -> list[str]:
    if isinstance(texts, (str, bytes)):
        raise InputError(f"X: a list of texts; got one text {quoted(texts)}; put it in a list")
    if len(getattr(texts, "shape", (0,))) != 1:
        raise InputError(f"X: a list of texts; got an array {texts.shape}; give one column of it")  # type: ignore[attr-defined]
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            kind = type(text).__name__
            raise InputError(f"X: texts; got {kind} {quoted(text)} in row {row}; give strings")
    return [str(text) for text in texts]
