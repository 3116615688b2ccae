"""What is searched: the settings of one or several models and of their training.

A setting that is fixed, or has no effect whatever else is drawn, is no part of the space.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import zip_longest
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn

import keras_tuner

from kerastextzoo import training_config
from kerastextzoo.builders import MODELS, get_spec, list_models
from kerastextzoo.errors import InputError, nearest, quoted
from kerastextzoo.spec import SPANS, Config, ModelConfig, ModelSpec
from kerastextzoo.training_config import OF_TOKENS, TrainingConfig

_FEW_POINTS = 2000  # so many are told apart within a second


@dataclass(frozen=True)
class Drawn:
    """What one trial trains.

    Attributes:
        spec: The model.
        settings: Its settings.
        config: The training's settings.
    """

    spec: ModelSpec
    settings: ModelConfig
    config: TrainingConfig

    @property
    def identity(self) -> str:
        """The same text for all that train the very same thing."""
        settings = self.settings.model_dump(mode="json", exclude=set(self.settings.idle))
        config = self.config.model_dump(mode="json")
        return json.dumps([self.spec.name, settings, config], sort_keys=True)


class JointSpace:
    """The space of a search over models, their settings and their training's.

    Names are those of the settings. Of several models, `model` says which is drawn, and each has
    its own settings after its name, `cnn/filters`; the training's are shared.

    Args:
        specs: The models.
        fixed: Settings by name that are not searched; each goes to the models that know it.
        max_length: Tokens of a text that are read. Kernels and pools that span more are left out.
        vectors: The file of word vectors to start from.

    Attributes:
        hyperparameters: The space, for KerasTuner.
        left_out: Values by name of parameter that span more than the texts.

    Raises:
        InputError: A fixed setting is unknown or out of its range, or all values of a setting span
            more than the texts.

    Example:
        >>> space = JointSpace([get_spec("cnn")], {"filters": 64}, max_length=50)
        >>> space.draw(space.defaults()[0]).settings.filters
        64
    """

    def __init__(
        self,
        specs: Sequence[ModelSpec],
        fixed: Mapping[str, object] = MappingProxyType({}),
        *,
        max_length: int,
        vectors: str | Path | None = None,
    ) -> None:
        self.specs = {spec.name: spec for spec in specs}
        self.fixed = dict(fixed)
        self.max_length = max_length
        self.vectors = vectors
        self.hyperparameters = keras_tuner.HyperParameters()
        self.left_out: dict[str, list[Any]] = {}
        self._unsearched: dict[str, Any] = {}
        self._check_fixed()
        if len(self.specs) > 1:
            self.hyperparameters.Choice("model", list(self.specs))
        for spec in self.specs.values():
            spec.search_space(_Answers(partial(self._declare_of, spec)))
        training_config.search_space(_Answers(self._declare_of_training))
        self._parameters = {each.name: each for each in self.hyperparameters.space}

    def draw(self, values: Mapping[str, Any]) -> Drawn:
        """Return what a trial with these values trains.

        Raises:
            InputError: A value is out of its range.
        """
        spec = (
            self.specs[values["model"]] if len(self.specs) > 1 else next(iter(self.specs.values()))
        )

        def drawing(prefix: str) -> _Answers:
            return _Answers(lambda _, name, *__, **___: self._value(prefix + name, values))

        settings = spec.search_space(drawing(self.prefix(spec)))
        config = training_config.search_space(drawing(""))
        return Drawn(
            spec,
            settings.replace(**of_kind(self.fixed, spec.config)),
            config.replace(**of_kind(self.fixed, TrainingConfig)),
        )

    def defaults(self) -> list[dict[str, Any]]:
        """Return the values of the zoo's defaults, one for each model."""
        return [next(points) for points in self._points_by_model(0)]

    def points(self, few: int = 0) -> Iterator[dict[str, Any]]:
        """List the space: each model's defaults first, then what comes last varies quickest.

        Args:
            few: Values of a continuous parameter beside its default; 0: its default alone.
        """
        for turn in zip_longest(*self._points_by_model(few)):
            yield from (values for values in turn if values is not None)

    def count_points(self, few: int = 0) -> float:
        """Return how many different trials there are; infinity if a parameter is continuous.

        Args:
            few: Values of a continuous parameter that count beside its default; 0: it has no end.
        """
        count = _count(self.hyperparameters.space, {}, few)
        return self._few_points if count <= _FEW_POINTS and not few else count

    @cached_property
    def _few_points(self) -> int:
        return len({self.draw(values).identity for values in self.points()})

    def impossible(self, values: Mapping[str, Any]) -> str | None:
        """Say why these values make no trial; None if they do."""
        too_long = self.draw(values).settings.too_long(self.max_length)
        return next((spans_more(*each, self.max_length) for each in too_long.items()), None)

    def config(self) -> dict[str, Any]:
        """Return what makes this space the one it is, ready for JSON."""
        known = {
            "models": list(self.specs),
            "fixed": {name: str(value) for name, value in self.fixed.items()},
            "max_length": self.max_length,
            "vectors": str(self.vectors) if self.vectors else None,
            "space": self.hyperparameters.get_config()["space"],
        }
        return dict(json.loads(json.dumps(known)))

    def prefix(self, spec: ModelSpec) -> str:
        """Return what stands before the names of a model's own settings."""
        return f"{spec.name}/" if len(self.specs) > 1 else ""

    def _value(self, name: str, values: Mapping[str, Any]) -> Any:
        parameter = self._parameters.get(name)
        if parameter is None:
            return self._unsearched[name]
        return values[name] if is_active(parameter, values) else parameter.default

    def _check_fixed(self) -> None:
        kinds: list[type[Config]] = [*(spec.config for spec in self.specs.values()), TrainingConfig]
        known = list(dict.fromkeys(name for kind in kinds for name in kind.model_fields))
        for name in self.fixed:
            if name not in known:
                raise InputError(f"no setting {quoted(name)}; {nearest(name, known)}")
        for kind in kinds:
            parsed = kind.parse(of_kind(self.fixed, kind))
            too_long = parsed.too_long(self.max_length) if isinstance(parsed, ModelConfig) else {}
            for name, sizes in too_long.items():
                if name in self.fixed:
                    self._refuse(name, sizes)

    def _refuse(self, name: str, sizes: str) -> NoReturn:
        raise InputError(
            f"{spans_more(name, sizes, self.max_length)}; raise max_length, or fix {name} at less"
        )

    def _declare_of(
        self, spec: ModelSpec, kind: str, name: str, *range_: Any, **options: Any
    ) -> Any:
        """Add a setting of a model, without the values that span more than the texts."""
        full = self.prefix(spec) + name
        if name in SPANS and name not in self.fixed:
            whole = _parameter(kind, name, *range_, **options)
            given = of_kind(self.fixed, spec.config)
            too_long = [
                value
                for value in whole.values
                if name in spec.config.parse({**given, name: value}).too_long(self.max_length)
            ]
            left = [value for value in whole.values if value not in too_long]
            if not left:
                self._refuse(full, "; ".join(map(str, too_long)))
            if too_long:
                self.left_out[full] = too_long
                default = whole.default if whole.default in left else left[0]
                kind, range_, options = "Choice", (left,), {"default": default}
        beside = {"model": [spec.name]} if len(self.specs) > 1 else {}
        return self._declare(beside, name in self.fixed, kind, full, *range_, **options)

    def _declare_of_training(self, kind: str, name: str, *range_: Any, **options: Any) -> Any:
        beside = self._effective_beside(name)
        alone = name in self.fixed or beside is None
        return self._declare(beside or {}, alone, kind, name, *range_, **options)

    def _declare(
        self, beside: dict[str, list[str]], alone: bool, kind: str, *arguments: Any, **options: Any
    ) -> Any:
        parameter = _parameter(kind, *arguments, **options)
        if alone:
            self._unsearched[parameter.name] = parameter.default
            return parameter.default
        with ExitStack() as scopes:
            for parent, values in beside.items():
                scopes.enter_context(self.hyperparameters.conditional_scope(parent, values))
            getattr(self.hyperparameters, kind)(*arguments, **options)
        return parameter.default

    def _effective_beside(self, name: str) -> dict[str, list[str]] | None:
        """Return beside what a setting of the training has an effect; None: it never has."""
        beside = {}
        if name in OF_TOKENS:
            reading = [spec.name for spec in self.specs.values() if spec.config().reads is None]
            if not reading:
                return None
            if len(reading) < len(self.specs):
                beside["model"] = reading
        if name == "embedding_features" and self.vectors is not None:
            # The file brings its own width.
            if self.fixed.get("embedding", "random") != "random":
                return None
            if "embedding" not in self.fixed:
                beside["embedding"] = ["random"]
        if name == "batch_size" and self.fixed.get("batch_tokens") is not None:
            return None
        return beside

    def _points_by_model(self, few: int) -> list[Iterator[dict[str, Any]]]:
        if len(self.specs) == 1:
            return [_points(self.hyperparameters.space, {}, few)]
        listed = []
        for name in self.specs:
            chosen = {"model": name}
            own = [
                each
                for each in self.hyperparameters.space[1:]
                if all(one.is_active(chosen) for one in each.conditions if one.name == "model")
            ]
            listed.append(_points(own, chosen, few))
        return listed


