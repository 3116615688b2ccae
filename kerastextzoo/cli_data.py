"""The commands about data and word vectors: `data inspect`, `embeddings train` and `inspect`."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kerastextzoo.errors import InputError, quoted
from kerastextzoo.options import ReadingOptions, Tokenizer, load_tensorflow, with_options

if TYPE_CHECKING:
    from kerastextzoo.console import Screen
    from kerastextzoo.inspection import Inspection

data_app = typer.Typer(help="Look at a data set.")
embeddings_app = typer.Typer(help="Train word vectors, or look at some.")


def _command(group: typer.Typer, name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return lambda function: group.command(name)(with_options(function))


Source = Annotated[
    str | None,
    typer.Argument(metavar="D", help="A file, a folder, or a known name. Default: 'docstrings'."),
]


@dataclass(frozen=True, kw_only=True)
class TextOptions(ReadingOptions):
    """How texts are read and split that need no label."""

    tokenizer: Tokenizer = "auto"

    def read(self, source: str | None, screen: "Screen") -> tuple[str, list[list[str]]]:
        """Return the tokenizer chosen and the tokens of each text."""
        from kerastextzoo.data import load_texts
        from kerastextzoo.formats import EMBEDDED

        track = partial(screen.track, "reading texts")
        texts = load_texts(source or EMBEDDED, reading=self.reading(), progress=track)
        load_tensorflow()
        from kerastextzoo.inspection import read_tokens

        chosen, tokens = read_tokens(texts, self.tokenizer)
        how = "chosen by looking at the text" if self.tokenizer == "auto" else "as told"
        screen.note(f"texts       {len(texts):,}")
        screen.note(f"tokens      {chosen} ({how})")
        return chosen, tokens


@_command(data_app, "inspect")
def data_inspect(
    options: ReadingOptions,
    data: Source = None,
    valid: Annotated[str | None, typer.Option(help="Official validation texts.")] = None,
    test: Annotated[str | None, typer.Option(help="Official test texts.")] = None,
    tokenizer: Tokenizer = "auto",
    max_length: Annotated[
        int | None, typer.Option(help="Where texts would be cut off. Default: as in training.")
    ] = None,
    embeddings: Annotated[Path | None, typer.Option(help="Word vectors: what they cover.")] = None,
    out: Annotated[Path | None, typer.Option(help="New folder for a picture, data.png.")] = None,
) -> None:
    """Show rows, classes, lengths, repeats, order, and what a training would cut off."""
    with options.screen() as screen:
        from kerastextzoo.storage import check_free

        if out:
            check_free(out)
        load_tensorflow()
        from kerastextzoo.inspection import inspect_data, load_parts, seen_encoding
        from kerastextzoo.summary import describe_inspection

        parts = load_parts(
            data,
            valid,
            test,
            reading=options.reading(),
            progress=partial(screen.track, "reading texts"),
        )
        found = inspect_data(
            *parts,
            tokenizer=tokenizer,
            max_length=max_length,
            vectors=embeddings,
            encoding=seen_encoding(data, options.encoding) if data else None,
        )
        picture = _draw_inspection(found, out) if out else None
        screen.result(
            {**found.as_dict(), "picture": picture and str(picture)},
            *describe_inspection(found),
            *([f"picture     {picture}"] if picture else []),
        )


def _draw_inspection(found: "Inspection", out: Path) -> Path:
    from kerastextzoo.plots import draw_inspection

    out.mkdir(parents=True, exist_ok=True)
    draw_inspection(found, out / "data.png")
    return out / "data.png"


@_command(embeddings_app, "train")
def embeddings_train(
    options: TextOptions,
    to: Annotated[Path, typer.Option(help="File to write: .txt or .bin, each also as .gz.")],
    data: Source = None,
    algorithm: Annotated[str, typer.Option(help="skip-gram, cbow or fasttext.")] = "skip-gram",
    dim: Annotated[int, typer.Option(help="Numbers of a vector.")] = 100,
    window: Annotated[int, typer.Option(help="Words of context on either side.")] = 5,
    min_count: Annotated[int, typer.Option(help="Rarer words get no vector.")] = 2,
    epochs: Annotated[int, typer.Option(help="Passes over the texts.")] = 5,
    seed: Annotated[int, typer.Option(help="The same seed gives the same file.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file.")] = False,
) -> None:
    """Train word vectors on texts, labelled or not; D may be a .txt file with a text a line."""
    with options.screen() as screen:
        from kerastextzoo.embeddings import check_target, get_algorithm, save_vectors

        training = get_algorithm(algorithm)
        check_target(to, overwrite=overwrite)
        tokenizer, sentences = options.read(data, screen)
        started = time.monotonic()
        vectors = training(
            sentences,
            dim=dim,
            window=window,
            min_count=min_count,
            epochs=epochs,
            seed=seed,
            progress=partial(screen.track, f"training {algorithm}"),
        )
        save_vectors(vectors, to, overwrite=overwrite)
        result = {
            "vectors": str(to),
            "words": len(vectors.index_to_key),
            "dim": dim,
            "seconds": round(time.monotonic() - started, 3),
            "algorithm": algorithm,
            "window": window,
            "min_count": min_count,
            "epochs": epochs,
            "seed": seed,
            "tokenizer": tokenizer,
            "texts": len(sentences),
            "tokens": sum(map(len, sentences)),
        }
        screen.result(result, *(f"{name:<11} {value}" for name, value in result.items()))


@_command(embeddings_app, "inspect")
def embeddings_inspect(
    options: TextOptions,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="word2vec or GloVe format.")],
    data: Annotated[str | None, typer.Option(help="Texts: how much of them is covered.")] = None,
    words: Annotated[str | None, typer.Option(help="Show the neighbours of these: a,b,c.")] = None,
    analogies: Annotated[
        Path | None, typer.Option(help="Questions: ': section', then four words a line.")
    ] = None,
) -> None:
    """Show size and format of word vectors, neighbours of words, coverage, accuracy."""
    with options.screen() as screen:
        from kerastextzoo.embeddings import inspect_vectors, load_vectors, read_questions
        from kerastextzoo.summary import describe_vectors

        asked = [word.strip() for word in words.split(",")] if words is not None else None
        if asked is not None and not all(asked):
            raise InputError(f"--words takes words with commas between; got {quoted(words)}")
        questions = read_questions(analogies) if analogies else None
        vectors = load_vectors(file, encoding=options.encoding or "utf-8", errors=options.errors)
        counts = None
        if data is not None:
            _, sentences = options.read(data, screen)
            counts = Counter(word for sentence in sentences for word in sentence)
        found = inspect_vectors(vectors, counts=counts, words=asked, questions=questions)
        screen.result({"vectors": str(file), **found.as_dict()}, *describe_vectors(found))
