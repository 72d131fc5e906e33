"""What the parts of SDK v1's configurations have in common: fields, and their names in files."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import Field, fields
from typing import Any, TypeVar

_Element = TypeVar("_Element", bound="ConfigElement")


def camel_case(name: str) -> str:
    """Return the name that a field has in SDK v1's files: ``node_count`` is ``nodeCount``."""
    return re.sub("_([a-z])", lambda found: found[1].upper(), name)


class ConfigElement:
    """A part of a configuration: a dataclass with slots, so that a misspelt field is an error.

    In SDK v1's files its fields stand under their names in camel case, in the order in which they
    are defined.
    """

    __slots__ = ()

    def to_stored(self) -> dict[str, Any]:
        """Return it as SDK v1's files hold it. What is a secret stays out."""
        return {
            _key(each): None
            if each.metadata.get("is_secret")
            else _stored(getattr(self, each.name))
            for each in fields(self)  # type: ignore[arg-type]
        }

    @classmethod
    def from_stored(cls: type[_Element], stored: Mapping[str, Any]) -> _Element:
        """Return what :meth:`to_stored` returned. What is missing has its default.

        What is not known is left out: it is of another version.
        """
        made = cls.__new__(cls)
        # Past the constructors, whose parameters are SDK v1's: not all fields are among them.
        made._fill()
        for each in fields(made):  # type: ignore[arg-type]
            if _key(each) in stored:
                setattr(made, each.name, _read(each, stored[_key(each)]))
        return made

    def _fill(self) -> None:
        """Give each field its default."""
        for each in fields(self):  # type: ignore[arg-type]
            setattr(self, each.name, _default(each))

    def __repr__(self) -> str:
        """Show it as JSON (as in SDK v1)."""
        return json.dumps(self.to_stored(), indent=4, sort_keys=True, default=str)


def holds(read: Callable[[Any], Any], *, each: bool = False) -> dict[str, Any]:
    """Return the metadata of a field that holds another element, or several.

    Args:
        read: makes one of what a file holds.
        each: whether it is a list or a dict of them.
    """
    return {"read": read, "each": each}


SECRET = {"is_secret": True}
"""The metadata of a field that is never stored, nor shown."""


def _key(each: "Field[Any]") -> str:
    """Return the name in files: a field whose name is not its own in camel case says it."""
    key: str | None = each.metadata.get("key")
    return key or camel_case(each.name)


def _default(each: "Field[Any]") -> Any:
    return each.default_factory() if callable(each.default_factory) else each.default


def _stored(value: Any) -> Any:
    if hasattr(value, "to_stored"):
        return value.to_stored()
    if isinstance(value, Mapping):
        return {str(key): _stored(held) for key, held in value.items()}
    if isinstance(value, (list, tuple)):
        return [_stored(held) for held in value]
    return value


def _read(each: "Field[Any]", value: Any) -> Any:
    read = each.metadata.get("read")
    if read is None or value is None:
        # Files written by hand have a key without a value for an empty list.
        return _default(each) if value is None and callable(each.default_factory) else value
    if not each.metadata["each"]:
        return read(value)
    if isinstance(value, Mapping):
        return {key: read(held) for key, held in value.items()}
    return [read(held) for held in value]
