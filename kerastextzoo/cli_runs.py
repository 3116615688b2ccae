"""The commands that take a run: `evaluate`, `predict`, `report`, `export`."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from kerastextzoo.errors import InputError
from kerastextzoo.options import OutputOptions, ReadingOptions, load_tensorflow, with_options

runs_app = typer.Typer()


def _command(function: Callable[..., None]) -> Callable[..., None]:
    return runs_app.command()(with_options(function))


RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="What train or tune wrote.")]


@_command
def evaluate(
    options: ReadingOptions,
    run: RunFolder,
    data: Annotated[str, typer.Option(help="Texts with their true labels.")],
) -> None:
    """Compare a run's answers with true labels."""
    with options.screen() as screen:
        from kerastextzoo.data import load_dataset

        load_tensorflow()
        from kerastextzoo.run import Run
        from kerastextzoo.summary import describe_evaluation

        truth = load_dataset(data, reading=options.reading())
        evaluation = Run(run).evaluate(truth)
        screen.result(evaluation.as_dict(), *describe_evaluation(evaluation))


@_command
def predict(
    options: ReadingOptions,
    run: RunFolder,
    text: Annotated[list[str] | None, typer.Argument(metavar="[TEXT ...]")] = None,
    data: Annotated[str | None, typer.Option(help="A file of texts.")] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say how much each word speaks for the label.")
    ] = False,
) -> None:
    """Label texts; without TEXT and --data, one text a line from standard input."""
    with options.screen() as screen:
        from kerastextzoo.data import load_texts

        if text and data:
            raise InputError("give TEXT or --data, not both")
        load_tensorflow()
        from kerastextzoo import explaining
        from kerastextzoo.run import Run
        from kerastextzoo.summary import describe_predictions

        loaded = Run(run)
        texts = load_texts(data, reading=options.reading()) if data else text or _standard_input()
        answers = loaded.predict_proba(texts)
        told = list(explaining.explain(loaded, texts, track=screen.track)) if explain else None
        predictions, lines = describe_predictions(loaded, texts, answers, told)
        screen.result({"predictions": predictions}, *lines)


@_command
def report(
    options: OutputOptions,
    run: Annotated[Path, typer.Argument(metavar="RUN", help="What train, tune or compare wrote.")],
    out: Annotated[
        Path | None, typer.Option(help="File to write. Default: report.html in RUN.")
    ] = None,
) -> None:
    """Write all there is to see of a run into one HTML page, which needs no network."""
    with options.screen() as screen:
        load_tensorflow()
        from kerastextzoo.report import write_report

        page = write_report(run, out)
        screen.result({"run": str(run), "report": str(page)}, f"report      {page}")


@_command
def export(
    options: OutputOptions,
    run: RunFolder,
    to: Annotated[Path, typer.Option(help="Folder of the SavedModel, not there yet.")],
) -> None:
    """Write a run as a SavedModel that takes raw strings."""
    from kerastextzoo.export import export

    with options.screen() as screen:
        screen.note("writing, loading and comparing the SavedModel")
        exported = export(run, to)
        screen.result({"run": str(run), "saved_model": str(exported)}, f"SavedModel  {exported}")


def _standard_input() -> list[str]:
    try:
        said = sys.stdin.buffer.read().decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise InputError(
            f"standard input: {error}; give UTF-8, or --data with --encoding"
        ) from None
    if not said:
        raise InputError("standard input: no text; give TEXT, --data, or one text a line")
    # Not splitlines, which also splits at characters that may be part of a text.
    return said.removesuffix("\n").split("\n")
