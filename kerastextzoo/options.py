"""Options that several commands share, and the work they stand for.

A command takes a group of them as its parameter `options`; `with_options` makes each field of the
group an option of the command. To add an option to all commands of a kind, add a field.
"""

import dataclasses
import functools
import inspect
import os
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from kerastextzoo.errors import InputError, quoted

if TYPE_CHECKING:
    from kerastextzoo.console import Screen
    from kerastextzoo.doctor import Finding
    from kerastextzoo.preparation import Preparation
    from kerastextzoo.reading import Reading
    from kerastextzoo.settings import Settings
    from kerastextzoo.splits import Splits


_NOT_AGAIN = ("--resume", "--overwrite", "--quiet", "--json")
_NO_RECIPE: Mapping[str, object] = MappingProxyType({})


def with_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command one option for each field of its parameter `options`, a dataclass."""
    own = inspect.signature(command).parameters
    group = own["options"].annotation
    hints = get_type_hints(group, include_extras=True)
    named = inspect.Parameter.KEYWORD_ONLY
    shared = [
        inspect.Parameter(field.name, named, default=field.default, annotation=hints[field.name])
        for field in dataclasses.fields(group)
    ]

    @functools.wraps(command)
    def call(**given: Any) -> None:
        values = {parameter.name: given.pop(parameter.name) for parameter in shared}
        command(options=group(**values), **given)

    kept = [value.replace(kind=named) for name, value in own.items() if name != "options"]
    call.__signature__ = inspect.Signature([*kept, *shared])  # type: ignore[attr-defined]
    return call


Tokenizer = Annotated[str, typer.Option(help="word, char, jieba, or auto: by looking at the text.")]


def typed() -> str:
    """Return the command that was typed, ready to be typed again.

    Without the folder it writes, which is taken now, and without how it tells its result.
    """
    kept, words = ["kerastextzoo"], iter(sys.argv[1:])
    for word in words:
        if word == "--out":
            next(words, None)
        elif not word.startswith("--out=") and word not in _NOT_AGAIN:
            kept.append(word)
    return shlex.join(kept)


def load_tensorflow() -> None:
    """Import TensorFlow without the lines that it writes to standard error whatever its settings.

    They come from C++ before any log level counts, so the file descriptor itself is turned away.
    """
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        import keras  # noqa: F401
        import tensorflow  # noqa: F401
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


@dataclass(frozen=True, kw_only=True)
class OutputOptions:
    """How a command tells its result."""

    quiet: Annotated[bool, typer.Option("--quiet", help="No progress and no notes.")] = False
    json: Annotated[bool, typer.Option("--json", help="The result as one JSON object.")] = False

    def screen(self) -> "Screen":
        """Return where notes, progress and the result go."""
        from kerastextzoo.console import Screen

        return Screen(quiet=self.quiet, as_json=self.json)


@dataclass(frozen=True, kw_only=True)
class ReadingOptions(OutputOptions):
    """How files of texts are read."""

    text_column: Annotated[str, typer.Option(help="Column of the text.")] = "text"
    label_column: Annotated[str, typer.Option(help="Column of the label.")] = "label"
    sep: Annotated[
        str | None, typer.Option(help="Between columns: ',', ';', TAB. Default: by the suffix.")
    ] = None
    label_separator: Annotated[
        str | None,
        typer.Option(help="Multi-label data: between the labels of a row, such as '|'."),
    ] = None
    label_map: Annotated[
        list[str] | None,
        typer.Option(metavar="OLD=NEW", help="Read a label as another one; can be repeated."),
    ] = None
    encoding: Annotated[
        str | None, typer.Option(help="Encoding of the files, such as gb18030.")
    ] = None
    errors: Annotated[
        str, typer.Option(help="Bytes that can't be decoded: strict refuses, replace counts them.")
    ] = "strict"
    skip_bad_rows: Annotated[
        bool, typer.Option("--skip-bad-rows", help="Leave broken rows out, counted.")
    ] = False
    strip_nul: Annotated[
        bool, typer.Option("--strip-nul", help="Remove NUL characters, counted.")
    ] = False
    max_text_bytes: Annotated[int, typer.Option(help="The longest text, in UTF-8.")] = 2**20
    max_expanded_bytes: Annotated[
        int | None,
        typer.Option(help="The most a packed file may expand to. Default: 200 times its size."),
    ] = None

    def reading(self) -> "Reading":
        """Return how files are read, checked."""
        from kerastextzoo.reading import Reading

        special = {"separator", "label_map"}
        names = {field.name for field in dataclasses.fields(Reading)} - special
        tab = self.sep is not None and self.sep.lower() in {"tab", "\\t"}
        return Reading(
            separator="\t" if tab else self.sep,
            label_map=dict(_assignment("--label-map", each) for each in self.label_map or []),
            **{name: getattr(self, name) for name in names},
        )


def _assignment(option: str, given: str) -> tuple[str, str]:
    """Return the sides of KEY=VALUE."""
    key, separator, value = given.partition("=")
    if not separator or not key:
        raise InputError(f"{option} takes KEY=VALUE; got {quoted(given)}")
    return key.strip(), value.strip()


@dataclass(frozen=True, kw_only=True)
class TrainingOptions(ReadingOptions):
    """What is trained, on what, and how."""

    data: Annotated[
        str | None,
        typer.Option(help="A file, a folder, or a known name. Default: the built-in 'docstrings'."),
    ] = None
    valid: Annotated[str | None, typer.Option(help="Official validation texts.")] = None
    test: Annotated[str | None, typer.Option(help="Official test texts.")] = None
    validation_share: Annotated[
        float, typer.Option(help="Share of --data that validates, where no --valid is given.")
    ] = 0.1
    test_share: Annotated[
        float, typer.Option(help="Share of --data that tests, where no --test is given; 0: none.")
    ] = 0.1
    min_class_count: Annotated[
        int, typer.Option(help="Drop classes with fewer training examples, counted.")
    ] = 0
    allow_overlap: Annotated[
        bool, typer.Option("--allow-overlap", help="Accept parts that share many texts.")
    ] = False
    dedup: Annotated[
        bool, typer.Option("--dedup", help="Remove from training what other parts repeat.")
    ] = False
    tokenizer: Annotated[
        str, typer.Option(help="word, char, jieba, or auto: by looking at the text.")
    ] = "auto"
    out: Annotated[
        Path | None, typer.Option(help="Folder to write. Default: a new one in runs/.")
    ] = None
    seed: Annotated[int, typer.Option(help="The same seed gives the same numbers on a CPU.")] = 0
    epochs: Annotated[int | None, typer.Option(help="Most passes over the texts.")] = None
    batch_size: Annotated[int | None, typer.Option(help="Texts of one step.")] = None
    max_length: Annotated[int | None, typer.Option(help="Tokens of a text that are read.")] = None
    embeddings: Annotated[
        Path | None, typer.Option(help="Word vectors to start from (word2vec or GloVe format).")
    ] = None
    set: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Any setting; 'kerastextzoo models NAME'."),
    ] = None
    objective: Annotated[
        str | None,
        typer.Option(
            help="val_accuracy, val_macro_f1, val_micro_f1 or val_loss. Default: val_accuracy, but "
            "val_macro_f1 where one class has more than 100 times the texts of another, and "
            "val_micro_f1 for multi-label data."
        ),
    ] = None
    strategy: Annotated[
        str, typer.Option(help="none, or mirrored: all devices of this machine.")
    ] = "none"

    def settings(self, model: str, recipe: Mapping[str, object] = _NO_RECIPE) -> "Settings":
        """Return the settings of a model, checked; what is given here goes before a recipe's."""
        from kerastextzoo.settings import share_out

        return share_out(model, self._given(recipe))

    def settings_of_search(self, models: str) -> "Settings":
        """Return the settings that a search over models leaves alone, checked."""
        from kerastextzoo.settings import share_out
        from kerastextzoo.tuning import find_specs

        specs, given = find_specs(models), self._given(_NO_RECIPE)
        others = {name for spec in specs[1:] for name in spec.config.model_fields}
        own = specs[0].config.model_fields
        of_others = {name: given.pop(name) for name in others - own.keys() if name in given}
        settings = share_out(specs[0].name, given)
        return dataclasses.replace(settings, fixed={**settings.fixed, **of_others})

    def _given(self, recipe: Mapping[str, object]) -> dict[str, object]:
        given: dict[str, object] = {"tokenizer": "auto", **recipe}
        if self.tokenizer != "auto":
            given["tokenizer"] = self.tokenizer
        for name in ("epochs", "batch_size", "max_length"):
            if getattr(self, name) is not None:
                given[name] = getattr(self, name)
        for assignment in self.set or []:
            key, value = _assignment("--set", assignment)
            given[key] = value
        return given

    def checked_settings(self, model: str, recipe: Mapping[str, object] = _NO_RECIPE) -> "Settings":
        """Return the settings of a model that is trained with them as they are."""
        from kerastextzoo.settings import check_training

        settings = self.settings(model, recipe)
        check_training(
            settings.model,
            settings.training,
            max_length=settings.text.max_length,
            vectors=self.embeddings,
            objective=self.choose_objective(),
            strategy=self.strategy,
        )
        return settings

    def choose_objective(self, splits: "Splits | None" = None) -> str:
        """Return `--objective`, or what suits the sizes of the classes."""
        from kerastextzoo.evaluation import choose_objective
        from kerastextzoo.splits import is_lopsided

        if splits is None:
            return self.objective or "val_accuracy"
        lopsided = is_lopsided(splits.train) and not splits.multi_label
        usual = "val_macro_f1" if lopsided else None
        return choose_objective(self.objective or usual, multi_label=splits.multi_label)

    def new_folder(self, name: str) -> Path:
        """Return `--out`, or the next free folder of that name in `runs`."""
        from kerastextzoo.storage import check_free

        number = 1
        while Path("runs", f"{name}-{number}").exists():
            number += 1
        return check_free(self.out or Path("runs", f"{name}-{number}"))

    def read_splits(self, screen: "Screen") -> "Splits":
        """Read training, validation and test texts; cut the parts that were not given."""
        from kerastextzoo.splits import load_splits

        splits = load_splits(
            self.data,
            self.valid,
            self.test,
            seed=self.seed,
            progress=partial(screen.track, "reading texts"),
            reading=self.reading(),
            validation_share=self.validation_share,
            test_share=self.test_share,
            min_class_count=self.min_class_count,
            allow_overlap=self.allow_overlap,
            dedup=self.dedup,
        )
        kind = ", any number of them a text" if splits.multi_label else ""
        screen.note(f"data        {splits.train.name}: {len(splits.label_names)} classes{kind}")
        screen.note(f"split       {splits.how}")
        return splits

    def prepare(self, screen: "Screen", splits: "Splits", settings: "Settings") -> "Preparation":
        """Make the splits ready for training, saying what was found and chosen."""
        from kerastextzoo.distribution import describe_device
        from kerastextzoo.sentence_preparation import prepare

        preparation = prepare(
            splits,
            settings.model.reads,
            settings.text,
            seed=self.seed,
            vectors=self.embeddings,
            cache=True,
            track=screen.track,
        )
        screen.note(f"device      {describe_device()}")
        said = preparation.describe()
        parts = ", ".join(f"{count:,} {name}" for name, count in said["texts"].items())
        screen.note(f"texts       {parts}")
        if preparation.reads:
            screen.note(f"vectors     {preparation.describe_embedding()}")
        else:
            how = "chosen by looking at the text" if self.tokenizer == "auto" else "as told"
            screen.note(
                f"tokens      {said['tokenizer']} ({how}); {said['vocabulary']:,} are known"
            )
        return preparation

    def examine(
        self, screen: "Screen", preparation: "Preparation", model: str, settings: "Settings"
    ) -> "list[Finding]":
        """Look at a program before it is trained; tell what is wrong, refuse what can't learn."""
        from kerastextzoo import checkup

        diagnosis = checkup.examine(
            preparation, model, settings.model, settings.training, seed=self.seed, quick=True
        )
        findings = checkup.worth_telling(diagnosis)
        checkup.refuse(diagnosis, settings.training)
        for finding in findings:
            screen.note(str(finding))
        return findings
