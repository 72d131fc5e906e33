"""Transfers without a progress bar: SDK v1's calls showed none."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_is_quiet = ContextVar("is_quiet", default=False)


@contextmanager
def quietly() -> Iterator[None]:
    """Show no progress of the transfers that the block begins."""
    before = _is_quiet.set(True)
    try:
        yield
    finally:
        _is_quiet.reset(before)


def is_quiet() -> bool:
    """Whether no progress is shown."""
    return _is_quiet.get()
