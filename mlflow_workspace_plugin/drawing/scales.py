"""Where numbers are on an axis, and where it has ticks."""

import math
from collections.abc import Iterable
from typing import NamedTuple

from mlflow_workspace_plugin.drawing.texts import moment, number_text, trimmed

_S = 1000
_MIN = 60 * _S
_H = 60 * _MIN
_D = 24 * _H
_TIME_STEPS = (
    *(_S, 2 * _S, 5 * _S, 10 * _S, 15 * _S, 30 * _S),
    *(_MIN, 2 * _MIN, 5 * _MIN, 10 * _MIN, 15 * _MIN, 30 * _MIN),
    *(_H, 2 * _H, 3 * _H, 6 * _H, 12 * _H),
    *(_D, 2 * _D, 7 * _D, 14 * _D, 30 * _D, 90 * _D, 365 * _D),
)
_DURATION_UNITS = ((_D, "d"), (_H, "h"), (_MIN, "min"), (_S, "s"), (1, "ms"))
_SUFFIXES = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"))
_SMALLEST, _SHORTENED, _LARGEST_WRITTEN = 1e-5, 1e4, 1e16
_FEW_DECIMALS = 3
_LAST_DATE = 8000 * 365 * _D
_MOST_TICKS = 20
_LARGEST = 1.7976931348623157e308


class Tick(NamedTuple):
    """A place on an axis, and what is written there."""

    value: float
    text: str


class Scale:
    """An axis.

    Args:
        least: the number at its start; the numbers are finite.
        greatest: the number at its end.
        start: the pixel at its start.
        end: the pixel at its end.
    """

    def __init__(self, least: float, greatest: float, start: float, end: float) -> None:
        self.least, self.greatest = least, greatest
        self._start, self._length = start, end - start
        # The difference of two floats may be none.
        self._unit = max(abs(least), abs(greatest)) or 1.0
        self._span = greatest / self._unit - least / self._unit

    def place(self, value: float) -> float:
        """Return the pixel of a finite number."""
        part = (value / self._unit - self.least / self._unit) / self._span
        return self._start + self._length * part


def limits(values: Iterable[float], given: "list[float] | None" = None) -> tuple[float, float]:
    """Return the least and the greatest of the finite ones among numbers, never the same.

    Args:
        values: any numbers.
        given: the limits, if they are known.
    """
    if given is not None:
        least, greatest = map(float, given)
    else:
        finite = [each for each in values if math.isfinite(each)]
        least, greatest = (min(finite), max(finite)) if finite else (0.0, 1.0)
    unit = max(abs(least), abs(greatest))
    if greatest > least and greatest / unit - least / unit > 1e-12:
        return least, greatest
    around = abs(least) * 0.1 or 1.0
    return max(-_LARGEST, least - around), min(_LARGEST, greatest + around)


def ticks(scale: Scale, kind: str, wanted: int) -> list[Tick]:
    """Return the ticks of an axis.

    Args:
        scale: the axis.
        kind: ``number``, ``time`` or ``duration``, the latter two in milliseconds.
        wanted: about so many.
    """
    least, greatest = scale.least, scale.greatest
    is_date = max(abs(least), abs(greatest)) < _LAST_DATE
    if kind == "time" and is_date and greatest - least >= _S:
        step = float(_fitting(greatest - least, wanted))
        return [Tick(each, _time(each, step)) for each in _multiples(least, greatest, step)]
    if kind == "duration":
        step = _duration_step(greatest - least, wanted)
        return [Tick(each, _duration(each, step)) for each in _multiples(least, greatest, step)]
    step = _nice(greatest / wanted - least / wanted)
    return [Tick(each, _number(each, step)) for each in _multiples(least, greatest, step)]


def _multiples(least: float, greatest: float, step: float) -> list[float]:
    if not (step > 0 and math.isfinite(step) and math.isfinite(least / step)):
        return [least, greatest]
    first = math.ceil(least / step - 1e-9)
    last = min(greatest + step * 1e-9, _LARGEST)
    places = ((first + number) * step for number in range(_MOST_TICKS))
    return [place for place in places if -_LARGEST <= place <= last] or [least]


def _nice(step: float) -> float:
    if step <= 0:
        return 0.0
    power = math.floor(math.log10(step))
    for factor in (1, 2, 5, 10):
        nice = float(f"{factor}e{power}")
        if nice >= step * 0.999:
            return nice
    return step


def _fitting(span: float, wanted: int) -> int:
    for step in _TIME_STEPS:
        if span / step <= wanted:
            return step
    years = math.ceil(span / wanted / _TIME_STEPS[-1])
    return years * _TIME_STEPS[-1]


def _duration_step(span: float, wanted: int) -> float:
    return float(_fitting(span, wanted)) if span >= wanted * _S else _nice(span / wanted)


def _number(value: float, step: float) -> str:
    """Return a number beside others that are a step apart."""
    if not step:
        return number_text(value)
    size = abs(value)
    if size < step / 2:
        return "0"
    if not _SMALLEST <= size < _LARGEST_WRITTEN:
        digits = math.floor(math.log10(size)) - math.floor(math.log10(step))
        mantissa, _, exponent = f"{value:.{max(0, min(digits, 12))}e}".partition("e")
        return f"{trimmed(mantissa)}e{int(exponent)}"
    if size >= _SHORTENED:
        unit, suffix = next(each for each in _SUFFIXES if size >= each[0])
        if (decimals := _decimals(step / unit)) <= _FEW_DECIMALS:
            return f"{value / unit:.{decimals}f}{suffix}"
    return f"{value:,.{_decimals(step)}f}"


def _decimals(step: float) -> int:
    """Return how many decimals a multiple of a step needs."""
    for digits in range(15):
        scaled = step * 10**digits
        if scaled > 0.5 and abs(scaled - round(scaled)) < 1e-6 * max(1, scaled):
            return digits
    return 15


def _time(milliseconds: float, step: float) -> str:
    time = moment(milliseconds)
    if step >= _D:
        return time.strftime("%Y-%m-%d")
    if time.hour == time.minute == time.second == 0:
        return time.strftime("%m-%d")
    return time.strftime("%H:%M" if step >= _MIN else "%H:%M:%S")


def _duration(milliseconds: float, step: float) -> str:
    for unit, name in _DURATION_UNITS:
        if step >= unit:
            return f"{_number(milliseconds / unit, step / unit)} {name}"
    return f"{_number(milliseconds, step)} ms"
