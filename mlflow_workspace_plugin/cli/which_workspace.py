"""Which workspace a command means: the one it names, else the one around it."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import click

from mlflow_workspace_plugin import uris
from mlflow_workspace_plugin.cli.completion import complete_workspaces

if TYPE_CHECKING:
    from mlflow_workspace_plugin.sdk.workspace import Workspace

Command = TypeVar("Command", bound=Callable[..., Any])


def workspace_option(command: Command) -> Command:
    """Add ``--workspace``, for :func:`open_workspace`."""
    option = click.option(
        "--workspace",
        "-w",
        help="The workspace, by its name in the hub.",
        shell_complete=complete_workspaces,
    )
    return option(command)


def open_workspace(name: str | None, hub: Path) -> "Workspace":
    """Open the workspace of a name, else that of ``MLFLOW_TRACKING_URI``, else of a config file.

    Args:
        name: as ``--workspace`` gives it.
        hub: where the name is looked up.

    Raises:
        WorkspaceNotFoundError: there is none of that name.
        ServedHubError: the URI names one of a served hub.
        ConfigFileError: nothing names one, or the config file cannot be used.
    """
    from mlflow.environment_variables import MLFLOW_TRACKING_URI

    from mlflow_workspace_plugin.errors import ConfigFileError, ServedHubError
    from mlflow_workspace_plugin.sdk.workspace import Workspace

    if name is not None:
        return Workspace.get(name, hub=hub)
    uri = MLFLOW_TRACKING_URI.get()
    if uri is not None and urlsplit(uri).scheme == uris.WORKSPACE_SCHEME:
        parsed = uris.parse(uri)
        if isinstance(parsed, uris.WorkspaceUri):
            return Workspace.get(parsed.name, hub=parsed.hub)
        raise ServedHubError.of(uri)
    try:
        return Workspace.from_config()
    except ConfigFileError as error:
        raise ConfigFileError(
            "No workspace is named. Name one with --workspace, or by "
            f"MLFLOW_TRACKING_URI=workspace:///path/to/hub/NAME, or in a config file. {error}"
        ) from error
