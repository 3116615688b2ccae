"""The commands. Each is a thin function over the library, which it imports only when it runs.

To add a command, write a function under `@_command` with the shared option types below; raise
`InputError` for whatever a user can mend.
"""

import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, TypeVar

import typer

from kerastextzoo.errors import InputError, KerasTextZooError, quoted

if TYPE_CHECKING:
    from kerastextzoo.console import Screen
    from kerastextzoo.data import Splits
    from kerastextzoo.preparation import Preparation
    from kerastextzoo.text import TextConfig

_DONE, _FAULT, _BAD_INPUT, _INTERRUPTED = 0, 1, 2, 130

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Text classifiers in Keras that learn, and a search that finds good ones.",
)
_F = TypeVar("_F", bound=Callable[..., None])
_command: Callable[[_F], _F] = app.command()

Model = Annotated[str, typer.Option(help="A model of the zoo; 'kerastextzoo models' lists them.")]
Data = Annotated[
    str | None,
    typer.Option(help="A file, a folder, or a known name. Default: the built-in 'docstrings'."),
]
Valid = Annotated[str | None, typer.Option(help="Official validation texts.")]
Test = Annotated[str | None, typer.Option(help="Official test texts.")]
TextColumn = Annotated[str, typer.Option(help="Column of the text.")]
LabelColumn = Annotated[str, typer.Option(help="Column of the label.")]
Encoding = Annotated[str | None, typer.Option(help="Encoding of the files, such as gb18030.")]
Tokenizer = Annotated[str, typer.Option(help="word, char, or auto: by looking at the text.")]
Out = Annotated[Path | None, typer.Option(help="Folder to write. Default: a new one in runs/.")]
Seed = Annotated[int, typer.Option(help="The same seed gives the same numbers on a CPU.")]
Epochs = Annotated[int | None, typer.Option(help="Most passes over the training texts.")]
BatchSize = Annotated[int | None, typer.Option(help="Texts of one step.")]
MaxLength = Annotated[int | None, typer.Option(help="Tokens of a text that are read.")]
Embeddings = Annotated[
    Path | None, typer.Option(help="Word vectors to start from (word2vec or GloVe format).")
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Any setting; 'kerastextzoo models NAME'."),
]
Objective = Annotated[str, typer.Option(help="val_accuracy, val_macro_f1 or val_loss.")]
Strategy = Annotated[str, typer.Option(help="none, or mirrored: all devices of this machine.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress and no notes.")]
Json = Annotated[bool, typer.Option("--json", help="The result as one JSON object.")]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="What train or tune wrote.")]


@_command
def models(
    name: Annotated[str | None, typer.Argument(help="Show this model's settings.")] = None,
    json: Json = False,
) -> None:
    """List the models of the zoo, or the settings of one."""
    _load_tensorflow()
    from kerastextzoo import settings
    from kerastextzoo.builders import MODELS, create_model
    from kerastextzoo.console import Screen, table

    screen = Screen(as_json=json)
    if name:
        explained = settings.explain(name)
        rows = [tuple(setting.values()) for setting in explained]
        screen.result({"model": name, "settings": explained}, table(tuple(explained[0]), rows))
        return
    listed = [
        {
            "name": spec.name,
            "summary": spec.summary,
            "reference": spec.reference,
            "parameters": create_model(
                spec.name, vocabulary_size=20_000, num_classes=10
            ).count_params(),
        }
        for spec in MODELS
    ]
    screen.result(
        {"models": listed},
        table(
            ("model", "what it is", "paper", "parameters*"),
            [(m["name"], m["summary"], m["reference"], f"{m['parameters']:,}") for m in listed],
        ),
        "* with 20,000 tokens, 100 features each, and 10 classes",
    )


