"""Is the model in use the one that was trained?"""

from collections.abc import Iterator

import numpy as np

from kerastextzoo.doctor.case import Case
from kerastextzoo.doctor.findings import Finding, found
from kerastextzoo.doctor.program import pick

_DIFFERENCE = 1e-4
_ROWS = 64


def check_repeatable(case: Case) -> Iterator[Finding]:
    """Check that the same texts get the same answers."""
    x = pick(case.program.x, case.sample[:_ROWS])
    with case.patient() as model:
        # Without saying that it is no training: a layer may have been told otherwise.
        first, second = (np.asarray(model(x), np.float32) for _ in range(2))
    difference = float(np.abs(first - second).max())
    if difference > _DIFFERENCE:
        yield found("dropout-at-inference", difference=difference)
