"""What is done with the files of a dataset, one step after the other."""

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from mlflow_workspace_plugin.data.definition import of_later_version

File = TypeVar("File")
Step = Mapping[str, Any]


def applied(steps: Sequence[Step], files: Sequence[File]) -> list[File]:
    """Return the files that are left after some steps.

    Args:
        steps: as a definition holds them.
        files: in their order, which is kept.

    Raises:
        DatasetExecutionError: one is a step that a later version added.
    """
    left = list(files)
    for step in steps:
        if step["do"] not in _STEPS:
            raise of_later_version(f"a step {step['do']!r}")
        left = _STEPS[step["do"]](step, left)
    return left


def _take(step: Step, files: list[File]) -> list[File]:
    return files[: step["count"]]


def _skip(step: Step, files: list[File]) -> list[File]:
    return files[step["count"] :]


def _sample(step: Step, files: list[File]) -> list[File]:
    return _drawn(step["seed"], files, lambda number: number < step["probability"])


def _split(step: Step, files: list[File]) -> list[File]:
    is_second = step["part"] == 1
    return _drawn(step["seed"], files, lambda number: (number >= step["percentage"]) == is_second)


def _drawn(seed: int, files: list[File], is_in: Callable[[float], bool]) -> list[File]:
    """Draw by position, as SDK v1 does: of images and their masks the same ones are drawn."""
    # Of that generator Python promises the same numbers in each of its versions.
    numbers = random.Random(seed)  # noqa: S311
    return [file for file in files if is_in(numbers.random())]


_STEPS: dict[str, Callable[[Step, list[Any]], list[Any]]] = {
    "take": _take,
    "skip": _skip,
    "sample": _sample,
    "split": _split,
}
