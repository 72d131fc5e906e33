"""The numbers of SDK v1's charts, which nobody checked as they were logged."""

import math
from typing import Any

_WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def checked(value: Any) -> float | None:
    """Return a number of a chart; None where there is none.

    Raises:
        TypeError: it is something else.
    """
    if isinstance(value, str) and value in _WORDS:
        return _WORDS[value]
    if value is None or (isinstance(value, (int, float)) and not isinstance(value, bool)):
        return value
    raise TypeError(f"{value!r} is no number")


def counted(value: Any) -> float:
    """Return a number that others are divided by.

    Raises:
        TypeError, ValueError: there is none, or it is not finite.
    """
    found = checked(value)
    if found is None or not math.isfinite(found):
        raise ValueError(f"{value!r} is no finite number")
    return found


def part(of: float, whole: float) -> float:
    """Return a quotient; NaN where there is nothing to be a part of."""
    return of / whole if whole else math.nan
