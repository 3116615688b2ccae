"""What a model is: its name, its configuration, how it is built and where a search may go.

Every architecture is one `ModelSpec`; its settings are one `ModelConfig`. To add a setting that
every model shares, add a field to `ModelConfig`; to add a model, see `kerastextzoo.builders`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, Protocol, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from kerastextzoo.errors import InputError, nearest, quoted

if TYPE_CHECKING:
    import keras


def split_at_commas(value: object) -> object:
    """Make a list of text such as `2,3,6`; of nothing, an empty one."""
    if not isinstance(value, str):
        return value
    return value.split(",") if value else []


Count = Annotated[int, Field(ge=1)]
Counts = Annotated[
    tuple[Count, ...], Field(min_length=1, max_length=8), BeforeValidator(split_at_commas)
]
Rate = Annotated[float, Field(ge=0, lt=1)]
#: Settings of how many tokens a kernel or a pool spans, whatever the model.
SPANS = ("kernel_sizes", "kernel_size", "pool_sizes", "pool_size")


class Config(BaseModel):
    """Settings that never change once made; JSON is the only form they are kept in.

    The docstring under a field is its help text. `parse` is the way in for anything a user typed:
    it turns text into numbers and raises `InputError` in one line.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        validate_default=True,
    )

    @classmethod
    def parse(cls, settings: Mapping[str, object]) -> Self:
        """Make a configuration of settings by name; values may be text such as `"2,3,6"`.

        Raises:
            InputError: A name is unknown or a value is out of its range.

        Example:
            >>> class Demo(Config):
            ...     kernel_sizes: Counts = (3,)
            >>> Demo.parse({"kernel_sizes": "2,3,6"}).kernel_sizes
            (2, 3, 6)
        """
        for name in settings:
            if name not in cls.model_fields:
                raise InputError(f"no setting {quoted(name)}; {nearest(name, cls.model_fields)}")
        try:
            return cls.model_validate(dict(settings))
        except ValidationError as error:
            raise InputError(_in_one_line(error)) from None

    def replace(self, **settings: object) -> Self:
        """Return a copy with some settings changed, checked like new ones."""
        return self.parse({**self.model_dump(), **settings})


