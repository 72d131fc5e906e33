"""What stands in the arguments of a script for where its data is, until that is known (SDK v1)."""

import re
from collections.abc import Mapping

_INPUT = "DatasetConsumptionConfig:"
_OUTPUT = "DatasetOutputConfig:"
_REFERENCE = "$AZUREML_DATAREFERENCE_"
_ANY = re.compile(
    rf"(?:{re.escape(_INPUT)}|{re.escape(_OUTPUT)}|{re.escape(_REFERENCE)})([A-Za-z0-9_]+)"
)


def of_input(name: str) -> str:
    """Return what stands for an input."""
    return _INPUT + name


def of_output(name: str) -> str:
    """Return what stands for an output."""
    return _OUTPUT + name


def of_reference(name: str) -> str:
    """Return what stands for one of SDK v1's data references."""
    return _REFERENCE + name


def names_in(text: str) -> list[str]:
    """Return the names of the data for which something stands in a text."""
    return [found[1] for found in _ANY.finditer(text)]


def filled(text: str, known: Mapping[str, str]) -> str:
    """Return a text with what is known in the place of what stands for it.

    Args:
        text: an argument, or a command.
        known: what to write, by what stands for it.
    """
    return _ANY.sub(lambda found: known.get(found[0], found[0]), text)
