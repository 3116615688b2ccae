"""All pairs, by group."""

from doctor import loss_programs
from doctor.pairs import Pair

PAIRS: tuple[Pair, ...] = (*loss_programs.PAIRS,)
