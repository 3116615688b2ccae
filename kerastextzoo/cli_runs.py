"""The commands that take a run: `evaluate`, `predict`, `serve`, `report`, `export`."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kerastextzoo.errors import InputError, named
from kerastextzoo.options import OutputOptions, ReadingOptions, load_tensorflow, with_options

if TYPE_CHECKING:
    from kerastextzoo.answering import Answering
    from kerastextzoo.console import Screen
    from kerastextzoo.explaining import Explanation

runs_app = typer.Typer()


def _command(function: Callable[..., None]) -> Callable[..., None]:
    return runs_app.command()(with_options(function))


RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="What train or tune wrote.")]
Trust = Annotated[
    bool, typer.Option("--trust", help="RUN may be a SavedModel, which is a program, and is run.")
]


def _load(run: Path, trust: bool) -> "Answering":
    load_tensorflow()
    from kerastextzoo.run import Run
    from kerastextzoo.served_model import ServedModel, is_served_model

    return ServedModel(run, trust=trust) if is_served_model(run) else Run(run)


@_command
def evaluate(
    options: ReadingOptions,
    run: RunFolder,
    data: Annotated[str, typer.Option(help="Texts with their true labels.")],
    trust: Trust = False,
) -> None:
    """Compare a run's answers with true labels."""
    with options.screen() as screen:
        from kerastextzoo.data import load_dataset
        from kerastextzoo.summary import describe_evaluation

        truth = load_dataset(data, reading=options.reading())
        evaluation = _load(run, trust).evaluate(truth)
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
    trust: Trust = False,
) -> None:
    """Label texts; without TEXT and --data, one text a line from standard input."""
    with options.screen() as screen:
        from kerastextzoo.data import load_texts

        if text and data:
            raise InputError("give TEXT or --data, not both")
        from kerastextzoo.summary import describe_predictions

        loaded = _load(run, trust)
        texts = load_texts(data, reading=options.reading()) if data else text or _standard_input()
        answers = loaded.predict_proba(texts)
        told = _explain(screen, loaded, texts) if explain else None
        predictions, lines = describe_predictions(loaded, texts, answers, told)
        screen.result({"predictions": predictions}, *lines)


@_command
def serve(
    options: OutputOptions,
    run: RunFolder,
    host: Annotated[
        str, typer.Option(help="Address to listen on; the default: this machine alone.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0: any that is free.")] = 8000,
    name: Annotated[
        str | None,
        typer.Option(help="In TensorFlow Serving's addresses. Default: RUN's last part."),
    ] = None,
    max_texts: Annotated[int, typer.Option(min=1, help="Texts of a request.")] = 1000,
    max_characters: Annotated[int, typer.Option(min=1, help="Characters of a text.")] = 100_000,
    max_bytes: Annotated[int, typer.Option(min=1, help="Bytes of a request.")] = 2**20,
    max_requests: Annotated[
        int, typer.Option(min=1, help="Requests at a time; others are told to come again.")
    ] = 256,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="A further name that the server answers to; can be repeated."),
    ] = None,
) -> None:
    """Answer texts over HTTP, as JSON and on a page, until Ctrl-C."""
    from kerastextzoo.serving import require_libraries

    require_libraries()
    with options.screen() as screen:
        load_tensorflow()
        from kerastextzoo.run import Run
        from kerastextzoo.serving.requests import Limits
        from kerastextzoo.serving.server import serve

        def tell(loaded: Run, url: str) -> None:
            model = loaded.record["model"]
            screen.result(
                {"run": str(run), "model": model, "url": url},
                f"{model:<12}{url} (a page to try it; POST {url}/v1/predict; Ctrl-C ends it)",
            )
            sys.stdout.flush()

        limits = Limits(
            texts=max_texts, characters=max_characters, bytes=max_bytes, requests=max_requests
        )
        serve(
            run,
            host=host,
            port=port,
            name=name,
            limits=limits,
            allowed_hosts=allow_host or (),
            ready=tell,
        )


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
    to: Annotated[Path, typer.Option(help="Folder to write, not there yet.")],
    form: Annotated[
        str,
        typer.Option(
            "--format",
            help="saved_model takes raw strings; keras, onnx and litert take token ids, and "
            "preprocessing.json beside them says how to make those.",
        ),
    ] = "saved_model",
) -> None:
    """Write a run as a SavedModel, or as a network for Keras, ONNX Runtime or LiteRT."""
    from kerastextzoo.export import export

    with options.screen() as screen:
        screen.note(f"writing, loading and comparing {form}")
        exported = export(run, to, form)
        screen.result({"run": str(run), form: str(exported)}, f"exported    {exported}")


def _explain(screen: "Screen", loaded: "Answering", texts: Sequence[str]) -> "list[Explanation]":
    from kerastextzoo.explaining import explain
    from kerastextzoo.run import Run

    if not isinstance(loaded, Run):
        raise InputError(
            f"--explain leaves out the words that a run knows; {named(loaded.directory)} is a "
            "SavedModel; give the run that it was exported from"
        )
    return list(explain(loaded, texts, track=screen.track))


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
