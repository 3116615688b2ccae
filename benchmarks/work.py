"""What benchmarks of training share: texts, once as our batches and once as one padded array."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerastextzoo.batching import TrainingBatches
from kerastextzoo.builders import create_model
from kerastextzoo.data import load_dataset
from kerastextzoo.optimizers import OptimizerName, create_optimizer
from kerastextzoo.preparation import Preparation
from kerastextzoo.splits import make_splits
from kerastextzoo.text import TextConfig

BATCH = 64
EPOCHS = 2  # The start of a training costs a quarter of a second, which is not what is compared.
# Batches of so many tokens hold `BATCH` texts on average: a tenth of a text is padding.
_PADDING = 1.12


class Work:
    """Some texts, once as our batches and once as one padded array."""

    def __init__(self, path: Path, texts: int, *, length: int, features: int) -> None:
        self.length, self.features = length, features
        splits = make_splits(load_dataset(path), seed=0)
        config = TextConfig(tokenizer="word", max_length=length, min_count=1)
        self.preparation = Preparation(splits, config)
        self.classes = len(splits.label_names)
        self.words = len(self.preparation.encoder.vocabulary)
        rng = np.random.default_rng(0)
        self.matrix = rng.normal(0, 0.1, (self.words, features)).astype(np.float32)
        encoded = self.preparation.texts["train"]
        rows = rng.permutation(len(encoded))[:texts]
        self.texts = encoded.take(rows)
        self.labels = self.preparation.label_ids["train"][rows]
        self.padded = np.zeros((len(rows), length), np.int32)
        batch = self.texts.padded(np.arange(len(rows)))
        self.padded[:, : batch.shape[1]] = batch[:, :length]

    def ours(
        self,
        model: str,
        optimizer: OptimizerName,
        *,
        embedding_trainable: bool = False,
        **settings: object,
    ) -> Callable[[], Any]:
        """Return the training of a model of the zoo, `EPOCHS` long."""
        network = self.model(model, embedding_trainable=embedding_trainable, **settings)
        return self.train(network, optimizer)

    def model(self, name: str, **settings: Any) -> keras.Model:
        """Build a model of the zoo for these texts."""
        return create_model(
            name,
            vocabulary_size=self.words,
            num_classes=self.classes,
            embedding=self.matrix,
            **settings,
        )

    def train(self, network: keras.Model, optimizer: OptimizerName) -> Callable[[], Any]:
        """Return the training of a model on our batches, `EPOCHS` long."""
        network.compile(create_optimizer(optimizer), "sparse_categorical_crossentropy")
        tokens = round(BATCH * _PADDING * self.texts.lengths.mean())
        batches = TrainingBatches(
            self.texts, self.labels, batch_size=BATCH, seed=0, batch_tokens=tokens
        )
        data = batches.as_dataset()
        return lambda: network.fit(data, epochs=EPOCHS, verbose=0, shuffle=False)
