"""Values as JSON has them."""

import json
import math
import sys
from collections.abc import Iterable
from typing import Any

from mlflow_workspace_plugin.figures.specification import Cell, Number

LONGEST_CELL = 2_000
LONGEST_TEXT = 100_000
"""In characters; what is longer is cut."""

_EXACT_INTEGERS = 1 << 53
_LARGEST = sys.float_info.max


def number(value: float | None) -> Number:
    """Return a number as curves have it.

    The largest number there is stands for an infinity, which MLflow keeps as that.
    """
    if value is None:
        return None
    if isinstance(value, int):
        return int(value) if abs(value) <= _EXACT_INTEGERS else number(_rounded(value))
    if is_nan(value):
        return "NaN"
    if abs(value) >= _LARGEST:
        return "Infinity" if value > 0 else "-Infinity"
    return float(value)


def numbers(values: Iterable[Any]) -> list[Number]:
    """Return numbers as curves have them; of the many that JSON has as they are, soon."""
    return [
        value
        if (type(value) is float and -_LARGEST < value < _LARGEST)
        or (type(value) is int and -_EXACT_INTEGERS <= value <= _EXACT_INTEGERS)
        else number(value)
        for value in values
    ]


def is_nan(value: float) -> bool:
    """Whether a number is NaN. An integer may be larger than any float, and is none."""
    return isinstance(value, float) and math.isnan(value)


def cell(value: Any) -> Cell:
    """Return a value of any type as it is shown."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value) if abs(value) <= _EXACT_INTEGERS else {"number": _digits(value)}
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {"number": str(number(value))}
    return text(value if isinstance(value, str) else _json(value), LONGEST_CELL)


def text(value: str, longest: int | None = None) -> str:
    """Return a text that every JSON can hold, cut if it is too long.

    Args:
        value: any text; half of a pair of surrogates, which no bytes stand for, is replaced.
        longest: in characters.
    """
    if longest is not None and len(value) > longest:
        value = value[: longest - 1] + "…"
    return value.encode("utf-8", "replace").decode()


def _rounded(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return _LARGEST if value > 0 else -_LARGEST


def _digits(value: int) -> str:
    try:
        return str(value)
    except ValueError:  # Python writes no more than some thousand digits
        return repr(_rounded(value))


def _json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        return repr(value)
    except RecursionError:
        return "…"
