"""Texts before they are ids: what a tokenizer, a vocabulary and word vectors make of them."""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kerastextzoo.data import Dataset
from kerastextzoo.doctor.findings import Finding, found, ranked
from kerastextzoo.embeddings import Coverage, coverage_of, first_words, load_vectors
from kerastextzoo.inspection import count_repeats, describe_order, find_conflicts, find_overlap
from kerastextzoo.label_sets import shown
from kerastextzoo.seeds import derive_seed
from kerastextzoo.text import TextEncoder, tell_unsegmented, tokenize

if TYPE_CHECKING:
    from gensim.models import KeyedVectors

_UNKNOWN_ID = 1
_MOST_ROWS = 4_000
_QUICK_ROWS = 1_000
_MOST_WORDS = 50_000
_LETTERS = 20_000
_UNSPACED = {"Cjk", "Hiragana", "Katakana"}
# Where something becomes worth a finding.
_MUCH_OVERLAP = 0.01
_ALL = 0.999
_MANY_CONFLICTS = 0.02
_MANY_REPEATS = 0.2
_DOMINATES = 0.8
_NUMBERS = 0.5
LOW_COVERAGE = 0.3
_FAIR_COVERAGE = 0.5
NO_COVERAGE = 0.05
_UNKNOWN = 0.3
_MORE_UNKNOWN = 0.1
_CUT = 0.1
_FEWEST_ROWS = 60
_GAIN = 0.03
_CLEARLY = 2.0
# So many times the longest text that is read is all that is looked at.
_UNCUT = 16


@dataclass(frozen=True, kw_only=True, eq=False)
class Texts:
    """Labelled texts, and how they become ids.

    Attributes:
        train: To learn from.
        encoder: Its vocabulary, tokenizer and longest text.
        validation: To choose by.
        test: To report on.
        vectors: Word vectors to start from, or a file of them.
        coverage: What they cover of the texts, where that is known.
        most_words: The largest vocabulary.
        batch_size: Texts of one step.
        shuffled: Whether the rows come in another order in each epoch.
        seed: Of samples.
    """

    train: Dataset
    encoder: TextEncoder
    validation: Dataset | None = None
    test: Dataset | None = None
    vectors: "KeyedVectors | str | Path | None" = None
    coverage: Coverage | None = None
    most_words: int | None = None
    batch_size: int = 32
    shuffled: bool = True
    seed: int = 0

    def sample(self, part: Dataset, most: int = _MOST_ROWS) -> Dataset:
        """Return some rows of a part, in their order."""
        if len(part) <= most:
            return part
        draw = np.random.default_rng(derive_seed(self.seed, "texts"))
        return part.subset(np.sort(draw.permutation(len(part))[:most]))

    @cached_property
    def some(self) -> Dataset:
        """A sample of the training texts."""
        return self.sample(self.train)

    @cached_property
    def tokens(self) -> list[list[str]]:
        """The tokens of the sample, uncut."""
        return list(tokenize(self.some.texts, self.encoder.tokenizer))

    def counts(self, tokenizer: str) -> Counter[str]:
        """Count the tokens of a few training texts as another tokenizer splits them."""
        few = self.sample(self.train, _QUICK_ROWS)
        return Counter(token for text in tokenize(few.texts, tokenizer) for token in text)


def check_texts(texts: Texts, *, quick: bool = False, words: bool = True) -> list[Finding]:
    """Find what is wrong with texts, whatever the model.

    Args:
        texts: To be examined.
        quick: Leave out what reads every text or fits a linear model.
        words: Whether the model reads words, not the vectors of a sentence encoder.

    Example:
        >>> data = Dataset("two", ("今天天气很好啊", "我们去看电影吧") * 30, ("a", "b") * 30)
        >>> encoder = TextEncoder(["", "[UNK]", "今天"], tokenizer="word", max_length=9)
        >>> check_texts(Texts(train=data, encoder=encoder), quick=True)[0].code
        'unsegmented-text'
    """
    looks = [check_parts, check_classes]
    if words:
        looks += [check_tokenizer, check_coverage, check_unknown]
    if not quick:
        looks += [check_repeats, *([check_truncation] if words else [])]
    return ranked([finding for look in looks for finding in look(texts)])


def check_tokenizer(texts: Texts) -> Iterator[Finding]:
    """Check that the tokenizer finds words, and that there are any."""
    few = texts.sample(texts.train, _QUICK_ROWS)
    numbers = sum(_is_number(text) for text in few.texts) / len(few)
    if numbers > _NUMBERS:
        yield found("texts-are-numbers", share=numbers, example=few.texts[0][:40])
    if tell_unsegmented(few.texts, texts.encoder.tokenizer):
        sizes = [len(text) for text in tokenize(few.texts, texts.encoder.tokenizer)]
        characters = sum(map(len, few.texts)) / len(few)
        yield found("unsegmented-text", characters=characters, tokens=sum(sizes) / len(sizes))


def _is_number(text: str) -> bool:
    return text.strip().replace(".", "", 1).isdigit()


# Word vectors.


