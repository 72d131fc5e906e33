"""Numbers that texts say: params are texts, and so is what an address asks for."""

import re

_WHOLE = re.compile(r"[+-]?[0-9]+")
_REAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


def number_of(text: str) -> int | float | None:
    """Return the number that a text is, as others than Python write one; None if it is none.

    So ``1_000`` is none, nor are other scripts' digits, nor ``nan``. One that is too large for a
    float is infinite.
    """
    if _WHOLE.fullmatch(text):
        try:
            return int(text)
        except ValueError:  # Python reads no more than some thousand digits
            return float(text)
    return float(text) if _REAL.fullmatch(text) else None
