"""Which workspace a command means: the one it names, else the one around it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import click

from mlflow_workspace_plugin import uris
from mlflow_workspace_plugin.cli.completion import complete_workspaces
from mlflow_workspace_plugin.cli.options import HubPlace

if TYPE_CHECKING:
    from mlflow_workspace_plugin.sdk.workspace import Workspace

Command = TypeVar("Command", bound=Callable[..., Any])


def workspace_option(command: Command) -> Command:
    """Add ``--workspace``, for :func:`open_workspace`."""
    option = click.option(
        "--workspace",
        "-w",
        metavar="NAME",
        help="The workspace, by its name in the hub.",
        shell_complete=complete_workspaces,
    )
    return option(command)


def open_workspace(name: str | None, hub: HubPlace) -> "Workspace":
    """Open the workspace of a name, else that of ``MLFLOW_TRACKING_URI``, else of a config file.

    Args:
        name: as ``--workspace`` gives it.
        hub: where the name is looked up; where it was named by ``--hub``, the workspace is there.
        served: whether the workspace of a URI may be one of a served hub.

    Raises:
        WorkspaceNotFoundError: there is none of that name.
        ConfigFileError: nothing names one, or the config file cannot be used.
        UserErrorException: what is around is in another hub than the one named.
    """
    from mlflow_workspace_plugin.errors import ConfigFileError, UserErrorException
    from mlflow_workspace_plugin.sdk import config_file
    from mlflow_workspace_plugin.sdk.workspace import Workspace

    if name is not None:
        return Workspace.get(name, hub=hub)
    try:
        found = _around()
    except ConfigFileError as error:
        try:
            config_file.find()
        except ConfigFileError:
            raise ConfigFileError(
                "No workspace is named. Name one with --workspace (mlflow-workspace list shows "
                "them), by MLFLOW_TRACKING_URI=workspace:NAME, or in a config file here or above, "
                "which mlflow-workspace create NAME --write-config writes."
            ) from error
        raise
    if not _is_meant(found, hub):
        raise UserErrorException(
            f"The workspace around, {found.name!r}, is in another hub than {str(hub)!r}. "
            "Name one of that hub with --workspace."
        )
    return found


def workspace_around(hub: HubPlace) -> "Workspace | None":
    """Return the workspace of ``MLFLOW_TRACKING_URI``, else of a config file, if there is one.

    Args:
        hub: where it has to be, if it was named by ``--hub``.

    Raises:
        WorkspaceNotFoundError: there is none of that name.
    """
    from mlflow_workspace_plugin.errors import ConfigFileError

    try:
        found = _around()
    except ConfigFileError:
        return None
    return found if _is_meant(found, hub) else None


def _around() -> "Workspace":
    from mlflow.environment_variables import MLFLOW_TRACKING_URI

    from mlflow_workspace_plugin.sdk.workspace import Workspace

    uri = MLFLOW_TRACKING_URI.get()
    if uri is not None and urlsplit(uri).scheme == uris.WORKSPACE_SCHEME:
        parsed = uris.parse(uri)
        if isinstance(parsed, uris.WorkspaceUri):
            return Workspace.get(parsed.name, hub=parsed.hub)
        if isinstance(parsed, uris.ServedWorkspaceUri):
            return Workspace.get(parsed.name, hub=parsed.address)
    return Workspace.from_config()


def _is_meant(found: "Workspace", hub: HubPlace) -> bool:
    """Whether the hub of a workspace is the one that the command names, if it names one."""
    from click.core import ParameterSource

    source = click.get_current_context().get_parameter_source("hub")
    if source in (None, ParameterSource.DEFAULT):
        return True
    around = uris.parse(found.get_mlflow_tracking_uri())
    if isinstance(hub, str):
        return isinstance(around, uris.ServedWorkspaceUri) and (
            around.address == uris.served_uri(hub, around.name).address
        )
    return isinstance(around, uris.WorkspaceUri) and around.hub.resolve() == hub.resolve()
