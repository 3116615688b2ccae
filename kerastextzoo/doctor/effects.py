"""What a remedy brings: the program and its mended copy, both trained for a while."""

from dataclasses import replace

from kerastextzoo.doctor.case import Case
from kerastextzoo.doctor.findings import DoctorError, Finding
from kerastextzoo.doctor.learning import Learning, Trial
from kerastextzoo.doctor.remedies import mend


def try_remedy(case: Case, finding: Finding) -> Finding:
    """Return the finding with what its change brought, if it can be made and measured."""
    if finding.severity == "note":
        return finding
    try:
        mended = mend(case, finding)
    except DoctorError:
        return finding
    if mended is None:
        return finding
    after = _tried(Case(mended, seed=case.seed, track=case.track))
    if after is None or after.accuracy is None:
        return finding
    before = _tried(case)
    known = before is not None and before.accuracy is not None and before.finite
    told = before.accuracy if before is not None and known else None
    what = f"accuracy on its own texts after {len(after.losses)} steps:"
    return replace(
        finding,
        effect={
            "what": what,
            "before": "none, it fails" if told is None else round(told, 4),
            "after": round(after.accuracy, 4),
        },
    )


def _tried(case: Case) -> Trial | None:
    """Return a trial; None where loss, labels and answers don't even fit."""
    try:
        return Learning(case).trial
    except Exception:
        return None
