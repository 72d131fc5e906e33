"""How notebooks show an error of this package: the user's own lines, and what it says.

What is between is MLflow's, SQLAlchemy's and ours, and says nothing to who reads it. It is there
all the same: ``%tb`` shows it, and so does everything where this package logs for debugging.
"""

import logging
import sys
import traceback
import warnings
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

_PACKAGE = Path(__file__).parent
_SHOWN_ONCE = "_was_shown_short"


def short_traceback(error: BaseException) -> list[str]:
    """Return the lines by which IPython shows an error: the first time short, then all.

    Args:
        error: which is being shown.
    """
    shell = _shell()
    is_debugging = logging.getLogger(__package__).isEnabledFor(logging.DEBUG)
    if shell is not None and (is_debugging or hasattr(error, _SHOWN_ONCE)):
        given = type(error), error, error.__traceback__
        return list(shell.InteractiveTB.structured_traceback(*given))
    setattr(error, _SHOWN_ONCE, True)
    lines = [
        f"{_place(shell, frame)}\n    {frame.line}"
        for frame in _frames_of_the_user(error.__traceback__)
    ]
    notes = getattr(error, "__notes__", ())
    said = f"{type(error).__name__}: {error}"
    return [*lines, said, *map(str, notes), "(%tb shows where this was raised.)"]


def warn_user(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the line of the user's that led to it: where ours is says nothing to who reads it.

    Args:
        message: what is said.
        category: of the warning.
    """
    frame: FrameType | None = sys._getframe(1)
    level = 2
    while frame is not None and not _is_own(frame.f_code.co_filename):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=2 if frame is None else level)


def _frames_of_the_user(trace: TracebackType | None) -> list[traceback.FrameSummary]:
    """Return the frames from the first of the user's to the one that calls a library for this."""
    frames = traceback.extract_tb(trace)
    own = [number for number, frame in enumerate(frames) if _is_own(frame.filename)]
    if not own:
        return frames[:1]
    return [frames[number] for number in own]


def _is_own(file: str) -> bool:
    path = Path(file)
    return not (
        "site-packages" in path.parts
        or "dist-packages" in path.parts
        or path.is_relative_to(_PACKAGE)
        or path.is_relative_to(Path(logging.__file__).parent.parent)
        or file.startswith("<frozen")
    )


def _place(shell: Any, frame: traceback.FrameSummary) -> str:
    name_cell = getattr(getattr(shell, "compile", None), "format_code_name", None)
    label = None if name_cell is None else name_cell(frame.filename)
    where = " ".join(label) if label else f"File {frame.filename}"
    return f"{where}, line {frame.lineno}"


def _shell() -> Any:
    get_ipython = getattr(sys.modules.get("IPython"), "get_ipython", None)
    return None if get_ipython is None else get_ipython()
