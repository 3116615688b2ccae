"""What every training of word vectors needs: sentences that are checked, and progress."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from gensim.models import KeyedVectors, Word2Vec
from gensim.models.callbacks import CallbackAny2Vec

from kerastextzoo.embeddings._checks import at_least
from kerastextzoo.errors import InputError, quoted

# gensim drops the words of a sentence beyond this number without a word.
_LONGEST_SENTENCE = 10_000

Sentences = Iterable[Sequence[str]]
Report = Callable[[int, int], None]


def train(
    kind: type[Word2Vec],
    sentences: Sentences,
    *,
    dim: int,
    epochs: int,
    progress: Report | None,
    **settings: int,
) -> KeyedVectors:
    """Train a model of gensim's after checking everything; return its vectors.

    Raises:
        InputError: A setting is out of its range, or no word is left to train on.
    """
    for name in ("window", "min_count", "workers"):
        at_least(name, settings[name], 1)
    at_least("dim", dim, 1)
    at_least("epochs", epochs, 1)
    corpus = _Corpus(sentences)
    _check_words(corpus, settings["min_count"])
    callbacks = [_Progress(progress, epochs)] if progress else []
    return kind(corpus, vector_size=dim, epochs=epochs, callbacks=callbacks, **settings).wv


class _Corpus:
    """Sentences that can be read again, none longer than gensim takes."""

    def __init__(self, sentences: Sentences) -> None:
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
            "training needs at least one sentence with words; got none; are the texts empty?"
        )
    word, count = counts.most_common(1)[0]
    if count < min_count:
        raise InputError(
            f"no word occurs `min_count` = {min_count} times; the most frequent, {quoted(word)}, "
            f"occurs {count} times; lower `min_count` or give more text"
        )


class _Progress(CallbackAny2Vec):  # type: ignore[misc]
    """Counts epochs for a function that knows nothing of gensim."""

    def __init__(self, report: Report, epochs: int) -> None:
        self._report = report
        self._epochs = epochs
        self._done = 0

    def on_epoch_end(self, model: Word2Vec) -> None:
        self._done += 1
        self._report(self._done, self._epochs)
