"""How this process ends, as far as Python lets that be known.

An uncaught exception is left in ``sys.last_value``, whoever shows it. The status that ``sys.exit``
is given, or ``exit`` and ``quit``, is told to nobody, so these are led through here. What
``raise SystemExit(3)`` says is not seen.
"""

import builtins
import dis
import functools
import signal
import sys
import threading
from collections.abc import Callable
from multiprocessing.popen_fork import Popen
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import Any, NamedTuple, NoReturn

_RETURNS = ("RETURN_VALUE", "RETURN_CONST", "INSTRUMENTED_RETURN_VALUE")
_OF_SITE = ("exit", "quit")


class Ending(NamedTuple):
    """How a process ends: MLflow's word for the status of its runs, and why, if that is to say."""

    status: str
    reason: str | BaseException | None


_exit: "tuple[Any, FrameType] | None" = None
"""What ``sys.exit`` was given last, and the function that the program is in to its end."""


@functools.cache
def watch() -> None:
    """Take notice of how this process ends, from now on."""
    sys.exit = functools.partial(_note_exit, sys.exit)  # type: ignore[assignment]
    if _is_typed():
        return
    for name in _OF_SITE:
        # They are missing where Python was started without ``site``.
        if (exit_ := getattr(builtins, name, None)) is not None:
            setattr(builtins, name, functools.partial(_note_exit, exit_))


def ending(by: "signal.Signals | None" = None) -> Ending:
    """Return how this process ends, which it is about to do.

    Args:
        by: the signal that ends it, if one does.
    """
    if by is not None:
        return Ending("KILLED", f"Stopped by {by.name} ({int(by)}).")
    # A child of multiprocessing ends while its exception is dealt with, or behind that.
    error = sys.exc_info()[1]
    if error is None and (code := _code_of_child()):
        return _of_exit(code)
    if error is None and not _is_typed():  # there errors end nothing
        uncaught: BaseException | None = getattr(sys, "last_value", None)
        if uncaught is not None and _was_left_by(uncaught):
            error = uncaught
        elif _exit is not None and _raised(_exit[1]):
            return _of_exit(_exit[0])
    if isinstance(error, KeyboardInterrupt):
        return Ending("KILLED", f"Stopped by Ctrl-C ({signal.SIGINT.name}).")
    if isinstance(error, SystemExit):
        return _of_exit(error.code)
    return Ending("FINISHED", None) if error is None else Ending("FAILED", error)


def forget() -> None:
    """Let go of what was noted, and of the variables that it holds."""
    global _exit
    _exit = None


def _of_exit(code: Any) -> Ending:
    if code is None or (isinstance(code, int) and code == 0):
        return Ending("FINISHED", None)
    if isinstance(code, int):
        return Ending("FAILED", f"The process ended with exit code {int(code)}.")
    return Ending("FAILED", f"The process ended with exit code 1: {code}")


def _note_exit(exit_: Callable[..., NoReturn], *status: Any) -> None:
    global _exit
    try:
        exit_(*status)
    except SystemExit as error:
        if _is_main():
            outermost = sys._getframe()
            while outermost.f_back is not None:
                outermost = outermost.f_back
            _exit = error.code, outermost
        raise


def _code_of_child() -> int | None:
    """Return the exit code that a forked child of multiprocessing ends with, from Python 3.13 on.

    By then it has printed its exception, and let go of it. Before 3.13 it ends while it runs, and
    has no code yet.
    """
    launch = Popen._launch.__code__  # type: ignore[attr-defined]
    frame: FrameType | None = sys._getframe()
    while frame is not None and frame.f_code is not launch:
        if frame.f_code is BaseProcess._bootstrap.__code__:  # type: ignore[attr-defined]
            return None
        frame = frame.f_back
    return None if frame is None else frame.f_locals.get("code")


def _is_typed() -> bool:
    """Whether people type the program as it runs."""
    return hasattr(sys, "ps1") or bool(sys.flags.interactive)


def _is_main() -> bool:
    return threading.current_thread() is threading.main_thread()


def _was_left_by(error: BaseException) -> bool:
    """Whether an exception left the program, and was not just shown."""
    frame = None if error.__traceback__ is None else error.__traceback__.tb_frame
    return frame is not None and frame.f_back is None and _raised(frame)


def _raised(frame: FrameType) -> bool:
    """Whether a function that has ended did so by an exception that nobody caught."""
    return dis.opname[frame.f_code.co_code[frame.f_lasti]] not in _RETURNS
