"""The token of a Ray cluster whose dashboard asks for one: it is the user's, and never a hub's."""

import os
import re
from pathlib import Path

from mlflow_workspace_plugin import settings
from mlflow_workspace_plugin.errors import ComputeTargetException, HubSettingsError
from mlflow_workspace_plugin.hub.user_record import UserRecord

VARIABLE = "RAY_AUTH_TOKEN"
"""Ray's own variable, which holds the token of whichever cluster is meant."""


def find(address: str) -> str | None:
    """Return the token for a cluster: of the file for its address, else of the environment.

    Args:
        address: of the dashboard.

    Raises:
        ComputeTargetException: the file is there, and others may read it, or it is no token.
    """
    record = _record(address)
    try:
        token = record.read(None)
    except HubSettingsError as error:
        raise ComputeTargetException(error.message) from error
    token = os.environ.get(VARIABLE, "").strip() if token is None else token
    if not token:
        return None
    if not isinstance(token, str) or not re.fullmatch(r"[!-~]+", token):
        raise ComputeTargetException(
            f"The token for {address} is none: it has characters that no header can have. Set "
            f"{VARIABLE}, or run: mlflow-workspace compute token NAME"
        )
    return token


def keep(address: str, token: str) -> Path:
    """Keep the token for a cluster in a file that only this user may read.

    Args:
        address: of the dashboard.
        token: the token; empty text has none sent there, whatever the environment says.

    Returns:
        The file.

    Raises:
        OSError: it cannot be written.
    """
    record = _record(address)
    record.change(lambda: token)
    return record.file


def _record(address: str) -> UserRecord:
    folder = Path(settings.RAY_TOKENS_DIR.get()).expanduser().absolute()
    return UserRecord(
        # Two addresses never share a file: no host has an underscore before its port.
        folder / re.sub(r"[^A-Za-z0-9.-]", "_", address),
        f"the token for {address}",
        "give it again with: mlflow-workspace compute token NAME",
    )
