"""Reading what was sent: a field of a JSON object is what it should be, or is refused by name."""

from collections.abc import Mapping
from typing import Any

from mlflow_workspace_plugin.errors import UserErrorException
from mlflow_workspace_plugin.hub.databases import storable

_LONGEST = 1000


def text_of(
    said: Mapping[str, Any], name: str, longest: int = _LONGEST, *, default: str | None = None
) -> str:
    """Return a field that is a text.

    Args:
        said: the JSON object.
        name: of the field.
        longest: how many characters it may have.
        default: what it is where it is missing; without one it has to be there.

    Raises:
        UserErrorException: it is missing, or none.
    """
    text = said.get(name, default)
    if not isinstance(text, str):
        raise UserErrorException(f"{name!r} has to be a text. Send one.")
    if len(text) > longest:
        raise UserErrorException(f"{name!r} has more than {longest} characters. Shorten it.")
    if storable.NO_DATABASE_TAKES.search(text):
        raise UserErrorException(f"{name!r} has characters that no database stores. Remove them.")
    return text


def optional_text_of(said: Mapping[str, Any], name: str) -> str | None:
    """Return a field that is a text, or missing, or null.

    Raises:
        UserErrorException: it is something else.
    """
    return None if said.get(name) is None else text_of(said, name)


def truth_of(said: Mapping[str, Any], name: str) -> bool:
    """Return a field that is true or false; missing, it is false.

    Raises:
        UserErrorException: it is something else.
    """
    found = said.get(name, False)
    if not isinstance(found, bool):
        raise UserErrorException(f"{name!r} has to be true or false.")
    return found


def number_of(said: Mapping[str, Any], name: str, least: int, most: int, *, default: int) -> int:
    """Return a field that is a whole number.

    Raises:
        UserErrorException: it is none, or out of bounds.
    """
    found = said.get(name, default)
    if isinstance(found, bool) or not isinstance(found, int) or not least <= found <= most:
        raise UserErrorException(f"{name!r} has to be a whole number, {least} to {most}.")
    return found


def texts_of(said: Mapping[str, Any], name: str, most: int) -> list[str] | None:
    """Return a field that is a list of texts, or missing, or null.

    Raises:
        UserErrorException: it is something else.
    """
    found = said.get(name)
    if found is None:
        return None
    if not isinstance(found, list) or len(found) > most:
        raise UserErrorException(f"{name!r} has to be a list of at most {most} texts.")
    return [text_of({name: each}, name) for each in found]