def _in_one_line(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or "settings"
    said = first["msg"].removeprefix("Value error, ")
    rule = said[:1].lower() + said[1:]
    got = "" if first["type"] == "value_error" else f"; got {quoted(first['input'])}"
    return f"setting {where}: {rule}{got}"


class VectorInput(NamedTuple):
    """What a model reads in place of token ids: the vectors of a frozen sentence encoder.

    Attributes:
        encoder: An installed package or a folder.
        pooled: One vector a text, not one a token.
        layers: From how many of the encoder's layers, the last ones, side by side.
    """

    encoder: str
    pooled: bool
    layers: int = 1


class ModelConfig(Config):
    """Settings that every architecture has."""

    embedding_dropout: Rate = 0.2
    """Share of the embedding's features dropped for a whole text."""
    dropout: Rate = 0.5
    """Share of features dropped before each dense layer."""
    dense_units: Annotated[int, Field(ge=0)] = 0
    """Width of the dense layer before the classes; 0 leaves it out."""
    dense_activation: Annotated[str, Field(pattern="^(relu|elu|gelu|tanh|selu)$")] = "relu"
    """Activation of that dense layer: relu, elu, gelu, tanh or selu."""

    @property
    def reads(self) -> VectorInput | None:
        """None: token ids of the vocabulary of the training texts."""
        return None

    @property
    def idle(self) -> tuple[str, ...]:
        """The settings that have no effect beside the others."""
        return () if self.dense_units else ("dense_activation",)

    @property
    def spans(self) -> dict[str, tuple[int, ...]]:
        """By setting, how many tokens its kernels or pools span.

        Example:
            >>> class Demo(ModelConfig):
            ...     pool_size: Count = 2
            >>> Demo().spans
            {'pool_size': (2,)}
        """
        spans = {name: getattr(self, name) for name in SPANS if name in type(self).model_fields}
        return {name: span if isinstance(span, tuple) else (span,) for name, span in spans.items()}

    def too_long(self, max_length: int) -> dict[str, str]:
        """Return the settings all of whose kernels or pools span more than `max_length` tokens.

        Such a model runs, but what it slides over the text is never filled.

        Example:
            >>> class Demo(ModelConfig):
            ...     kernel_sizes: Counts = (2, 6)
            >>> Demo().too_long(2), Demo().too_long(1)
            ({}, {'kernel_sizes': '2,6'})
        """
        return {
            name: ",".join(map(str, given))
            for name, given in self.spans.items()
            if min(given) > max_length
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """What a model is built for: the vocabulary it reads and the classes it tells apart.

    Attributes:
        vocabulary_size: Rows of the embedding; row 0 is padding, row 1 the unknown word. Without a
            meaning to a model that reads vectors.
        num_classes: Width of the output.
        embedding: The start of the embedding, `(vocabulary_size, features)`, or its number of
            features for a random start; the width of the vectors that a model reads.
        embedding_trainable: Whether training may change the embedding.
        multi_label: Whether a text may have any number of classes, so that each probability stands
            on its own; else they sum to 1.
        hide_padding: Whether layers are told which steps are padding; models that are not go wrong.
    """

    vocabulary_size: int
    num_classes: int
    embedding: npt.NDArray[np.float32] | int = 100
    embedding_trainable: bool = True
    multi_label: bool = False
    hide_padding: bool = True

    def __post_init__(self) -> None:
        if self.vocabulary_size < 3:  # noqa: PLR2004
            raise InputError(
                "vocabulary_size must be at least 3 (padding, unknown and one word); "
                f"got {self.vocabulary_size}"
            )
        if self.num_classes < 2:  # noqa: PLR2004
            raise InputError(f"num_classes must be at least 2; got {self.num_classes}")
        if isinstance(self.embedding, int):
            if self.embedding < 1:
                raise InputError(f"an embedding needs at least 1 feature; got {self.embedding}")
        elif self.embedding.ndim != 2 or len(self.embedding) != self.vocabulary_size:  # noqa: PLR2004
            raise InputError(
                f"the embedding must have shape (vocabulary_size, features) = "
                f"({self.vocabulary_size}, any); got {self.embedding.shape}; "
                "make it with kerastextzoo.embeddings.embedding_matrix"
            )


class SearchSpace(Protocol):
    """The part of KerasTuner's `HyperParameters` that a search space may use.

    `Int` and `Float` include both bounds; `Choice` lists every value.
    """

    def Int(self, name: str, min_value: int, max_value: int, **options: Any) -> int: ...  # noqa: D102
    def Float(self, name: str, min_value: float, max_value: float, **options: Any) -> float: ...  # noqa: D102
    def Choice(self, name: str, values: Sequence[Any], **options: Any) -> Any: ...  # noqa: D102
    def Boolean(self, name: str, **options: Any) -> bool: ...  # noqa: D102


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """One architecture of the zoo.

    Attributes:
        name: One snake-case segment: the file in `builders/`, the key and the model's name.
        config: The class of its settings.
        build: Settings and task to an uncompiled Functional model, token ids `(batch, steps)` or
            vectors `(batch, steps, features)` in, class probabilities `(batch, classes)` out.
        search_space: Draws settings from a search; undrawn, it gives the default settings.
        summary: One line for people.
        reference: The paper.
        exceptions: Checks that cannot hold for this model, with the reason.
    """

    name: str
    config: type[ModelConfig]
    build: "Callable[[Any, Task], keras.Model]"
    search_space: Callable[[SearchSpace], ModelConfig]
    summary: str
    reference: str
    exceptions: Mapping[str, str] = field(default_factory=dict)
