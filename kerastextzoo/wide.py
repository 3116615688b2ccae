"""A linear model of n-grams, beside which a network learns what that one does not know.

The network is trained on top of scores that the linear model gives to texts it has not seen: its
training texts are split into folds, and each fold is scored by a model of the others. So the
scores are as good, and as bad, as those of texts to come, and the network has something left to
learn. What is saved is one model, which finds the n-grams itself.

References:
    Wolpert 1992, https://doi.org/10.1016/S0893-6080(05)80023-1 (scores by folds)
    Cheng et al. 2016, https://arxiv.org/abs/1606.07792 (wide and deep)
    Wang and Manning 2012, https://aclanthology.org/P12-2018 (naive Bayes below the linear model)
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt

from kerastextzoo.batching import EncodedTexts, plan_batches
from kerastextzoo.layers import LinearNGrams, ShiftByScores
from kerastextzoo.progress import Track, silent

_FOLDS = 5
_TOKENS_AT_ONCE = 2**15
# Texts that each bucket is taken to be in besides; chosen by the scores of texts not seen.
_SMOOTHING = 3.0
_GAINS = np.geomspace(0.5, 16, 31)
_SHIFT = "classes"
# At half an n-gram a bucket four of ten share theirs; at 0.9 it cost 0.4 points on Chinese titles.
_CROWDED = 0.5
_MOST_BUCKETS = 2**22
#: What a model of vectors calls the ids that n-grams are made of.
WORDS = "words"


class NGrams(NamedTuple):
    """Which n-grams a linear model counts."""

    longest: int
    """Tokens of the longest; all shorter ones count as well. 0: there is no linear model."""
    buckets: int
    """Rows of the table into which they are hashed."""
    lead: int = 0
    """Tokens of a text's start, whose n-grams count once more, apart; 0: they do not."""
    sublinear_tf: bool = False
    """Whether it counts how often a text has an n-gram."""


@dataclass(frozen=True, eq=False, kw_only=True)
class LinearModel:
    """A fitted linear model of n-grams.

    Attributes:
        ngrams: Which n-grams it counts.
        table: As in `LinearNGrams`, `(buckets + 1, classes + 1)`.
        bias: As in `LinearNGrams`, `(classes,)`.
        scores: Of the training texts, `(texts, classes)`, by models that have not seen them.
        gain: What the scores are best multiplied by to be logarithms of odds.
        multi_label: Whether a text may have any number of classes.
        distinct: About how many n-grams the training texts have, counted by the buckets in use.
    """

    ngrams: NGrams
    table: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]
    gain: float
    multi_label: bool
    distinct: int

    def tell_crowded(self) -> str | None:
        """Say so where many n-grams share a bucket and more buckets would help."""
        buckets = self.ngrams.buckets
        if self.distinct <= _CROWDED * buckets or buckets >= _MOST_BUCKETS:
            return None
        enough = 2 ** math.ceil(math.log2(self.distinct / _CROWDED))
        return (
            f"wide_buckets {buckets}: many of about {self.distinct:,} n-grams share one and are "
            f"taken for each other; set wide_buckets={min(enough, _MOST_BUCKETS)} (a larger file)"
        )

    def beside(self, network: keras.Model) -> keras.Model:
        """Put a network on top: what it reads and `scores` `(batch, classes)` to probabilities."""
        scores = keras.Input(self.bias.shape, name="scores")
        text = input_like(network.input)
        shift = ShiftByScores(self.gain, self.multi_label, dtype="float32", name=_SHIFT)
        shifted = shift([network(text), scores])
        return keras.Model({text.name: text, "scores": scores}, shifted, name=network.name)

    def serve(self, trained: keras.Model) -> keras.Model:
        """Return what `beside` made as a model that finds the scores itself and shares its weights.

        It reads token ids; or, where the network reads vectors, a mapping of these and of the ids
        of the `words` that n-grams are made of.
        """
        network, shift = (trained.get_layer(name) for name in (trained.name, _SHIFT))
        text = input_like(network.input)
        by_words = text.name == EncodedTexts.input_name
        tokens = text if by_words else keras.Input((None,), dtype="int32", name=WORDS)
        linear = LinearNGrams(len(self.bias), *self.ngrams, dtype="float32", name="linear")
        scores = linear(tokens)
        linear.set_weights([self.table, self.bias])
        reads = text if by_words else {text.name: text, WORDS: tokens}
        return keras.Model(reads, shift([network(text), scores]), name=trained.name)


def input_like(given: Any) -> Any:
    """Return an input of the shape, type and name of another."""
    return keras.Input(given.shape[1:], dtype=given.dtype, name=given.name)


