"""Look at texts before anything is trained: sizes, classes, lengths, repeats, order, coverage."""

import codecs
import gzip
import warnings
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import combinations, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kerastextzoo.data import Dataset, load_dataset
from kerastextzoo.embeddings import Coverage, coverage_of, load_vectors
from kerastextzoo.errors import InputError, quoted
from kerastextzoo.formats import EMBEDDED, find_parts
from kerastextzoo.label_sets import Label, describe_labels, shown
from kerastextzoo.progress import Progress
from kerastextzoo.reading import Reading
from kerastextzoo.splits import make_splits
from kerastextzoo.text import TextConfig, choose_tokenizer, fit_encoder, tokenize

if TYPE_CHECKING:
    from gensim.models import KeyedVectors

PERCENTILES = (5, 25, 50, 75, 95, 99)
_STEP = 8
_LONGEST_PROPOSAL = 512
_EXAMPLES = 5
_UNKNOWN_ID = 1
# Where something becomes worth a note.
_IMBALANCE = 10
_SHARE_CUT = 0.05
_SHARE_OVERLAP = 0.01
_SHARE_NUMBERS = 0.5
_FEW_TOKENS = 1.5
_LONG_TEXT = 8  # characters
_LOW_COVERAGE = 0.5
_FEWEST_CHANGES = 10


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What `inspect_data` found; shares are from 0 to 1, rows count from 1, blank texts left out.

    Attributes:
        name: Where the texts come from.
        rows: Texts by part: `data`, and `validation` and `test` where they were given.
        encoding: Of the file, or None if nobody said.
        tokenizer: The one used.
        tokenizer_chosen: Whether it was chosen by looking at the text.
        classes: Texts by class, the largest first.
        label_sets: For multi-label data, how many labels the texts have: `mean`, `most`, texts with
            `none`, `different` sets.
        imbalance: Texts of the largest class over those of the smallest.
        lengths: Tokens of each text, `(rows,)`.
        cut: What is lost at a `max_length`: `max_length`, `texts` and `tokens` as shares.
        proposal: A `max_length`, and `why`.
        repeats: `rows` that repeat an earlier one but for case and white space, `texts` that do.
        conflicts: `texts` that occur under several labels, `rows` of them, `examples`.
        overlap: For two parts, `rows` of the second that are in the first, `share`, `examples`.
        unknown: Share of the tokens of the validation part that training on the rest would not
            know, and of its `texts` without a known token; None if there is no split.
        coverage: By the vectors, if some were given.
        order: Label `changes` from row to row, how many a shuffle gives (`shuffled`), and whether
            the rows are `sorted` by class.
        notes: What to look at, in sentences.
    """

    name: str
    rows: dict[str, int]
    encoding: str | None
    tokenizer: str
    tokenizer_chosen: bool
    classes: dict[str, int]
    imbalance: float
    lengths: npt.NDArray[np.int64] = field(repr=False, compare=False)
    cut: dict[str, float]
    proposal: dict[str, Any]
    repeats: dict[str, int]
    conflicts: dict[str, Any]
    overlap: dict[str, dict[str, Any]]
    unknown: dict[str, float] | None
    coverage: Coverage | None
    order: dict[str, Any]
    notes: tuple[str, ...]
    label_sets: dict[str, Any] | None = None

    @property
    def percentiles(self) -> dict[str, int]:
        """The smallest lengths that so many per cent of the texts do not exceed."""
        found = np.percentile(self.lengths, PERCENTILES, method="inverted_cdf")
        named = {str(at): int(length) for at, length in zip(PERCENTILES, found, strict=True)}
        return {**named, "max": int(self.lengths.max())}

    def as_dict(self) -> dict[str, Any]:
        """Return everything but the single lengths, ready for JSON."""
        told = asdict(self)
        told["lengths"] = self.percentiles
        told["coverage"] = self.coverage and self.coverage.as_dict()
        told["notes"] = list(self.notes)
        if self.label_sets is None:
            del told["label_sets"]
        return told


def inspect_data(
    data: Dataset,
    validation: Dataset | None = None,
    test: Dataset | None = None,
    *,
    tokenizer: str = "auto",
    max_length: int | None = None,
    vectors: "KeyedVectors | Path | None" = None,
    encoding: str | None = None,
    seed: int = 0,
) -> Inspection:
    """Look at texts and their labels as a training would read them; nothing is changed.

    Data that can't be split for a training is inspected all the same: a note says why it can't.

    Args:
        data: The texts to learn from, or all there are.
        validation: The official validation part.
        test: The official test part.
        tokenizer: `word`, `char`, or `auto`.
        max_length: Where texts would be cut off; None for the default of a training.
        vectors: Word vectors, or a file of them, whose coverage is of interest.
        encoding: What the file was read with, to be told.
        seed: Of the split that unknown tokens are counted on, where none was given.

    Raises:
        InputError: A setting is out of its range, or there is no text or no label.
    """
    given = {} if max_length is None else {"max_length": max_length}
    config = TextConfig.parse({"tokenizer": tokenizer, **given})
    if not len(data):
        raise InputError(f"{data.name}: 0 examples; expected texts with labels")
    auto = config.tokenizer == "auto"
    chosen = choose_tokenizer(data.texts) if auto else config.tokenizer
    counts, sizes = Counter[str](), array("q")
    for tokens in tokenize(data.texts, chosen):
        counts.update(tokens)
        sizes.append(len(tokens))
    lengths = np.array(sizes, np.int64)
    if isinstance(vectors, Path):
        vectors = load_vectors(vectors, words=counts)
    official = {"validation": validation, "test": test}
    parts = {"data": data, **{name: part for name, part in official.items() if part is not None}}
    unknown, problem = _unknown(data, validation, test, config, seed)
    classes = dict(data.label_counts.most_common())
    if not classes:
        raise InputError(f"{data.name}: no text has a label; expected some")
    found = Inspection(
        name=data.name,
        rows={name: len(part) for name, part in parts.items()},
        encoding=encoding,
        tokenizer=chosen,
        tokenizer_chosen=auto,
        classes=classes,
        imbalance=max(classes.values()) / min(classes.values()),
        lengths=lengths,
        cut=_cut_off(lengths, config.max_length),
        proposal=_propose(lengths),
        repeats=count_repeats(data),
        conflicts=find_conflicts(data),
        overlap=_overlaps(parts),
        unknown=unknown,
        coverage=None if vectors is None else coverage_of(counts, vectors),
        order=describe_order(data.labels),
        notes=(),
        label_sets=describe_labels(data.labels) if data.multi_label else None,
    )
    notes = [f"no training on this: {problem}"] if problem else []
    return replace(found, notes=(*notes, *_notes(found, data.texts)))


def read_tokens(texts: Sequence[str], tokenizer: str = "auto") -> tuple[str, list[list[str]]]:
    """Return the tokenizer, chosen where it is `auto`, and the tokens of each text.

    Raises:
        InputError: There is no such tokenizer.

    Example:
        >>> read_tokens(["A good day."])
        ('word', [['a', 'good', 'day']])
    """
    wanted = TextConfig.parse({"tokenizer": tokenizer}).tokenizer
    chosen = choose_tokenizer(texts) if wanted == "auto" else wanted
    return chosen, list(tokenize(texts, chosen))


def load_parts(
    source: str | None,
    valid: str | None = None,
    test: str | None = None,
    *,
    reading: Reading | None = None,
    progress: Progress | None = None,
) -> tuple[Dataset, Dataset | None, Dataset | None]:
    """Read texts and the official parts that are given or lie in the same folder; cut nothing.

    Raises:
        InputError: A file or some of its rows can't be used.
    """
    lying = {} if source in {None, EMBEDDED} else find_parts(str(source))
    read = partial(load_dataset, reading=reading, progress=progress)
    paths = (valid or lying.get("validation"), test or lying.get("test"))
    validation, held_out = (read(path) if path else None for path in paths)
    return read(lying.get("train", source)), validation, held_out


def seen_encoding(source: str, encoding: str | None = None) -> str | None:
    """Return what a file is decoded with: as told, or by its byte order mark, else UTF-8.

    None for what has an encoding of its own: a folder's files, a Parquet file, a known name.
    """
    path = Path(source)
    if encoding or not path.is_file():
        return encoding
    packed = path.suffix.lower() == ".gz"
    if Path(path.name.lower().removesuffix(".gz")).suffix == ".parquet":
        return None
    with gzip.open(path) if packed else path.open("rb") as file:
        head = file.read(3)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    return "utf-8 with a byte order mark" if head == codecs.BOM_UTF8 else "utf-8"


def _cut_off(lengths: npt.NDArray[np.int64], at: int) -> dict[str, float]:
    lost = int(np.maximum(lengths - at, 0).sum())
    share = lost / max(int(lengths.sum()), 1)
    return {"max_length": at, "texts": float((lengths > at).mean()), "tokens": share}


def _propose(lengths: npt.NDArray[np.int64]) -> dict[str, Any]:
    longest = int(np.percentile(lengths, 99, method="inverted_cdf"))
    wanted = max(_STEP, -(-longest // _STEP) * _STEP)
    why = f"99 % of the texts have at most {longest} tokens; rounded up to a multiple of {_STEP}"
    if wanted > _LONGEST_PROPOSAL:
        why = (
            f"99 % of the texts have at most {longest} tokens; held at {_LONGEST_PROPOSAL}, for "
            "time and memory grow with the length while the first tokens tell most"
        )
    return {"max_length": min(wanted, _LONGEST_PROPOSAL), "why": why}


def count_repeats(data: Dataset) -> dict[str, int]:
    """Count `rows` that repeat an earlier text, and the `texts` that are repeated."""
    sizes = [len(rows) for rows in data.repeats()]
    return {"rows": sum(sizes) - len(sizes), "texts": len(sizes)}


def find_conflicts(data: Dataset) -> dict[str, Any]:
    """Find `texts` under several labels, the `rows` they are in, and `examples`."""
    several = [rows for rows in data.repeats() if len({data.labels[row] for row in rows}) > 1]
    examples = [
        {
            "text": data.texts[rows[0]][:200],
            "labels": dict(Counter(shown(data.labels[row]) for row in rows)),
            "rows": [row + 1 for row in rows[:_EXAMPLES]],
        }
        for rows in several[:_EXAMPLES]
    ]
    return {"texts": len(several), "rows": sum(map(len, several)), "examples": examples}


def _overlaps(parts: dict[str, Dataset]) -> dict[str, dict[str, Any]]:
    return {
        f"{first}/{second}": find_overlap(parts[first], parts[second])
        for first, second in combinations(parts, 2)
    }


def find_overlap(first: Dataset, second: Dataset) -> dict[str, Any]:
    """Find `rows` of the second part that the first has too, their `share`, and `examples`."""
    rows = np.flatnonzero(np.isin(second.keys, first.keys))
    examples = [
        {
            "text": second.texts[row][:200],
            "row": int(row) + 1,
            "row_of_first": int(np.flatnonzero(first.keys == second.keys[row])[0]) + 1,
        }
        for row in rows[:_EXAMPLES]
    ]
    return {"rows": len(rows), "share": len(rows) / max(len(second), 1), "examples": examples}


def _unknown(
    data: Dataset,
    validation: Dataset | None,
    test: Dataset | None,
    config: TextConfig,
    seed: int,
) -> tuple[dict[str, float] | None, str | None]:
    """Count what a training would not know; or say why there can be no training."""
    try:
        with warnings.catch_warnings():
            # Of what is told here anyhow.
            warnings.simplefilter("ignore", UserWarning)
            splits = make_splits(data, validation, test, seed=seed)
            encoder = fit_encoder(splits.train.texts, config)
    except InputError as error:
        return None, str(error)
    read = encoder.encode(splits.validation.texts)
    unknown = read.tokens == _UNKNOWN_ID
    empty = sum(bool(unknown[start:end].all()) for start, end in pairwise(read.starts))
    return {"tokens": float(unknown.mean()), "texts": empty / len(splits.validation)}, None


def describe_order(labels: Sequence[Label]) -> dict[str, Any]:
    """Count label `changes` from row to row, here and `shuffled`; say whether rows are `sorted`.

    Example:
        >>> describe_order(["a"] * 20 + ["b"] * 20)["sorted"]
        True
    """
    changes = sum(one != other for one, other in pairwise(labels))
    n = len(labels)
    same = sum(count * (count - 1) for count in Counter(labels).values())
    shuffled = (n - 1) * (1 - same / (n * (n - 1))) if n > 1 else 0.0
    is_sorted = shuffled >= _FEWEST_CHANGES and changes < shuffled / 2
    return {"changes": changes, "shuffled": shuffled, "sorted": is_sorted}


def _notes(found: Inspection, texts: Sequence[str]) -> list[str]:
    """Return what deserves a look, one sentence each."""
    numbers = sum(text.strip().replace(".", "", 1).isdigit() for text in texts) / len(texts)
    characters = sum(map(len, texts)) / len(texts)
    tokens = float(found.lengths.mean())
    largest, smallest = next(iter(found.classes)), list(found.classes)[-1]
    cut, order, conflicts = found.cut, found.order, found.conflicts
    told = {
        f"{quoted(largest)} has {found.imbalance:.0f} times the texts of {quoted(smallest)}: "
        "look at macro-F1, not at accuracy": found.imbalance >= _IMBALANCE,
        f"{cut['texts']:.1%} of the texts are longer than {cut['max_length']} tokens: "
        f"think of --max-length {found.proposal['max_length']}": cut["texts"] > _SHARE_CUT,
        f"{conflicts['texts']} texts occur under several labels": conflicts["texts"] > 0,
        f"rows are sorted by class ({order['changes']} changes of label; a shuffle gives about "
        f"{order['shuffled']:.0f}): never cut off the end of the file": order["sorted"],
        f"{numbers:.0%} of the texts are numbers: wrong column?": numbers > _SHARE_NUMBERS,
        f"{tokens:.1f} tokens a text with {characters:.0f} characters: try --tokenizer char": (
            tokens < _FEW_TOKENS and characters > _LONG_TEXT
        ),
        f"{int((found.lengths == 0).sum())} texts have no token": bool((found.lengths == 0).any()),
    }
    for names, overlap in found.overlap.items():
        text = f"{overlap['share']:.1%} of the second part of {names} is in the first"
        told[f"{text}: scores would be too good"] = overlap["share"] > _SHARE_OVERLAP
    if found.coverage and found.coverage.tokens is not None:
        text = f"the vectors cover {found.coverage.tokens:.1%} of the tokens"
        told[f"{text}: another language or case?"] = found.coverage.tokens < _LOW_COVERAGE
    return [note for note, holds in told.items() if holds]
