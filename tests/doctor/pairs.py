"""What a pair is: a program that does not learn, and its twin that does."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

from doctor.plans import Plan
from doctor.texts import Language
from kerastextzoo.doctor.program import Program

Story = Literal["", "S0", "S1", "S2", "S3", "S4"]


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two programs that differ in one cause.

    Attributes:
        name: Kebab-case, no other pair has it.
        code: Of the cause, to be named first.
        language: Of the texts.
        story: The one of `docs/doctor.md` that it retells, if any.
        hinders: Whether the cause lowers the accuracy; some only mislead whoever looks on.
        broken: Seed to the program with the cause.
        healthy: Seed to the program without it.
        held_out: Seed to other inputs and their true labels, in the form of the healthy program.
    """

    name: str
    code: str
    language: Language
    story: Story = ""
    hinders: bool = True
    broken: Callable[[int], Program]
    healthy: Callable[[int], Program]
    held_out: Callable[[int], tuple[Any, Any]]


def pair(
    name: str, code: str, plan: Plan, *, story: Story = "", hinders: bool = True, **broken: Any
) -> Pair:
    """Make a pair of a healthy plan and the one part that is broken."""
    return Pair(
        name=name,
        code=code,
        language=plan.texts.language,
        story=story,
        hinders=hinders,
        broken=replace(plan, **broken).program,
        healthy=plan.program,
        held_out=plan.held_out,
    )