def check_coverage(texts: Texts) -> Iterator[Finding]:
    """Check that word vectors know the tokens; if not, try what would make them."""
    if texts.vectors is None:
        return
    before = texts.coverage.tokens if texts.coverage else None
    if before is not None and before >= _FAIR_COVERAGE:
        return
    kind = texts.encoder.tokenizer
    counts = {name: texts.counts(name) for name in (kind, *_other_tokenizers(texts))}
    covered = _covered(texts.vectors, counts)
    before = covered[kind] if before is None else before
    after, change = _best_change(texts, counts, covered)
    helps = after >= max(_FAIR_COVERAGE, 1.5 * before)
    if before >= _FAIR_COVERAGE or (before >= LOW_COVERAGE and not helps):
        return
    tried = {f"coverage_by_{name}": share for name, share in covered.items() if name != kind}
    remedy = change if helps else _of_another_language(texts)
    finding = found("low-coverage", remedy, coverage=before, **tried)
    yield finding if helps or before < NO_COVERAGE else replace(finding, severity="warning")


def _other_tokenizers(texts: Texts) -> list[str]:
    """Return the other ways to split these texts."""
    if _script(word for text in texts.tokens for word in text) not in _UNSPACED:
        return []
    known = ["word", "char", *(["jieba"] if find_spec("jieba") else [])]
    return [name for name in known if name != texts.encoder.tokenizer]


def _covered(
    vectors: "KeyedVectors | str | Path", counts: dict[str, Counter[str]]
) -> dict[str, float]:
    """Return the share of the tokens with a vector, by tokenizer."""
    if isinstance(vectors, (str, Path)):
        vectors = load_vectors(vectors, words={word for each in counts.values() for word in each})
    return {name: coverage_of(each, vectors).tokens or 0.0 for name, each in counts.items()}


def _best_change(
    texts: Texts, counts: dict[str, Counter[str]], covered: dict[str, float]
) -> tuple[float, str]:
    """Return the coverage after the best change, and the change."""
    kind = texts.encoder.tokenizer
    changes = {
        f"use --tokenizer {name}: the vectors cover {share:.1%} of its tokens": share
        for name, share in covered.items()
        if name != kind
    }
    folded = {word.casefold() for word in _words(texts)}
    known = sum(count for token, count in counts[kind].items() if token.casefold() in folded)
    share = known / max(counts[kind].total(), 1)
    changes[f"lower-case the words of the vectors: that covers {share:.1%} of the tokens"] = share
    best = max(changes, key=lambda change: changes[change])
    return changes[best], best


def _words(texts: Texts) -> list[str]:
    """Return the first words of the vectors."""
    if isinstance(texts.vectors, (str, Path)):
        return first_words(texts.vectors, _MOST_WORDS)
    return [] if texts.vectors is None else texts.vectors.index_to_key[:_MOST_WORDS]


def _of_another_language(texts: Texts) -> str | None:
    """Say that vectors and texts are written in other letters; None if they aren't."""
    written, known = (
        _script(words) for words in ((w for text in texts.tokens for w in text), _words(texts))
    )
    if written == known or not written or not known:
        return None
    return f"use vectors of the texts' language: the texts are {written}, the vectors {known}"


def _script(words: Iterable[str]) -> str:
    """Return the commonest script among the letters of words, such as `Latin`.

    Example:
        >>> _script(["film", "0", "été"]), _script(["电影"])
        ('Latin', 'Cjk')
    """
    letters = Counter[str]()
    for word in words:
        letters.update(
            unicodedata.name(letter, "?").partition(" ")[0] for letter in word if letter.isalpha()
        )
        if letters.total() > _LETTERS:
            break
    return letters.most_common(1)[0][0].capitalize() if letters else ""


# The vocabulary.


def check_unknown(texts: Texts) -> Iterator[Finding]:
    """Check that the vocabulary knows the words of the validation texts."""
    part = texts.train if texts.validation is None else texts.validation
    share, trained = _unknown(texts, part), _unknown(texts, texts.train)
    # Of new texts as many words are unknown as those that stand in the known ones but once.
    counts = Counter(token for text in texts.tokens for token in text)
    once = sum(count == 1 for count in counts.values()) / max(counts.total(), 1)
    expected = max(once, trained)
    if share < _UNKNOWN and (share < _MORE_UNKNOWN or share < 2.5 * expected):
        return
    remedy = None
    vocabulary = texts.encoder.vocabulary
    if texts.most_words is not None and len(vocabulary) >= texts.most_words:
        remedy = "raise max_vocabulary above {vocabulary}"
    yield found(
        "unknown-tokens",
        remedy,
        share=share,
        token=_UNKNOWN_ID,
        share_in_training=trained,
        expected=expected,
        vocabulary=len(vocabulary),
    )


def _unknown(texts: Texts, part: Dataset) -> float:
    tokens = texts.encoder.encode(texts.sample(part, _QUICK_ROWS).texts).tokens
    return float((tokens == _UNKNOWN_ID).mean())


# Rows and their labels.


