"""What SDK v1 told Microsoft of its use, and the log of itself that it wrote: nothing here does.

The functions and classes are there for scripts that call them, and do nothing.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar

Called = TypeVar("Called", bound=Callable[..., Any])


def set_diagnostics_collection(*args: Any, **kwargs: Any) -> None:
    """Do nothing: nothing is collected."""


def set_diagnostics_properties(properties: Any) -> None:
    """Do nothing: nothing is collected."""


def add_diagnostics_properties(properties: Any) -> None:
    """Do nothing: nothing is collected."""


def get_diagnostics_collection_info(*args: Any, **kwargs: Any) -> tuple[bool, str]:
    """Return that nothing is collected."""
    return False, logging.getLevelName(logging.NOTSET)


def is_diagnostics_collection_info_available() -> bool:
    """Return that nothing is said of what is collected."""
    return False


def get_telemetry_log_handler(*args: Any, **kwargs: Any) -> logging.Handler:
    """Return a handler of Python's logging that sends nothing."""
    return logging.NullHandler()


class AppInsightsLoggingHandler(logging.NullHandler):
    """A handler of Python's logging that sends nothing."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()


class EventLogger:
    """Takes events and sends none."""

    def log_event(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing."""

    def log_metric(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing."""

    def flush(self) -> None:
        """Do nothing."""


def get_event_logger(*args: Any, **kwargs: Any) -> EventLogger:
    """Return what takes events and sends none."""
    return EventLogger()


@contextmanager
def log_activity(
    logger: logging.Logger, activity_name: str, *args: Any, **kwargs: Any
) -> Iterator["logging.LoggerAdapter[logging.Logger]"]:
    """Yield the logger; that an activity begins and ends is not logged."""
    yield logging.LoggerAdapter(logger, {})


def monitor_with_activity(*args: Any, **kwargs: Any) -> Callable[[Called], Called]:
    """Return a decorator that returns its function as it is."""
    return lambda function: function


class diagnostic_log(AbstractContextManager["diagnostic_log"]):  # noqa: N801  SDK v1's name
    """The log that SDK v1 wrote of itself; there is nothing here to write into it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def start_capture(self) -> None:
        """Do nothing."""

    def stop_capture(self) -> None:
        """Do nothing."""

    def __exit__(self, *error: object) -> None:
        """Do nothing."""


def debug_sdk() -> None:
    """Do nothing: there is no SDK of which to write a log."""


def append(
    product_name: str, product_version: str | None = None, comment: str | None = None
) -> None:
    """Do nothing: no requests are sent that would name their sender."""


def get_user_agent() -> str:
    """Return no name: no requests are sent that would name their sender."""
    return ""
