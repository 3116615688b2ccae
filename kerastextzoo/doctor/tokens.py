"""Token ids: do they fit the embedding, and what are most of them?"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from kerastextzoo.doctor.case import Case
from kerastextzoo.doctor.findings import Finding, found

_PADDING = 0
_HIDDEN = 0.02
_UNKNOWN = 0.3
_MOSTLY = 0.75
_LONG = 24
_CUT = 0.3
_FEWEST_KINDS = 20


def check_range(case: Case) -> Iterator[Finding]:
    """Check that each id has a row of the embedding."""
    if case.tokens is None or not case.embeddings:
        return
    rows = min(int(layer.input_dim) for layer in case.embeddings)
    largest = int(case.tokens.max())
    if largest >= rows:
        yield found(
            "ids-beyond-embedding",
            largest_id=largest,
            rows=rows,
            needed=largest + 1,
            tokens=int((case.tokens >= rows).sum()),
        )


def check_tokens(case: Case) -> Iterator[Finding]:
    """Check padding, unknown words and cut texts."""
    if case.tokens is None or not case.embeddings:
        return
    tokens = case.tokens[case.trains]
    is_word = tokens != _PADDING
    first = is_word.argmax(1)
    last = tokens.shape[1] - is_word[:, ::-1].argmax(1)
    sizes = np.where(is_word.any(1), last - first, 0)
    words = int(is_word.sum())
    if not words:
        return
    inside = int(sizes.sum()) - words
    if inside > _HIDDEN * sizes.sum():
        yield found("unknown-is-padding", share=inside / float(sizes.sum()), places=inside)
    ids, counts = np.unique(tokens[is_word], return_counts=True)
    share = float(counts.max() / words)
    if share > _UNKNOWN and len(ids) >= _FEWEST_KINDS:
        yield found("unknown-tokens", share=share, token=int(ids[counts.argmax()]))
    padding = 1 - float(sizes.sum()) / tokens.size
    p95 = int(np.percentile(sizes, 95, method="inverted_cdf"))
    if padding > _MOSTLY and tokens.shape[1] >= _LONG and p95 < tokens.shape[1] / 2:
        yield found("mostly-padding", share=padding, length=tokens.shape[1], p95=p95)
    yield from _check_cut(case, tokens, sizes)


def all_filled(tokens: npt.NDArray[np.int64]) -> bool:
    """Whether each text fills its places to the last."""
    return bool((tokens[:, [0, -1]] != _PADDING).all())


def _check_cut(
    case: Case, tokens: npt.NDArray[np.int64], sizes: npt.NDArray[np.int64]
) -> Iterator[Finding]:
    full = sizes == tokens.shape[1]
    share = float(full.mean())
    # Texts of one length by nature are all full.
    if share < _CUT or np.ptp(sizes) == 0:
        return
    yield found(
        "truncation-cuts-signal",
        share=share,
        length=tokens.shape[1],
        detail="what comes after that is not read",
        proposal=f"2 to 4 times the {tokens.shape[1]}",
    )
