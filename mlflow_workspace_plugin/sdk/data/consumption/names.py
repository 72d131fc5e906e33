"""The names of inputs and outputs, which are those of environment variables, too."""

import re
import uuid

from mlflow_workspace_plugin.data.delivery.variables import NEEDED
from mlflow_workspace_plugin.errors import UserErrorException
from mlflow_workspace_plugin.terminal import get_logger

_logger = get_logger(__name__)

_NAME = re.compile("[A-Za-z_][A-Za-z0-9_]*")


def checked_name(name: str, kind: str) -> str:
    """Return the name of an input or output, as SDK v1 takes it.

    Args:
        name: the name.
        kind: ``input`` or ``output``.

    Raises:
        UserErrorException: it is none.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise UserErrorException(
            f'Invalid {kind} name "{name}". The name can only be alphanumeric characters and '
            "underscore, and must not begin with a number."
        )
    if name.upper() in NEEDED:
        _logger.warning(
            'The %s name "%s" is that of an environment variable which programs need. '
            "It keeps its value; choose another name.",
            kind,
            name,
        )
    return name


def new_name(kind: str, dataset_id: str | None = None) -> str:
    """Return a name in SDK v1's form, for what was given none.

    Args:
        kind: ``input`` or ``output``.
        dataset_id: of the dataset, from which the name comes then.
    """
    of_dataset = "_" if kind == "input" else ""
    return f"{kind}_{of_dataset}{(dataset_id or str(uuid.uuid4())).split('-')[0]}"
