"""Seeds for every purpose from the one the user gives."""

import hashlib

from kerastextzoo.errors import InputError, quoted


def derive_seed(seed: int, *purpose: object) -> int:
    """Return a seed of 31 bits, never 0, its own for each seed and purpose.

    Libraries take 0 for "no seed", or count up from the seed so that neighbouring seeds share
    their numbers; a hash has neither flaw.

    Raises:
        InputError: `seed` is not a whole number.

    Example:
        >>> derive_seed(0, "trial", 1) == derive_seed(0, "trial", 1) != derive_seed(0, "trial", 2)
        True
    """
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise InputError(f"`seed` must be a whole number; got {quoted(seed)}")
    digest = hashlib.sha256(repr((seed, *purpose)).encode()).digest()
    return int.from_bytes(digest[:4], "big") % (2**31 - 1) + 1