@_command
def train(
    model: Model,
    data: Data = None,
    valid: Valid = None,
    test: Test = None,
    text_column: TextColumn = "text",
    label_column: LabelColumn = "label",
    encoding: Encoding = None,
    tokenizer: Tokenizer = "auto",
    out: Out = None,
    seed: Seed = 0,
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    max_length: MaxLength = None,
    embeddings: Embeddings = None,
    settings: Set = None,
    objective: Objective = "val_accuracy",
    strategy: Strategy = "none",
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Train one model and write a run."""
    from kerastextzoo.console import Screen

    with Screen(quiet=quiet, as_json=json) as screen:
        given = _assign(
            settings,
            epochs=epochs,
            batch_size=batch_size,
            max_length=max_length,
            tokenizer=tokenizer,
        )
        _load_tensorflow()
        from kerastextzoo.run import train
        from kerastextzoo.settings import share_out
        from kerastextzoo.summary import describe_run, per_class, run_as_dict

        chosen = share_out(model, given)
        out = _new_folder(out, model)
        splits = _read_splits(
            screen, (data, valid, test), (text_column, label_column, encoding), seed
        )
        preparation = _prepare(screen, splits, chosen.text, seed, embeddings)
        run = train(
            preparation,
            model,
            out,
            settings=chosen.model,
            config=chosen.training,
            seed=seed,
            objective=objective,
            strategy=strategy,
            track=screen.track,
        )
        screen.result(run_as_dict(run), per_class(run), *describe_run(run))


@_command
def tune(
    model: Model,
    data: Data = None,
    valid: Valid = None,
    test: Test = None,
    text_column: TextColumn = "text",
    label_column: LabelColumn = "label",
    encoding: Encoding = None,
    tokenizer: Tokenizer = "auto",
    out: Out = None,
    seed: Seed = 0,
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    max_length: MaxLength = None,
    embeddings: Embeddings = None,
    settings: Set = None,
    tuner: Annotated[str, typer.Option(help="How trials are proposed: random.")] = "random",
    max_trials: Annotated[int, typer.Option(help="Trials in all.")] = 10,
    objective: Objective = "val_accuracy",
    strategy: Strategy = "none",
    resume: Annotated[bool, typer.Option("--resume", help="Go on with --out.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Start --out anew.")] = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Search the settings of a model; the best trial becomes a run, exported as a SavedModel."""
    from kerastextzoo.console import Screen

    if (resume or overwrite) and out is None:
        raise InputError("--resume and --overwrite need the folder of the search: give --out")
    with Screen(quiet=quiet, as_json=json) as screen:
        given = _assign(
            settings,
            epochs=epochs,
            batch_size=batch_size,
            max_length=max_length,
            tokenizer=tokenizer,
        )
        _load_tensorflow()
        from kerastextzoo import tuning
        from kerastextzoo.baselines import linear_baseline
        from kerastextzoo.settings import share_out
        from kerastextzoo.summary import describe_run, leaderboard, per_class, run_as_dict

        chosen = share_out(model, given)
        folder = out if out and (resume or overwrite) else _new_folder(out, f"tune-{model}")
        splits = _read_splits(
            screen, (data, valid, test), (text_column, label_column, encoding), seed
        )
        preparation = _prepare(screen, splits, chosen.text, seed, embeddings)
        _on_interrupt(
            f"what is done is saved; the same command with --resume --out {folder} goes on"
        )
        result = tuning.tune(
            preparation,
            model,
            folder,
            tuner=tuner,
            max_trials=max_trials,
            fixed=chosen.fixed,
            seed=seed,
            objective=objective,
            strategy=strategy,
            resume=resume,
            overwrite=overwrite,
            track=screen.track,
        )
        baseline = linear_baseline(splits)
        screen.note(f"writing, loading and comparing the SavedModel {folder / 'saved_model'}")
        exported = _export_again(folder)
        content = {
            **run_as_dict(result.run),
            "trials": [trial.as_dict() for trial in result.trials],
            "best": result.best.as_dict(),
            "baseline": baseline,
            "saved_model": str(exported),
        }
        screen.result(
            content,
            leaderboard(result),
            per_class(result.run),
            *describe_run(result.run, baseline),
            f"SavedModel  {exported}",
            f"pictures    {folder / 'search.png'}, {folder / 'curves.png'}, "
            f"{folder / 'confusion.png'}",
            f"classify    kerastextzoo predict {folder} 'Return the mean of an array.'",
        )


@_command
def evaluate(
    run: RunFolder,
    data: Annotated[str, typer.Option(help="Texts with their true labels.")],
    text_column: TextColumn = "text",
    label_column: LabelColumn = "label",
    encoding: Encoding = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Compare a run's answers with true labels."""
    from kerastextzoo.console import Screen, table

    with Screen(quiet=quiet, as_json=json) as screen:
        from kerastextzoo.data import load_dataset

        _load_tensorflow()
        from kerastextzoo.run import Run
        from kerastextzoo.summary import class_table

        truth = load_dataset(
            data, text_column=text_column, label_column=label_column, encoding=encoding
        )
        evaluation = Run(run).evaluate(truth)
        names = [row["label"] for row in evaluation.per_class]
        screen.result(
            evaluation.as_dict(),
            f"accuracy {evaluation.accuracy:.4f}   macro-F1 {evaluation.macro_f1:.4f}   "
            f"loss {evaluation.loss:.4f}   texts {evaluation.n}",
            class_table(evaluation.per_class),
            table(
                ("true class", *names),
                [(name, *row) for name, row in zip(names, evaluation.confusion, strict=True)],
                title="answers",
            ),
        )


@_command
def predict(
    run: RunFolder,
    text: Annotated[list[str] | None, typer.Argument(metavar="[TEXT ...]")] = None,
    data: Annotated[str | None, typer.Option(help="A file of texts.")] = None,
    text_column: TextColumn = "text",
    encoding: Encoding = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Label texts; without TEXT and --data, one text a line from standard input."""
    from kerastextzoo.console import Screen

    with Screen(quiet=quiet, as_json=json) as screen:
        from kerastextzoo.data import load_texts

        if text and data:
            raise InputError("give TEXT or --data, not both")
        _load_tensorflow()
        from kerastextzoo.run import Run

        loaded = Run(run)
        if data:
            texts = load_texts(data, text_column=text_column, encoding=encoding)
        else:
            texts = text or [line.rstrip("\r\n") for line in _standard_input()]
        answers = loaded.predict_proba(texts)
        predictions = [
            {
                "label": loaded.label_names[row.argmax()],
                "probabilities": dict(zip(loaded.label_names, row.tolist(), strict=True)),
            }
            for row in answers
        ]
        lines = [
            f"{predicted['label']}\t{row.max():.4f}\t{said}"
            for predicted, row, said in zip(predictions, answers, texts, strict=True)
        ]
        screen.result({"predictions": predictions}, *lines)


@_command
def export(
    run: RunFolder,
    to: Annotated[Path, typer.Option(help="Folder of the SavedModel, not there yet.")],
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Write a run as a SavedModel that takes raw strings."""
    from kerastextzoo.console import Screen
    from kerastextzoo.export import export

    with Screen(quiet=quiet, as_json=json) as screen:
        screen.note("writing, loading and comparing the SavedModel")
        exported = export(run, to)
        screen.result({"run": str(run), "saved_model": str(exported)}, f"SavedModel  {exported}")


def _load_tensorflow() -> None:
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


def _standard_input() -> list[str]:
    try:
        return sys.stdin.buffer.read().decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(
            f"standard input: {error}; give UTF-8, or --data with --encoding"
        ) from None


def _assign(assignments: list[str] | None, **options: object) -> dict[str, object]:
    """Put `--set KEY=VALUE` and the options that stand for settings together."""
    given: dict[str, object] = {k: v for k, v in options.items() if v is not None}
    for assignment in assignments or []:
        key, separator, value = assignment.partition("=")
        if not separator or not key:
            raise InputError(f"--set takes KEY=VALUE; got {quoted(assignment)}")
        given[key] = None if value.lower() == "none" and key == "clip_norm" else value
    return given


def _read_splits(
    screen: "Screen",
    sources: tuple[str | None, str | None, str | None],
    columns: tuple[str, str, str | None],
    seed: int,
) -> "Splits":
    """Read training, validation and test texts; cut the parts that were not given."""
    from kerastextzoo.data import Dataset, load_dataset, make_splits

    def read(source: str | None) -> Dataset:
        return load_dataset(
            source,
            text_column=columns[0],
            label_column=columns[1],
            encoding=columns[2],
            progress=partial(screen.track, "collecting docstrings"),
        )

    data, valid, test = sources
    splits = make_splits(
        read(data), read(valid) if valid else None, read(test) if test else None, seed=seed
    )
    screen.note(f"data        {splits.train.name}: {len(splits.label_names)} classes")
    screen.note(f"split       {splits.how}")
    return splits


def _prepare(
    screen: "Screen", splits: "Splits", text: "TextConfig", seed: int, embeddings: Path | None
) -> "Preparation":
    """Make the splits ready, saying what was found and chosen."""
    from kerastextzoo.preparation import Preparation

    preparation = Preparation(splits, text, seed=seed, vectors=embeddings, track=screen.track)
    said = preparation.describe()
    parts = ", ".join(f"{count:,} {name}" for name, count in said["texts"].items())
    chosen = "chosen by looking at the text" if text.tokenizer == "auto" else "as told"
    screen.note(f"texts       {parts}")
    screen.note(f"tokens      {said['tokenizer']} ({chosen}); {said['vocabulary']:,} are known")
    return preparation


def _new_folder(out: Path | None, name: str) -> Path:
    from kerastextzoo.storage import check_free

    if out is not None:
        return check_free(out)
    number = 1
    while Path("runs", f"{name}-{number}").exists():
        number += 1
    return check_free(Path("runs", f"{name}-{number}"))


def _export_again(run: Path) -> Path:
    from kerastextzoo.export import KIND, export
    from kerastextzoo.storage import verify

    to = run / "saved_model"
    if to.exists():
        verify(to, KIND)
        shutil.rmtree(to)
    return export(run, to)


_interrupt_hint = ""


def _on_interrupt(hint: str) -> None:
    global _interrupt_hint  # noqa: PLW0603 - one command a process
    _interrupt_hint = hint


def _stop(status: int, message: str) -> NoReturn:
    sys.stdout.flush()
    sys.stderr.write(" ".join(message.split()) + "\n")
    sys.exit(status)


def _terminate(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def main() -> None:
    """Run one command; every failure is one line and the exit status that the user relies on."""
    # Before anything loads TensorFlow, which otherwise fills standard error.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    signal.signal(signal.SIGTERM, _terminate)
    try:
        status = app(standalone_mode=False) or _DONE
        # Typer turns an interrupt into its status.
        if status == _INTERRUPTED:
            raise KeyboardInterrupt
        sys.exit(status)
    except (InputError, typer.TyperException) as error:
        message = error.format_message() if isinstance(error, typer.TyperException) else error
        _stop(_BAD_INPUT, f"error: {message}")
    except KerasTextZooError as error:
        _stop(_FAULT, f"error: {error}")
    except (KeyboardInterrupt, typer.Abort):
        _stop(_INTERRUPTED, f"interrupted: {_interrupt_hint or 'nothing was written'}")
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(_FAULT)
    except Exception as error:
        if os.environ.get("KERASTEXTZOO_DEBUG"):
            traceback.print_exc()
        _stop(
            _FAULT,
            f"error: a fault of kerastextzoo: {type(error).__name__}: {error} "
            "(KERASTEXTZOO_DEBUG=1 shows where)",
        )
