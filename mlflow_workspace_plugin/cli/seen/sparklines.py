"""Curves of one line of text."""

import math
from collections.abc import Sequence
from itertools import pairwise

_BLOCKS = "▁▂▃▄▅▆▇█"
_PLAIN = "_.-~=+*#"
_NOT_FINITE = "x"


def sparkline(values: Sequence[float], width: int, *, blocks: bool = True) -> str:
    """Return a curve of values, the least at the bottom and the greatest at the top.

    Where several values share a character, it is of the one that is furthest from what stands
    before, so that a spike is seen however many there are. What is not finite is a cross.

    Args:
        values: in order.
        width: of how many characters it is at most.
        blocks: of characters that are not ASCII.
    """
    signs = _BLOCKS if blocks else _PLAIN
    finite = [each for each in values if math.isfinite(each)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 0.0)
    line, before = [], finite[0] if finite else 0.0
    for part in _parts(values, width):
        numbers = [each for each in part if math.isfinite(each)]
        if not numbers:
            line.append(_NOT_FINITE)
            continue
        before = max(numbers, key=lambda each, at=before: _distance(each, at))  # type: ignore[misc]
        line.append(signs[_level(before, low, high, len(signs))])
    return "".join(line)


def _parts(values: Sequence[float], width: int) -> list[Sequence[float]]:
    count = min(width, len(values))
    edges = [number * len(values) // count for number in range(count + 1)] if count else [0]
    return [values[start:end] for start, end in pairwise(edges)]


def _level(value: float, low: float, high: float, levels: int) -> int:
    # The difference of the largest numbers is no number; half of those next to zero is zero.
    scale = 1.0 if math.isfinite(high - low) else 0.25
    span = high * scale - low * scale
    if span == 0:
        return 0
    return min(int((value * scale - low * scale) / span * levels), levels - 1)


def _distance(one: float, other: float) -> float:
    return abs(one - other)
