"""Arguments of scripts, as their processes get them."""

import os
import shlex
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from typing import Any

from mlflow_workspace_plugin.errors import UserErrorException


def texts(arguments: object) -> list[str]:
    """Return arguments of any type as texts.

    Args:
        arguments: a list of texts, numbers and paths, and of lists of such; or a line, which is
            read as a shell reads it; None is none.

    Raises:
        UserErrorException: one has no text that a script could read.
    """
    if arguments is None:
        return []
    if isinstance(arguments, str):
        return shlex.split(arguments)
    if isinstance(arguments, (Mapping, bytes)) or not isinstance(arguments, Iterable):
        raise UserErrorException(
            f"arguments is {shown(arguments)}. It is a list, such as ['--alpha', 0.5]."
        )
    return [*_flat(arguments, "arguments")]


def _flat(arguments: Iterable[object], where: str) -> Iterator[str]:
    for place, each in enumerate(arguments):
        if isinstance(each, (list, tuple)):
            yield from _flat(each, f"{where}[{place}]")
        else:
            yield text_of(each, f"{where}[{place}]")


def text_of(value: Any, where: str) -> str:
    """Return a value as a text that a script gets.

    Args:
        value: a text, a number, a path, or something that is written as it is read.
        where: what is said of an error.

    Raises:
        UserErrorException: it has no such text.
    """
    if isinstance(value, os.PathLike):
        text = os.fsdecode(value)
    elif isinstance(value, Enum) and not isinstance(value, str):
        text = str(value.value)
    elif isinstance(value, str):
        # As it is: a kind of text may show itself otherwise, as an enumeration does.
        text = str.__str__(value)
    elif isinstance(value, bytes):
        text = os.fsdecode(value)
    elif value is None:
        raise UserErrorException(
            f"{where} is None, which no script could read. Leave it out, and its option with it."
        )
    elif isinstance(value, (Mapping, set, frozenset)) or not _is_readable(value):
        raise UserErrorException(
            f"{where} is {shown(value)}, which no script could read. Pass a text, a number or a "
            "path; json.dumps() makes a text of a dict."
        )
    else:
        text = str(value)
    if "\0" in text:
        raise UserErrorException(f"{where} has a character NUL in it, which ends an argument.")
    return text


def _is_readable(value: object) -> bool:
    """Whether the text of a value is more than what it is and where it is in memory."""
    of_object: Any = object.__str__
    shows_itself = (
        type(value).__str__ is not of_object or type(value).__repr__ is not object.__repr__
    )
    return shows_itself and not callable(value)


def shown(value: object) -> str:
    """Return what an error says a value is: a text or a number as it is, else its type."""
    if value is None or isinstance(value, (str, bytes, int, float)):
        return repr(value)
    return f"an object of the type {type(value).__name__}"
