"""Which of many rows are drawn: few enough, and those that are seen."""

from collections.abc import Sequence
from operator import itemgetter

from mlflow_workspace_plugin.figures.cells import is_nan


def kept_rows(columns: Sequence[Sequence[float | None]], points: int) -> list[int]:
    """Return which rows of columns are drawn, by their index, in order.

    The first and the last are, and of each stretch of the others the least and the greatest value
    of each column, and what is no number.

    Args:
        columns: of the same length.
        points: how many rows at most; at least 2.
    """
    total = len(columns[0]) if columns else 0
    if total <= points:
        return list(range(total))
    # Of each stretch two of each column, and one that is no number.
    stretches = max(1, (points - 2) // (2 * len(columns) + 1))
    found = {0, total - 1}
    for stretch in range(stretches):
        start = 1 + (total - 2) * stretch // stretches
        end = 1 + (total - 2) * (stretch + 1) // stretches
        odd: int | None = None
        for column in columns:
            numbers: list[tuple[float, int]] = []
            for index in range(start, end):
                value = column[index]
                if value is not None and not is_nan(value):
                    numbers.append((value, index))
                elif odd is None:
                    odd = index
            if numbers:
                found |= {min(numbers)[1], max(numbers, key=itemgetter(0))[1]}
        if odd is not None:
            found.add(odd)
    if len(found) > points:  # so few are wanted that there is no room for one stretch
        return [0, total - 1][-points:]
    return _filled(found, total, points)


def _filled(found: set[int], total: int, points: int) -> list[int]:
    """Fill what may still be drawn with rows that are evenly apart."""
    left = points - len(found)
    others = [index for index in range(total) if index not in found]
    return sorted([*found, *(others[each * len(others) // left] for each in range(left))])
