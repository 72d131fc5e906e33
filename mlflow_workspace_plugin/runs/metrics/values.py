"""What SDK v1 makes of a value that is logged: its type, and the number that MLflow keeps of it."""

import math
import sys
from typing import Any, NamedTuple

from mlflow_workspace_plugin.errors import AzureMLException
from mlflow_workspace_plugin.terminal import get_logger

_logger = get_logger(__name__)

_EXACT_INTEGERS = 1 << 53
# What SDK v1 takes by its exact type; subclasses, such as enumerations, are other objects.
_TYPES = {int: "int", float: "double", bool: "bool", str: "string", type(None): "none"}


class Cell(NamedTuple):
    """A value as it is read back, and its type in SDK v1's words."""

    type: str
    """``int``, ``double``, ``bool``, ``string`` or ``none``."""
    value: Any

    @property
    def number(self) -> float:
        """What MLflow keeps: 0 or 1 for a bool, NaN for None; NaN for text, which once had one."""
        if self.type in ("string", "none"):
            return math.nan
        try:
            return float(self.value)
        except OverflowError:
            return sys.float_info.max if self.value > 0 else -sys.float_info.max

    @property
    def stored_number(self) -> float:
        """The number as it is read back: MLflow keeps an infinity as the largest one."""
        largest = sys.float_info.max
        return max(-largest, min(largest, self.number)) if math.isinf(self.number) else self.number

    def is_text_in(self, kind: str) -> bool:
        """Whether MLflow keeps no number of it in a column of some type: text, or None among it."""
        return self.type == "string" or (self.type == "none" and kind == "string")

    def is_told_by(self, kind: str) -> bool:
        """Whether its number tells what it is, in a column whose values are of some type."""
        if self.type != kind or self.type in ("string", "none"):
            return False
        if self.type == "int":
            return bool(-_EXACT_INTEGERS <= self.value <= _EXACT_INTEGERS)
        # MLflow keeps an infinity as the largest number, and databases know no negative zero.
        return self.type == "bool" or not (
            math.isinf(self.value) or (self.value == 0 and math.copysign(1, self.value) < 0)
        )


def told_by(number: float, kind: str) -> Any:
    """Return what a number stands for in a column of some type, where nothing else is kept."""
    if kind == "bool" and number in (0, 1):
        return bool(number)
    return int(number) if kind == "int" and number.is_integer() else number


def scalar(name: str, value: Any) -> Cell:
    """Return the cell of a value that was logged alone.

    Numbers and truth values of NumPy, and arrays and tensors of one element, are what they hold
    (ours; SDK v1 keeps some of them as text). Any other object is kept as its ``repr``, with a
    warning (SDK v1).
    """
    known = _known(value)
    if known is not None:
        return known
    _logger.warning(
        "Metric %r was given an object of type %s, which is kept as text. Log numbers, text, "
        "truth values or None; log_list takes several.",
        name,
        type(value).__name__,
    )
    return Cell("string", repr(value))


def cell(value: Any) -> Cell:
    """Return the cell of a value in a list, row or table.

    Raises:
        AzureMLException: it is of a type that SDK v1 does not take there.
    """
    known = _known(value)
    if known is None:
        raise AzureMLException(
            f"A value of type {type(value).__name__} is not supported in a list, row or table. "
            "Give numbers, text, truth values or None."
        )
    return known


def _known(value: Any) -> Cell | None:
    kind = _TYPES.get(type(value))
    if kind is not None:
        return Cell(kind, value)
    held = _held(value)
    # A long double holds itself: no number of Python's is as long.
    return None if type(held) is type(value) else _known(held)


def _held(value: Any) -> Any:
    """Return the only element of an array or tensor; any other object as it is."""
    try:
        if any(length != 1 for length in value.shape):
            return value
        # TensorFlow's have no ``item``, and become arrays of NumPy.
        array = value if hasattr(value, "item") else value.numpy()
        return array.item()
    except (AttributeError, RuntimeError, TypeError, ValueError):
        return value
