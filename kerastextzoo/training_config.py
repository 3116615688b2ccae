"""How a model is trained: the settings, and where a search may go."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from kerastextzoo.mistakes import MistakeName
from kerastextzoo.optimizers import EmbeddingUpdates, OptimizerName
from kerastextzoo.precision import Precision
from kerastextzoo.schedules import Decay
from kerastextzoo.spec import Config, Count, Rate, SearchSpace, split_at_commas
from kerastextzoo.wide import NGrams

#: Settings that say nothing to a model that reads vectors in place of token ids.
OF_TOKENS = ("embedding", "embedding_features", "embedding_updates", "word_dropout")


class TrainingConfig(Config):
    """How a model is trained."""

    epochs: Count = 20
    """Most passes over the training texts."""
    batch_size: Count = 64
    """Texts of one batch."""
    batch_tokens: Count | None = None
    """Tokens of one batch, padding counted, in place of a number of texts; None: batch_size."""
    accumulation: Count = 1
    """Batches whose gradients make one step; above 1 the embedding's updates are dense."""
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    """Step size of the optimizer."""
    optimizer: OptimizerName = "adam"
    """adam, adamw, nadam, rmsprop or sgd."""
    clip_norm: Annotated[float, Field(gt=0)] | None = None
    """Largest norm of the gradient of all weights together; None: no limit."""
    embedding_updates: EmbeddingUpdates = "rows"
    """rows: a step of adam or adamw changes the words of its batch alone, without momentum (fast);
    dense: the update of a dense layer; stock: Keras's own, which takes a word that comes twice for
    two."""
    precision: Precision = "auto"
    """auto: mixed_float16 on GPUs that have units for it, else float32; or float32, mixed_float16,
    mixed_bfloat16. The saved model computes in float32."""
    warm_up: Rate = 0.0
    """Share of all steps in which the learning rate rises from 0."""
    decay: Decay = "none"
    """How the learning rate falls to 0 after that, over all epochs: none, linear or cosine."""
    weight_averaging: Rate = 0.99
    """Share of the weights' running mean that each step keeps, such as 0.99; the mean is validated
    and saved in place of the last weights. 0: no mean."""
    label_smoothing: Rate = 0.0
    """Share of the true class's probability that training spreads over all classes."""
    word_dropout: Rate = 0.0
    """Share of the words that training replaces by the unknown word."""
    wide_ngrams: Annotated[int, Field(ge=0, le=5)] = 0
    """Tokens of the longest n-gram of a linear model beside the network, which then learns what
    that does not know; 0: the network alone. Beside a sentence encoder, a token is a piece of a
    word as the encoder cuts it."""
    wide_buckets: Count = 2**18
    """Rows of the linear model's table, into which n-grams are hashed."""
    wide_lead: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """Tokens of a text's start whose n-grams count once more in the linear model, and weigh as much
    as all: how an article opens tells more than the same words do later. 0: they do not."""
    wide_sublinear_tf: bool = False
    """Count in the linear model how often a text has an n-gram, by 1 + its logarithm, not only
    whether it has it: better for the topics of long texts, worse for opinions."""
    ensemble: Count = 1
    """Networks that are trained, each with its own seed; the mean of their probabilities counts."""
    patience: Count = 3
    """Epochs without a better validation score after which training stops."""
    refit: bool = False
    """Train anew, on training and validation texts together, for as many epochs as were best; the
    figures of the validation texts stay those of the first training. Takes twice the time."""
    class_weights: Literal["none", "balanced"] = "none"
    """balanced: every class counts the same, however rare; not for multi-label data, where each
    class gets a threshold of its own instead."""
    mistakes: Annotated[tuple[MistakeName, ...], BeforeValidator(split_at_commas)] = ()
    """What recipes that reproduce a failure do wrong on purpose: last_padded_step, not_shuffled,
    rounded_probabilities, schedule_stepped_by_batch, sigmoid_after_softmax, softmax_twice."""
    embedding: Literal["frozen", "fine_tuned", "random"] = "fine_tuned"
    """Start from word vectors and keep them, start from them and train, or start at random."""
    embedding_features: Count = 100
    """Width of the embedding; a file of vectors brings its own."""

    @property
    def ngrams(self) -> NGrams:
        """What the linear model beside the network counts."""
        return NGrams(self.wide_ngrams, self.wide_buckets, self.wide_lead, self.wide_sublinear_tf)


def search_space(space: SearchSpace) -> TrainingConfig:
    """Draw training settings.

    Learning rates 0.0003 to 0.01, scale-free; batches of 32, 64 or 128; embedding frozen,
    fine-tuned or random, 50, 100 or 200 features wide.
    """
    return TrainingConfig.parse(
        {
            "learning_rate": space.Float("learning_rate", 3e-4, 1e-2, sampling="log", default=1e-3),
            "batch_size": space.Choice("batch_size", [32, 64, 128], default=64),
            "embedding": space.Choice(
                "embedding", ["frozen", "fine_tuned", "random"], default="fine_tuned"
            ),
            "embedding_features": space.Choice("embedding_features", [50, 100, 200], default=100),
        }
    )
