"""A search as it is written with stock Keras and stock KerasTuner, of the same space as ours.

Keras's own layers over one embedding, every text padded to one length, Keras's Adam, `model.fit`
on arrays; KerasTuner saves the best epoch of each trial, as it does unless told otherwise. The ids,
the word vectors and the validation texts are those of our preparation.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np

from kerastextzoo.builders.cnn import CNNConfig
from kerastextzoo.builders.lstm import LSTMConfig
from kerastextzoo.data import load_dataset
from kerastextzoo.preparation import Preparation
from kerastextzoo.seeds import derive_seed
from kerastextzoo.splits import make_splits
from kerastextzoo.text import TextConfig
from kerastextzoo.training_config import TrainingConfig, search_space
from kerastextzoo.tuning import find_specs
from kerastextzoo.tuning.space import Drawn, JointSpace

MODELS = ("cnn", "lstm")
OBJECTIVE = "val_accuracy"
layers = keras.layers


def prepare(path: Path | None) -> Preparation:
    """Make data ready, the vectors of every width included: no search has to wait for them."""
    splits = make_splits(load_dataset(path) if path else load_dataset(), seed=0)
    preparation = Preparation(splits, TextConfig(min_count=1), seed=0)
    space = JointSpace(find_specs(MODELS[0]), max_length=preparation.config.max_length)
    for parameter in space.hyperparameters.space:
        if parameter.name == "embedding_features":
            for width in parameter.values:
                preparation.embedding(width)
    return preparation


class StockTraining:
    """The data as arrays, and the training of one trial.

    Args:
        preparation: The data.
        epochs: Of each training.
        seed: Of each training.
        patience: Epochs without a better validation accuracy after which it stops; None: never.

    Attributes:
        length: To which texts are padded: that of the longest, as far as our models read it.
    """

    def __init__(
        self, preparation: Preparation, *, epochs: int, seed: int, patience: int | None = None
    ) -> None:
        self.preparation, self.epochs, self.seed = preparation, epochs, seed
        self.patience = patience
        texts = preparation.texts
        self.length = int(max(texts[part].lengths.max() for part in ("train", "validation")))
        self._arrays = {part: self._pad(part) for part in ("train", "validation")}

    def _pad(self, part: str) -> tuple[Any, Any]:
        texts = self.preparation.texts[part]
        padded = np.zeros((len(texts), self.length), np.int32)
        rows = texts.padded(np.arange(len(texts)))
        padded[:, : rows.shape[1]] = rows[:, : self.length]
        return padded, np.array(self.preparation.label_ids[part])

    def build(self, drawn: Drawn) -> keras.Model:
        """Build and compile the network of a trial."""
        keras.utils.set_random_seed(derive_seed(self.seed, "stock"))
        settings, config = drawn.settings, drawn.config
        tokens = keras.Input((self.length,), dtype="int32")
        if isinstance(settings, CNNConfig):
            features = self._cnn(settings, config, tokens)
        elif isinstance(settings, LSTMConfig):
            features = self._lstm(settings, config, tokens)
        else:
            raise TypeError(f"no stock version of {drawn.spec.name}; there are {MODELS}")
        features = layers.Dropout(settings.dropout)(features)
        if settings.dense_units:
            features = layers.Dense(settings.dense_units, activation="relu")(features)
            features = layers.Dropout(settings.dropout)(features)
        classes = len(self.preparation.label_names)
        model = keras.Model(tokens, layers.Dense(classes, activation="softmax")(features))
        model.compile(
            keras.optimizers.Adam(config.learning_rate),
            "sparse_categorical_crossentropy",
            metrics=["accuracy"],
        )
        return model

    def fit(self, model: keras.Model, batch_size: int, callbacks: Sequence[Any]) -> Any:
        """Train a network."""
        stopping = (
            [keras.callbacks.EarlyStopping(OBJECTIVE, patience=self.patience, mode="max")]
            if self.patience
            else []
        )
        return model.fit(
            *self._arrays["train"],
            batch_size=batch_size,
            epochs=self.epochs,
            validation_data=self._arrays["validation"],
            verbose=0,
            callbacks=[*callbacks, *stopping],
        )

    def _embed(self, config: TrainingConfig, tokens: Any, dropout: float, *, mask: bool) -> Any:
        start, _ = self.preparation.start(config.embedding, config.embedding_features)
        vectors = layers.Embedding(
            self.preparation.vocabulary_size,
            start if isinstance(start, int) else start.shape[1],
            weights=None if isinstance(start, int) else [start],
            trainable=config.embedding != "frozen",
            mask_zero=mask,
        )(tokens)
        return layers.SpatialDropout1D(dropout)(vectors) if dropout else vectors

    def _cnn(self, settings: CNNConfig, config: TrainingConfig, tokens: Any) -> Any:
        vectors = self._embed(config, tokens, settings.embedding_dropout, mask=False)
        phrases = [
            layers.GlobalMaxPooling1D()(
                layers.Conv1D(settings.filters, size, activation="relu")(vectors)
            )
            for size in settings.kernel_sizes
        ]
        return layers.Concatenate()(phrases)

    def _lstm(self, settings: LSTMConfig, config: TrainingConfig, tokens: Any) -> Any:
        vectors = self._embed(config, tokens, settings.embedding_dropout, mask=True)
        for depth in range(1, settings.layers + 1):
            last = depth == settings.layers
            vectors = layers.LSTM(
                settings.units,
                return_sequences=not last,
                recurrent_dropout=settings.recurrent_dropout,
            )(vectors)
            vectors = vectors if last else layers.Dropout(settings.dropout)(vectors)
        return vectors


class _HyperModel(keras_tuner.HyperModel):
    def __init__(
        self,
        training: StockTraining,
        space: JointSpace,
        callbacks: Sequence[Any],
        ended: Callable[[int], object],
    ) -> None:
        super().__init__()
        self.training, self.space, self.callbacks = training, space, callbacks
        self.ended, self.trials = ended, 0

    def build(self, hp: Any) -> keras.Model:
        return self.training.build(self.space.draw(hp.values))

    def fit(self, hp: Any, model: keras.Model, *, callbacks: Sequence[Any], **_: Any) -> Any:
        batch_size = self.space.draw(hp.values).config.batch_size
        history = self.training.fit(model, batch_size, [*callbacks, *self.callbacks])
        self.trials += 1
        self.ended(self.trials)
        return history


class _Listed(keras_tuner.oracles.RandomSearchOracle):
    """Proposes what it is given, in order."""

    def __init__(self, proposals: Sequence[Mapping[str, Any]], **options: Any) -> None:
        super().__init__(max_trials=len(proposals), **options)
        self.proposals = proposals

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        return {"status": "RUNNING", "values": dict(self.proposals[int(trial_id)])}


def run_stock_tuner(
    training: StockTraining,
    space: JointSpace,
    out: Path,
    *,
    trials: int | Sequence[Mapping[str, Any]],
    callbacks: Sequence[Any] = (),
    ended: Callable[[int], object] = lambda number: None,
) -> Any:
    """Search with KerasTuner's RandomSearch.

    Args:
        training: Of each trial.
        space: What is searched.
        out: Its folder.
        trials: How many it draws; or the values of each, which it then takes as they are.
        callbacks: Of every training; unlike KerasTuner's own they are not copied.
        ended: Called at the end of each training, with how many there have been.

    Returns:
        The tuner.
    """
    options = {
        "objective": keras_tuner.Objective(OBJECTIVE, "max"),
        "seed": derive_seed(training.seed, "search"),
        "hyperparameters": space.hyperparameters,
    }
    places = {"directory": str(out.parent), "project_name": out.name}
    hypermodel = _HyperModel(training, space, callbacks, ended)
    if isinstance(trials, int):
        tuner = keras_tuner.RandomSearch(hypermodel, max_trials=trials, **options, **places)
    else:
        tuner = keras_tuner.Tuner(_Listed(trials, **options), hypermodel, **places)
    tuner.search(verbose=0)
    return tuner


class OutOfTime(keras_tuner.errors.FatalError):
    """The time of a search is over; KerasTuner lets no other kind of error through."""


class EachEpoch(keras.callbacks.Callback):
    """Tells the validation accuracy of each epoch, and ends the search when its time is over.

    Args:
        tell: Called with the number of the epoch, counted from 0, and the accuracy.
        deadline: Of `time.monotonic`.
    """

    def __init__(self, tell: Callable[[int, float], None], deadline: float) -> None:
        super().__init__()
        self.tell, self.deadline = tell, deadline

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Look at the clock."""
        if time.monotonic() > self.deadline:
            raise OutOfTime

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Tell the accuracy."""
        self.tell(epoch, float(logs[OBJECTIVE]))


def draw_for(space: Any, model: str) -> Drawn:
    """Draw a trial of a model from anything that answers as KerasTuner's `HyperParameters` do."""
    (spec,) = find_specs(model)
    return Drawn(spec, spec.search_space(space), search_space(space))
