"""The progress of a transfer: the bar that shows it, and whoever else is told of it."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from mlflow.environment_variables import MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR
from tqdm.auto import tqdm

from mlflow_workspace_plugin.artifacts import quiet
from mlflow_workspace_plugin.terminal import shown

Progress = Callable[[int], object]
"""Is told of bytes that were transferred, or were there already."""

_SHOWN_AFTER_S = 2.0


def unseen(_: int) -> None:
    """Show nothing of bytes that were counted before."""


_listens: ContextVar[Progress] = ContextVar("listens", default=unseen)


@contextmanager
def listening(progress: Progress) -> Iterator[None]:
    """Tell somebody, too, of the progress of the transfers that the block begins.

    Args:
        progress: is told of it, by any thread.
    """
    before = _listens.set(progress)
    try:
        yield
    finally:
        _listens.reset(before)


def progress_bar(description: str, size: int | None, *, is_quiet: bool = False) -> "tqdm[Any]":
    """Return a bar that counts bytes, for those who look on: at a terminal, or in a notebook.

    Args:
        description: what is done.
        size: how many bytes there are; None when that is not known.
        is_quiet: show nothing.
    """
    bar = _Bar(
        desc=shown(description),
        total=size,
        unit="B",
        unit_scale=True,
        unit_divisor=1024,
        delay=_SHOWN_AFTER_S,
        leave=False,
        disable=is_quiet
        or quiet.is_quiet()
        or not (MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR.get() and _is_watched()),
    )
    bar.tell = _listens.get()
    return bar


class _Bar(tqdm):
    """A bar that tells somebody, too, whether it is shown or not."""

    tell: Progress

    def update(self, n: float | None = 1) -> bool | None:
        """Count bytes."""
        self.tell(int(n or 0))
        is_shown: bool | None = super().update(n)
        return is_shown


def _is_watched() -> bool:
    # What stands in for it may not know, and there may be none.
    is_terminal = getattr(sys.stderr, "isatty", None)
    if is_terminal is not None and is_terminal():
        return True
    shell = sys.modules.get("IPython") and sys.modules["IPython"].get_ipython()
    return type(shell).__name__ == "ZMQInteractiveShell"
