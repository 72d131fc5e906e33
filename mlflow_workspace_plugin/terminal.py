"""Text that came with data, as it may be shown on a terminal or written to a log.

A name, a tag or a logged value may hold anything: sequences that a terminal obeys, characters that
turn the order of others round, ends of lines that make one message look like two.
"""

import logging
import os
import select
import sys
import unicodedata
from contextlib import suppress
from typing import Any

_PATIENCE_S = 1.0
_HARMLESS = frozenset("\u200c\u200d")
"""Joiners, without which some languages and emoji cannot be written."""


def shown(text: object, *, lines: bool = False) -> str:
    """Return text with what would not be shown as itself escaped, as Python writes it.

    Args:
        text: what is to be shown.
        lines: keep ends of lines, and tabs.
    """
    given = str(text)
    if given.isprintable():
        return given
    kept = _HARMLESS | {"\n", "\t"} if lines else _HARMLESS
    return "".join(each if _is_plain(each) or each in kept else _escaped(each) for each in given)


def shown_in_json(text: str) -> str:
    """Return JSON that means the same, and whose strings hold nothing that has to be escaped."""
    if text.isprintable():
        return text
    return "".join(
        each if _is_plain(each) or each == "\n" or each in _HARMLESS else _escaped_in_json(each)
        for each in text
    )


def tell(text: str) -> None:
    """Write something to the user's ``sys.stderr``, where logging may be shut down already.

    It raises nothing, and waits for a moment at most: a signal may have come while this thread
    wrote there, and another thread may be writing to a pipe that nobody reads.

    Args:
        text: whole lines.
    """
    stream = sys.stderr
    if stream is not sys.__stderr__ or not hasattr(select, "poll"):
        try:
            stream.write(text)
            stream.flush()
        except RuntimeError:
            # This thread is in the middle of a write to it, and goes on only later.
            pass
        except Exception:  # noqa: BLE001  it is closed, its reader is gone, or it never was there
            return
        else:
            return
    if sys.__stderr__ is None:
        return
    # Past the stream's lock.
    with suppress(Exception):
        descriptor = sys.__stderr__.fileno()
        poll = select.poll()
        poll.register(descriptor, select.POLLOUT)
        if poll.poll(_PATIENCE_S * 1000):
            os.write(descriptor, text.encode(errors="backslashreplace"))


def get_logger(name: str) -> logging.Logger:
    """Return a logger whose records show what came with data escaped."""
    logger = logging.getLogger(name)
    logger.addFilter(_escape)
    return logger


def _escape(record: logging.LogRecord) -> bool:
    if isinstance(record.args, tuple):
        record.args = tuple(map(_shown_argument, record.args))
    return True


def _shown_argument(argument: Any) -> Any:
    if isinstance(argument, BaseException):
        return shown(argument, lines=True)
    return _Shown(argument) if isinstance(argument, str) else argument


class _Shown(str):
    """Text that is shown, of which a message may ask for the form that Python writes, too."""

    _given: str

    def __new__(cls, given: str) -> "_Shown":
        text = super().__new__(cls, shown(given))
        text._given = given
        return text

    def __repr__(self) -> str:
        return repr(self._given)


def _is_plain(character: str) -> bool:
    return character.isprintable() or unicodedata.category(character) == "Zs"


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _escaped_in_json(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))