@dataclass(frozen=True)
class _Answers:
    """A `SearchSpace` that asks a function for each value."""

    answer: Callable[..., Any]

    def Int(self, name: str, min_value: int, max_value: int, **options: Any) -> Any:
        return self.answer("Int", name, min_value, max_value, **options)

    def Float(self, name: str, min_value: float, max_value: float, **options: Any) -> Any:
        return self.answer("Float", name, min_value, max_value, **options)

    def Choice(self, name: str, values: Sequence[Any], **options: Any) -> Any:
        return self.answer("Choice", name, values, **options)

    def Boolean(self, name: str, **options: Any) -> Any:
        return self.answer("Boolean", name, **options)


def find_specs(models: str | Sequence[str]) -> tuple[ModelSpec, ...]:
    """Look models up.

    Args:
        models: Names, in text with commas between them; `all` stands for every model that reads
            tokens.

    Raises:
        InputError: There is no such model, or none was named.

    Example:
        >>> [spec.name for spec in find_specs("lstm,cnn")]
        ['lstm', 'cnn']
    """
    listed = models.split(",") if isinstance(models, str) else models
    specs: dict[str, ModelSpec] = {}
    for name in listed:
        reading = [spec for spec in MODELS if spec.config().reads is None]
        for spec in reading if name == "all" else [get_spec(name)]:
            specs[spec.name] = spec
    if not specs:
        raise InputError(f"no model to search; known: all, {', '.join(list_models())}")
    return tuple(specs.values())