def check_parts(texts: Texts) -> Iterator[Finding]:
    """Check that the parts share no texts."""
    if texts.validation is None:
        return
    overlap = find_overlap(texts.train, texts.validation)
    if overlap["share"] > _MUCH_OVERLAP:
        code = "validation-is-training" if overlap["share"] >= _ALL else "overlapping-splits"
        first = overlap["examples"][0]["row"]
        yield found(code, share=overlap["share"], rows=overlap["rows"], first_row=first)


def check_classes(texts: Texts) -> Iterator[Finding]:
    """Check how many texts each class has, and whether they come one class after another."""
    data = texts.train
    label, count = data.label_counts.most_common(1)[0]
    share = count / len(data)
    if not data.multi_label and share > _DOMINATES:
        yield found("one-class-dominates", share=share, label=label)
    order = describe_order(data.labels)
    if not order["sorted"]:
        return
    size = texts.batch_size
    batches = [set(data.labels[at : at + size]) for at in range(0, len(data), size)]
    shares = np.array([*Counter(data.labels).values()]) / len(data)
    finding = found(
        "sorted-by-class",
        one_class=sum(len(batch) == 1 for batch in batches) / len(batches),
        expected=float((shares**size).sum()),
        changes_of_class=order["changes"],
    )
    if not texts.shuffled:
        yield finding
        return
    yield replace(
        finding,
        severity="note",
        cause="the rows come sorted by class; training shuffles them",
        remedy="never cut a part off the end of them",
    )


def check_repeats(texts: Texts) -> Iterator[Finding]:
    """Check that texts don't repeat, least of all under another label."""
    data = texts.train
    conflicts, repeats = find_conflicts(data), count_repeats(data)
    if conflicts["rows"] > _MANY_CONFLICTS * len(data):
        example = conflicts["examples"][0]
        yield found(
            "conflicting-labels",
            share=conflicts["rows"] / len(data),
            rows=conflicts["rows"],
            example=example["text"][:40],
            its_labels=", ".join(example["labels"]),
        )
    if repeats["rows"] > _MANY_REPEATS * len(data):
        yield found("repeated-rows", share=repeats["rows"] / len(data), rows=repeats["rows"])


# What is cut off.


def check_truncation(texts: Texts) -> Iterator[Finding]:
    """Check that what is cut off told nothing: by a linear model with it and without it."""
    longest = texts.encoder.max_length
    share = sum(len(text) > longest for text in texts.tokens) / len(texts.tokens)
    if share < _CUT or texts.train.multi_label:
        return
    probe = _Probe(texts)
    if len(probe.truth) < _FEWEST_ROWS:
        return
    cut, uncut = probe.right(longest), probe.right(_UNCUT * longest)
    gain = float(uncut.mean() - cut.mean())
    if gain < max(_GAIN, _CLEARLY * float((uncut != cut).mean() / len(cut)) ** 0.5):
        return
    enough = next(
        length
        for length in (longest * 2**power for power in range(1, 5))
        if length == _UNCUT * longest or probe.right(length).mean() > uncut.mean() - gain / 10
    )
    yield found(
        "truncation-cuts-signal",
        share=share,
        length=longest,
        detail=f"a linear model has an accuracy of {cut.mean():.3f} on what is read, "
        f"{uncut.mean():.3f} on the whole texts",
        proposal=f"--max-length {enough}",
        accuracy_cut=float(cut.mean()),
        accuracy_uncut=float(uncut.mean()),
        rows=len(probe.truth),
    )


class _Probe:
    """A linear model of counted words, and texts that it is not fitted to."""

    def __init__(self, texts: Texts) -> None:
        self.tokens = texts.tokens
        self.labels = [shown(label) for label in texts.some.labels]
        if texts.validation is None or len(texts.validation) < _FEWEST_ROWS:
            fitted, asked = _parted(len(self.tokens), texts.seed)
            self.asked = [self.tokens[row] for row in asked]
            self.truth = [self.labels[row] for row in asked]
            self.tokens = [self.tokens[row] for row in fitted]
            self.labels = [self.labels[row] for row in fitted]
        else:
            part = texts.sample(texts.validation)
            self.asked = list(tokenize(part.texts, texts.encoder.tokenizer))
            self.truth = [shown(label) for label in part.labels]

    def right(self, length: int) -> npt.NDArray[np.bool_]:
        """Fit it to texts cut at a length; say which of the others, cut alike, it gets right."""
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.svm import LinearSVC

        counting = TfidfVectorizer(analyzer=lambda text: text[:length], sublinear_tf=True)
        model = LinearSVC(random_state=0).fit(counting.fit_transform(self.tokens), self.labels)
        guessed = model.predict(counting.transform(self.asked))
        right: npt.NDArray[np.bool_] = guessed == np.array(self.truth)
        return right


def _parted(rows: int, seed: int) -> tuple[Sequence[int], Sequence[int]]:
    """Return four fifths of the row numbers, and the last one."""
    order = np.random.default_rng(derive_seed(seed, "held out")).permutation(rows).tolist()
    return order[rows // 5 :], order[: rows // 5]
