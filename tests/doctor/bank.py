"""All pairs, by group."""

from doctor import (
    data_programs,
    gradient_programs,
    inference_programs,
    loss_programs,
    mask_programs,
    rate_programs,
    stories,
)
from doctor.pairs import Pair

PAIRS: tuple[Pair, ...] = (
    *loss_programs.PAIRS,
    *gradient_programs.PAIRS,
    *rate_programs.PAIRS,
    *data_programs.PAIRS,
    *mask_programs.PAIRS,
    *inference_programs.PAIRS,
    *stories.PAIRS,
)
