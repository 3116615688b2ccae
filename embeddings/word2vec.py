"""Train word vectors on one's own sentences."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from gensim.models import KeyedVectors, Word2Vec
from gensim.models.callbacks import CallbackAny2Vec

from kerastextzoo.embeddings._checks import at_least
from kerastextzoo.errors import InputError, quoted
from kerastextzoo.seeds import derive_seed

# gensim drops the words of a sentence beyond this number without a word.
_LONGEST_SENTENCE = 10_000


def train_word2vec(
    sentences: Iterable[Sequence[str]],
    *,
    dim: int = 100,
    window: int = 5,
    min_count: int = 1,
    epochs: int = 5,
    skip_gram: bool = True,
    seed: int = 0,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> KeyedVectors:
    """Train word2vec and return the vectors.

    The same sentences and settings give the same vectors, bit for bit, as long as `workers` is 1.

    Args:
        sentences: Lists of words. An iterator is read into memory; anything else is read
            `epochs` + 2 times, so it may come from a disk.
        dim: Length of a vector.
        window: Words that count as context, on either side.
        min_count: Words that occur less often get no vector.
        epochs: Passes over the sentences.
        skip_gram: Skip-gram if true, else continuous bag of words.
        seed: Any whole number, 0 included.
        workers: Threads. With more than one the result differs from run to run.
        progress: Called with the number of finished epochs and of all epochs.

    Returns:
        The vectors, the most frequent word first; `.vectors` has the shape `(words, dim)`.

    Raises:
        InputError: A setting is out of its range, or no word is left to train on.

    Example:
        >>> from kerastextzoo.embeddings import train_word2vec
        >>> vectors = train_word2vec([["good", "film"], ["bad", "film"]], dim=8)
        >>> vectors.index_to_key[0], vectors.vectors.shape
        ('film', (3, 8))

    Reference:
        Mikolov et al. (2013), Efficient Estimation of Word Representations in Vector Space,
        https://arxiv.org/abs/1301.3781; Distributed Representations of Words and Phrases and
        their Compositionality, https://arxiv.org/abs/1310.4546
    """
    settings = {
        "dim": dim,
        "window": window,
        "min_count": min_count,
        "epochs": epochs,
        "workers": workers,
    }
    for name, value in settings.items():
        at_least(name, value, 1)
    corpus = _Corpus(sentences)
    _check_words(corpus, min_count)
    model = Word2Vec(
        corpus,
        vector_size=dim,
        window=window,
        min_count=min_count,
        epochs=epochs,
        sg=int(skip_gram),
        seed=derive_seed(seed, "word2vec"),
        workers=workers,
        callbacks=[_Progress(progress, epochs)] if progress else [],
    )
    return model.wv


class _Corpus:
    """Sentences that can be read again, none longer than gensim takes."""

    def __init__(self, sentences: Iterable[Sequence[str]]) -> None:
        self._sentences = list(sentences) if isinstance(sentences, Iterator) else sentences

    def __iter__(self) -> Iterator[Sequence[str]]:
        for number, sentence in enumerate(self._sentences, 1):
            if not isinstance(sentence, Sequence) or isinstance(sentence, str | bytes):
                raise InputError(
                    f"sentence {number}: a sentence must be a list of words; "
                    f"got {quoted(sentence)}; split it into words first"
                )
            for start in range(0, len(sentence), _LONGEST_SENTENCE):
                yield sentence[start : start + _LONGEST_SENTENCE]


def _check_words(corpus: _Corpus, min_count: int) -> None:
    counts: Counter[str] = Counter()
    for sentence in corpus:
        for word in sentence:
            if not isinstance(word, str):
                raise InputError(f"every word must be a string; got {quoted(word)}")
        counts.update(sentence)
    if not counts:
        raise InputError(
            "word2vec needs at least one sentence with words; got none; are the texts empty?"
        )
    word, count = counts.most_common(1)[0]
    if count < min_count:
        raise InputError(
            f"no word occurs `min_count` = {min_count} times; the most frequent, {quoted(word)}, "
            f"occurs {count} times; lower `min_count` or give more text"
        )


class _Progress(CallbackAny2Vec):  # type: ignore[misc]
    """Counts epochs for a function that knows nothing of gensim."""

    def __init__(self, report: Callable[[int, int], None], epochs: int) -> None:
        self._report = report
        self._epochs = epochs
        self._done = 0

    def on_epoch_end(self, model: Word2Vec) -> None:
        self._done += 1
        self._report(self._done, self._epochs)
