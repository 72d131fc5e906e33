"""The exact values of one key, as parts of a metric are looked up among them."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence

from mlflow_workspace_plugin.runs.metrics.reader import Place
from mlflow_workspace_plugin.stores.reads.exact_values import ExactValue


class ExactOfKey:
    """Exact values of one key, of which a few are found without a look at the others.

    Args:
        values: in the order in which each writer logged them.
    """

    def __init__(self, values: Iterable[ExactValue] = ()) -> None:
        values = list(values)
        self.alone = sorted((each for each in values if each.is_alone), key=place_of)
        """Those without a number, as texts are, by timestamp and step."""
        self.numbered = sorted((each for each in values if not each.is_alone), key=_by_step)
        """The others, by step and timestamp."""

    def __iter__(self) -> Iterator[ExactValue]:
        """Return all of them."""
        yield from self.numbered
        yield from self.alone

    def __bool__(self) -> bool:
        """Return whether there is one."""
        return bool(self.alone or self.numbered)

    def at(self, places: Iterable[Place]) -> list[ExactValue]:
        """Return those that were logged at some places.

        Args:
            places: each once.
        """
        return [
            each
            for timestamp, step in places
            for each in (
                *_between(self.numbered, _by_step, (step, timestamp), (step, timestamp)),
                *_between(self.alone, place_of, (timestamp, step), (timestamp, step)),
            )
        ]

    def numbered_at(self, step: int, start: int, end: int) -> Sequence[ExactValue]:
        """Return those with a number that were logged at a step, within a time.

        Args:
            step: the step.
            start: the first millisecond.
            end: the last millisecond.
        """
        return _between(self.numbered, _by_step, (step, start), (step, end))


def place_of(value: ExactValue) -> Place:
    """Return timestamp and step of a value."""
    return value.timestamp, value.step


def _by_step(value: ExactValue) -> tuple[int, int]:
    return value.step, value.timestamp


def _between(
    values: Sequence[ExactValue],
    key: Callable[[ExactValue], tuple[int, int]],
    first: tuple[int, int],
    last: tuple[int, int],
) -> Sequence[ExactValue]:
    return values[bisect_left(values, first, key=key) : bisect_right(values, last, key=key)]