def fit_linear(
    texts: EncodedTexts,
    label_ids: npt.NDArray[Any],
    classes: int,
    ngrams: NGrams,
    *,
    seed: int = 0,
    track: Track = silent,
) -> LinearModel:
    """Fit linear support vector machines, one a class, to the n-grams of texts.

    An n-gram counts in a text by its rarity and by how much it alone speaks for the class.

    Args:
        texts: Token ids.
        label_ids: Class ids `(texts,)`; of multi-label data 0 and 1, `(texts, classes)`.
        classes: How many there are.
        ngrams: Which n-grams count.
        seed: Of the folds.
        track: Progress.
    """
    from sklearn.model_selection import KFold

    multi_label = label_ids.ndim > 1
    truth = label_ids.astype(bool) if multi_label else label_ids[:, None] == np.arange(classes)
    # The second of two classes says all there is to say about the first.
    mirrored = not multi_label and classes == 2  # noqa: PLR2004
    known = truth[:, 1:] if mirrored else truth
    present, rarity = _find(texts, ngrams)
    scores = np.zeros(known.shape)
    folds = KFold(min(_FOLDS, len(texts)), shuffle=True, random_state=seed).split(known)
    for number, (others, fold) in enumerate(folds):
        track("fitting the linear model", number, _FOLDS + 1, "")
        weights, bias = _fit(present[others], known[others])
        scores[fold] = present[fold] @ weights + bias
    track("fitting the linear model", _FOLDS, _FOLDS + 1, "")
    weights, bias = _fit(present, known)
    if mirrored:
        weights, bias, scores = (np.hstack([-each, each]) for each in (weights, bias, scores))
    table = np.column_stack([weights * rarity[:, None], rarity**2])
    table[0] = 0
    track("fitting the linear model", _FOLDS + 1, _FOLDS + 1, "")
    return LinearModel(
        ngrams=ngrams,
        table=table.astype(np.float32),
        bias=bias.astype(np.float32),
        scores=scores.astype(np.float32),
        gain=_best_gain(scores, truth, multi_label=multi_label),
        multi_label=multi_label,
        distinct=_count_distinct(np.unique(present.indices).size, ngrams.buckets),
    )


def _find(texts: EncodedTexts, ngrams: NGrams) -> tuple[Any, npt.NDArray[np.float64]]:
    """Find the n-grams that each text has, `(texts, buckets + 1)`, scaled as `LinearNGrams` does.

    Returns their weights and the weight of each bucket: the rarer its n-grams, the more.
    """
    from scipy.sparse import diags_array
    from sklearn.preprocessing import normalize

    counts = _count(texts, ngrams)
    having = sum(np.bincount(each.indices, minlength=each.shape[1]) for each in counts)
    rarity = np.log((1 + len(texts)) / (1 + having)) + 1
    for each in counts:
        each.data = 1 + np.log(each.data) if ngrams.sublinear_tf else np.ones(each.nnz)
    scaled = [normalize(each @ diags_array(rarity)) for each in counts]
    return sum(scaled[1:], scaled[0]) / math.sqrt(len(scaled)), rarity


def _count(texts: EncodedTexts, ngrams: NGrams) -> list[Any]:
    """Count the n-grams of each text, `(texts, buckets + 1)`, and of its lead if there is one."""
    from scipy.sparse import csr_array

    layer = LinearNGrams(1, *ngrams)
    found: list[list[tuple[Any, ...]]] = [[], []] if ngrams.lead else [[]]
    for batch in plan_batches(texts.lengths, 1, batch_tokens=_TOKENS_AT_ONCE):
        for cells, part in zip(found, layer.find(texts.padded(batch)), strict=True):
            for row, buckets in zip(batch, keras.ops.convert_to_numpy(part), strict=True):
                columns, times = np.unique(buckets[buckets > 0], return_counts=True)
                cells.append((np.full(len(columns), row), columns, times))
    shape = (len(texts), ngrams.buckets + 1)
    counts = []
    for cells in found:
        rows, columns, times = (np.concatenate(each) for each in zip(*cells, strict=True))
        # liblinear takes no wider indices.
        where = (rows.astype(np.int32), columns.astype(np.int32))
        counts.append(csr_array((times.astype(float), where), shape=shape))
    return counts


def _count_distinct(used: int, buckets: int) -> int:
    """Return about how many n-grams leave that many buckets in use.

    Whang et al. 1990, https://doi.org/10.1145/78922.78925.
    """
    free = max(buckets - used, 1)
    return round(buckets * math.log(buckets / free))


def _fit(present: Any, truth: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Fit one model a column of the truth: weights `(buckets + 1, columns)`, bias `(columns,)`."""
    from scipy.sparse import diags_array
    from sklearn.svm import LinearSVC

    weights, bias = np.zeros((present.shape[1], truth.shape[1])), np.zeros(truth.shape[1])
    for column, known in enumerate(truth.T):
        if known.any() and not known.all():
            evidence = _evidence(present, known)
            model = LinearSVC(random_state=0).fit(present @ diags_array(evidence), known)
            weights[:, column], bias[column] = evidence * model.coef_[0], model.intercept_[0]
        else:
            # All texts, or none, are of the class: there is nothing to learn.
            bias[column] = 1.0 if known.all() else -1.0
    return weights, bias


def _evidence(present: Any, known: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Return by how much each bucket alone shifts the log-odds of the class, as naive Bayes has it.

    Each bucket counts as if a few more texts had it, divided between the class and the rest as all
    texts are; so one that no text has shifts nothing, however rare the class.
    """
    having = [
        np.bincount(present[rows].indices, minlength=present.shape[1]) for rows in (known, ~known)
    ]
    share = known.mean()
    odds = (having[0] + _SMOOTHING * share) / (having[1] + _SMOOTHING * (1 - share))
    return np.asarray(np.log(odds) - np.log(share / (1 - share)))


def _best_gain(
    scores: npt.NDArray[np.float64], truth: npt.NDArray[np.bool_], *, multi_label: bool
) -> float:
    """Return the factor under which the scores lose least."""

    def loss(gain: float) -> float:
        odds = gain * scores
        if multi_label:
            return float(np.logaddexp(0, np.where(truth, -odds, odds)).mean())
        return float((np.logaddexp.reduce(odds, axis=1) - odds[truth]).mean())

    return float(min(_GAINS, key=loss))
