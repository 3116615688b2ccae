"""What the doctor says: findings with their numbers and one change, the likeliest cause first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from kerastextzoo.doctor.causes import CAUSES, Severity, get_cause
from kerastextzoo.errors import KerasTextZooError

Evidence = Mapping[str, float | int | str | list[str]]
# Evidence that is a share of something, told in per cent.
_SHARES = frozenset(
    {
        "accuracy",
        "batch",
        "blind",
        "chance",
        "coverage",
        "expected",
        "in training",
        "in use",
        "kept",
        "one class",
        "renumbered",
        "share",
        "training",
        "without",
    }
)
_NONE: Mapping[str, str] = MappingProxyType({})
_SIGNS = {"error": "✗", "warning": "!", "note": "·"}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that keeps a model from learning, or may.

    Attributes:
        code: Stable, kebab-case; `kerastextzoo.doctor.causes` lists them.
        severity: `error`: it can't learn so; `warning`: it learns worse; `note`: good to know.
        cause: What is wrong, in a line.
        evidence: The numbers that show it, by name.
        remedy: The one change to make.
        effect: What that change brought on a copy: the figure `before`, `after`, and `what` it is;
            None where it was not tried.
    """

    code: str
    severity: Severity
    cause: str
    evidence: Evidence
    remedy: str
    effect: Mapping[str, float | str] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return it ready for JSON."""
        told: dict[str, Any] = {
            "code": self.code,
            "severity": self.severity,
            "cause": self.cause,
            "evidence": dict(self.evidence),
            "remedy": self.remedy,
        }
        return told if self.effect is None else {**told, "effect": dict(self.effect)}

    def __str__(self) -> str:
        shown = {name: _shown(value, name) for name, value in self.evidence.items()}
        numbers = ", ".join(f"{name} {value}" for name, value in shown.items())
        lines = [f"{_SIGNS[self.severity]} {self.code}: {self.cause}"]
        if numbers:
            lines.append(f"    shown by  {numbers}")
        lines.append(f"    change    {self.remedy}")
        if self.effect:
            effect = self.effect
            lines.append(
                f"    tried     {effect['what']} {_shown(effect['before'], 'accuracy')} before, "
                f"{_shown(effect['after'], 'accuracy')} after"
            )
        return "\n".join(lines)


def _shown(value: Any, name: str) -> str:
    if isinstance(value, float):
        return f"{value:.1%}" if name in _SHARES else f"{value:.4g}"
    if isinstance(value, list):
        return " ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) else str(value)


def found(code: str, remedy: str | None = None, **evidence: Any) -> Finding:
    """Make a finding of a cause in the table; its texts take the evidence in their braces.

    Args:
        code: In `kerastextzoo.doctor.causes.CAUSES`.
        remedy: In place of the table's.
        evidence: Numbers by name; an underscore in a name is shown as a space.

    Example:
        >>> print(found("too-few-units", units=5, classes=7))
        ✗ too-few-units: the last layer has 5 units for 7 classes
            shown by  units 5, classes 7
            change    give the last layer 7 units
    """
    cause = get_cause(code)
    plain = {name: _plain(value) for name, value in evidence.items()}
    words = {name: _shown(value, name.replace("_", " ")) for name, value in plain.items()}
    return Finding(
        code=code,
        severity=cause.severity,
        cause=cause.what.format(**words),
        evidence={name.replace("_", " "): value for name, value in plain.items()},
        remedy=(remedy or cause.remedy).format(**words),
    )


def _plain(value: Any) -> Any:
    """Turn a NumPy number into one of Python, for JSON."""
    return value.item() if hasattr(value, "item") else value


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """What the doctor found in one program.

    Attributes:
        findings: The likeliest cause first.
        verdict: In a sentence, where to look.
        checks: Names of the checks that ran.
        skipped: Checks that could not run, and why.
        seconds: Wall-clock time.
    """

    findings: Sequence[Finding] = ()
    verdict: str = ""
    checks: Sequence[str] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def errors(self) -> list[Finding]:
        """The findings with which the model can't learn."""
        return [finding for finding in self.findings if finding.severity == "error"]

    @property
    def healthy(self) -> bool:
        """Whether there is nothing but notes."""
        return all(finding.severity == "note" for finding in self.findings)

    def has(self, code: str) -> bool:
        """Whether there is a finding of that code.

        Raises:
            KerasTextZooError: There is no such code.
        """
        get_cause(code)
        return any(finding.code == code for finding in self.findings)

    def joined(self, findings: Sequence[Finding]) -> "Diagnosis":
        """Return a diagnosis with findings from elsewhere, in order."""
        return replace(self, findings=ranked([*self.findings, *findings]))

    def as_dict(self) -> dict[str, Any]:
        """Return it ready for JSON."""
        return {
            "findings": [finding.as_dict() for finding in self.findings],
            "verdict": self.verdict,
            "checks": list(self.checks),
            "skipped": dict(self.skipped),
            "seconds": round(self.seconds, 3),
        }

    def __str__(self) -> str:
        told = [str(finding) for finding in self.findings]
        skipped = [f"· not checked: {name} ({why})" for name, why in self.skipped.items()]
        return "\n".join([*told, *skipped, *([self.verdict] if self.verdict else [])])


_PLACES = {cause.code: place for place, cause in enumerate(CAUSES)}


def ranked(findings: Sequence[Finding]) -> list[Finding]:
    """Order findings: causes that are errors, that are warnings, symptoms, notes; one of a code."""

    def place(finding: Finding) -> tuple[float, int]:
        severity = list(_SIGNS).index(finding.severity)
        # Between the causes and the notes.
        group = 1.5 if get_cause(finding.code).symptom else severity
        return group, _PLACES[finding.code]

    order = sorted(findings, key=place)
    return list({finding.code: finding for finding in reversed(order)}.values())[::-1]


def explained(findings: Sequence[Finding]) -> list[Finding]:
    """Leave out what another finding explains."""
    codes = {finding.code for finding in findings}
    gone = {code for each in codes for code in get_cause(each).explains}
    if any(each.severity == "error" and not get_cause(each.code).symptom for each in findings):
        gone |= {code for code in codes if get_cause(code).symptom}
    return [finding for finding in findings if finding.code not in gone]


def verdict_on(
    findings: Sequence[Finding], *, quick: bool, skipped: Mapping[str, str] = _NONE
) -> str:
    """Say in a sentence where to look, after a quick look or a thorough one."""
    if not findings or all(finding.severity == "note" for finding in findings):
        if skipped:
            return "Nothing found by the checks that could be made."
        how = "in its parts; nothing was trained" if quick else "and a copy of it learns"
        return f"Nothing found: the program is sound {how}."
    first = findings[0]
    if get_cause(first.code).symptom:
        return "It does not learn, and none of the known causes shows: simplify step by step."
    rest = len(findings) - 1
    more = f", then look at the other {rest}" if rest else ""
    return f"Mend {first.code} first{more}."


class DoctorError(KerasTextZooError):
    """A program can't be examined at all."""
