"""Settings by name, shared out to the model, its training and its text, and checked together."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kerastextzoo.builders import get_spec
from kerastextzoo.distribution import check_strategy
from kerastextzoo.embeddings import check_width
from kerastextzoo.errors import InputError, nearest, quoted
from kerastextzoo.evaluation import check_objective
from kerastextzoo.sentence_encoder import check_layers, find_encoder
from kerastextzoo.spec import Config, ModelConfig
from kerastextzoo.text import TextConfig
from kerastextzoo.training_config import OF_TOKENS, TrainingConfig

_OF_WORDS = ("tokenizer", "max_vocabulary", "min_count", "vector_words", *OF_TOKENS)


class SettingWarning(UserWarning):
    """Something was set that has no effect."""


@dataclass(frozen=True)
class Settings:
    """Everything that can be set for one model.

    Attributes:
        model: The architecture's settings.
        training: The training's.
        text: The text's.
        fixed: Those of model and training that were given, which a search leaves alone.
    """

    model: ModelConfig
    training: TrainingConfig
    text: TextConfig
    fixed: Mapping[str, object]


def share_out(model: str, given: Mapping[str, object]) -> Settings:
    """Check settings by name and put each where it belongs; values may be text.

    Raises:
        InputError: The model or a name is unknown, or a value is out of its range.

    Example:
        >>> share_out("cnn", {"filters": "64", "epochs": 3}).model.filters
        64
    """
    kinds: tuple[type[Config], ...] = (get_spec(model).config, TrainingConfig, TextConfig)
    known = [name for kind in kinds for name in kind.model_fields]
    for name in given:
        if name not in known:
            raise InputError(f"no setting {quoted(name)}; {nearest(name, known)}")
    of_model, of_training, of_text = (
        kind.parse({name: given[name] for name in kind.model_fields if name in given})
        for kind in kinds
    )
    unused = [name for name in _OF_WORDS if given.get(name, "auto") != "auto"]
    if unused and of_model.reads:  # type: ignore[attr-defined]
        _tell_unused(f"setting {', '.join(unused)}")
    fixed = {name: value for name, value in given.items() if name not in TextConfig.model_fields}
    return Settings(of_model, of_training, of_text, fixed)  # type: ignore[arg-type]


def _tell_unused(what: str) -> None:
    warnings.warn(
        f"{what}: without effect on a model that reads the vectors of a sentence encoder",
        SettingWarning,
        stacklevel=3,
    )


def check_training(
    settings: ModelConfig,
    config: TrainingConfig,
    *,
    max_length: int,
    vectors: str | Path | None = None,
    objective: str = "val_accuracy",
    strategy: str = "none",
) -> None:
    """Refuse what can't be trained, before any data is read.

    Args:
        settings: The model's settings.
        config: The training's settings.
        max_length: Tokens of a text that are read.
        vectors: The file of word vectors to start from.
        objective: As for `kerastextzoo.run.train`.
        strategy: As for `kerastextzoo.run.train`.

    Raises:
        InputError: A name is unknown, all kernels or pools are longer than any text, the sentence
            encoder can't be used, or `embedding_features` was given and is not the width of the
            vectors.
    """
    check_objective(objective), check_strategy(strategy)
    check_encoder(settings, vectors)
    for name, sizes in settings.too_long(max_length).items():
        raise InputError(
            f"setting {name}: {sizes} spans more than the {max_length} tokens of a text that are "
            f"read; lower {name} or raise max_length"
        )
    check_vectors(config, vectors)


def check_encoder(settings: ModelConfig, vectors: str | Path | None) -> None:
    """Refuse a sentence encoder that can't be used, if the model reads one's vectors."""
    if settings.reads is None:
        return
    check_layers(find_encoder(settings.reads.encoder), settings.reads.layers)
    if vectors is not None:
        _tell_unused(f"word vectors {vectors}")


def check_vectors(config: TrainingConfig, vectors: str | Path | None) -> None:
    """Refuse a file of vectors that are not as wide as the configuration says, if it does."""
    given = "embedding_features" in config.model_fields_set and config.embedding != "random"
    if vectors is not None and given:
        check_width(vectors, config.embedding_features)


def explain(model: str) -> list[dict[str, str]]:
    """Return name, default and meaning of everything that can be set for a model."""
    kinds: tuple[type[Config], ...] = (get_spec(model).config, TrainingConfig, TextConfig)
    return [
        {
            "setting": name,
            "default": str(field.default),
            "what it is": " ".join((field.description or "").split()),
        }
        for kind in kinds
        for name, field in kind.model_fields.items()
    ]