def of_kind(fixed: Mapping[str, object], kind: type[Config]) -> dict[str, object]:
    """Return the fixed settings that belong to a kind of configuration."""
    return {name: value for name, value in fixed.items() if name in kind.model_fields}


def is_active(parameter: Any, values: Mapping[str, Any]) -> bool:
    """Say whether a parameter is drawn beside these values."""
    return all(condition.is_active(values) for condition in parameter.conditions)


def values_of(parameter: Any, few: int = 0) -> list[Any]:
    """Return the values of a parameter, its default first.

    Args:
        parameter: One of KerasTuner's.
        few: Values of a continuous one beside its default, its bounds among them.
    """
    if getattr(parameter, "step", 1) is not None:
        values = list(parameter.values)
    else:
        at = [number / max(few - 1, 1) for number in range(few)]
        bounds = parameter.min_value, parameter.max_value
        values = [min(max(parameter.prob_to_value(each), bounds[0]), bounds[1]) for each in at]
    return list(dict.fromkeys([parameter.default, *values]))


def _is_continuous(parameter: Any) -> bool:
    return getattr(parameter, "step", 1) is None


def _points(
    parameters: Sequence[Any], chosen: dict[str, Any], few: int
) -> Iterator[dict[str, Any]]:
    if not parameters:
        yield chosen
        return
    first, rest = parameters[0], parameters[1:]
    if not is_active(first, chosen):
        yield from _points(rest, chosen, few)
        return
    for value in values_of(first, few):
        yield from _points(rest, {**chosen, first.name: value}, few)


def _count(parameters: Sequence[Any], chosen: dict[str, Any], few: int) -> float:
    if not parameters:
        return 1
    first, rest = parameters[0], parameters[1:]
    if not is_active(first, chosen):
        return _count(rest, chosen, few)
    if _is_continuous(first) and not few:
        return math.inf
    values = values_of(first, few)
    decides = any(condition.name == first.name for each in rest for condition in each.conditions)
    if not decides:
        return len(values) * _count(rest, chosen, few)
    return sum(_count(rest, {**chosen, first.name: value}, few) for value in values)


def _parameter(kind: str, *arguments: Any, **options: Any) -> Any:
    return getattr(keras_tuner.engine.hyperparameters, kind)(*arguments, **options)


def spans_more(name: str, sizes: str, max_length: int) -> str:
    """Say that kernels or pools are longer than any text."""
    return (
        f"setting {name}: {sizes} spans more than the {max_length} tokens of a text that are read"
    )
