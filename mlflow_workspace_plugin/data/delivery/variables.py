"""The environment variables that tell a script where its data is (SDK v1's)."""

import re
from collections.abc import Iterable, Mapping

from mlflow_workspace_plugin.errors import UserErrorException

INPUTS = "AZUREML_DATASET_ENVIRONMENT_VARS"
"""Lists the names of the inputs, each with its mode."""
OUTPUTS = "AZUREML_DATASET_FILE_OUTPUTS"
"""Lists the names of the outputs that are folders."""
LINKED_OUTPUTS = "AZUREML_LINK_DATASET_OUTPUTS"
"""Lists the names of the outputs of which the script says which dataset they are."""
_REFERENCE = "AZUREML_DATAREFERENCE_"
_INPUT = "AZURE_ML_INPUT_"
NEEDED = frozenset(("HOME", "LD_LIBRARY_PATH", "LOGNAME", "PATH", "PWD", "SHELL", "USER"))
"""Variables that programs need to be as they are: no input or output changes them."""


_NAME = re.compile("[A-Za-z0-9_]+")


def check_name(name: str) -> None:
    """Check the name of an input or output, which variables and folders are called after.

    Raises:
        UserErrorException: it is none.
    """
    if not _NAME.fullmatch(name):
        raise UserErrorException(
            f"{name!r} cannot be the name of an input or output: use letters, digits and "
            "underscores."
        )


def of_value(name: str, value: str) -> dict[str, str]:
    """Return the variables that hold where an output is, and, among others, an input.

    Args:
        name: of it.
        value: its path, or the id of the dataset.
    """
    names = {name, name.upper()} - NEEDED
    return {**dict.fromkeys(names, value), **of_reference(name, value)}


def of_input(name: str, value: str) -> dict[str, str]:
    """Return the variables that hold where an input is; arguments as of :func:`of_value`."""
    return {**of_value(name, value), f"{_INPUT}{name}": value}


def of_reference(name: str, path: str) -> dict[str, str]:
    """Return the variable of one of SDK v1's data references.

    Args:
        name: of it.
        path: where it is.
    """
    return {f"{_REFERENCE}{name}": path}


def value_of(name: str, environment: Mapping[str, str]) -> str | None:
    """Return what the variables say of an input or output; None if they say nothing."""
    own = None if name.upper() in NEEDED else environment.get(name)
    return own or environment.get(f"{_REFERENCE}{name}")


def of_inputs(modes: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the variable that lists inputs, by their names and modes."""
    return {INPUTS: ",".join(f"{name}:{mode}" for name, mode in modes)}


def of_outputs(folders: Iterable[str], links: Iterable[str]) -> dict[str, str]:
    """Return the variables that list outputs, by their names."""
    return {OUTPUTS: ";".join(folders), LINKED_OUTPUTS: ";".join(links)}
