"""Where a workspace is: in the folder of a hub, or behind the address of a served one."""

import os
from functools import cached_property
from pathlib import Path
from typing import Protocol

from mlflow_workspace_plugin import names, settings, uris
from mlflow_workspace_plugin.artifacts.repository import delete_workspace
from mlflow_workspace_plugin.errors import ServedHubError
from mlflow_workspace_plugin.hub.hub import Hub, open_hub
from mlflow_workspace_plugin.hub.ui_address import page_address, where_to_look
from mlflow_workspace_plugin.hub.workspace_record import WorkspaceRecord
from mlflow_workspace_plugin.late_imports import late_imports


class Place(Protocol):
    """Where a workspace is."""

    @property
    def record(self) -> WorkspaceRecord:
        """The workspace as it was created."""
        ...

    @property
    def hub(self) -> Hub:
        """The open hub.

        Raises:
            ServedHubError: it is behind a server.
        """
        ...

    @property
    def hub_place(self) -> Path | str:
        """The folder of the hub, or the address of its server."""
        ...

    @property
    def uri(self) -> str:
        """The workspace's tracking URI."""
        ...

    @property
    def storage(self) -> str:
        """Where files are, as people are told."""
        ...

    def page(self, page: str) -> str:
        """Return the address of a page of the UI."""
        ...

    def where_to_look(self, page: str, command: str) -> str:
        """Return the address of a page, or the command that shows it if none is served."""
        ...

    def typed(self, command: str) -> str:
        """Return a command as it is to be typed for this hub."""
        ...

    def delete(self, *, with_content: bool) -> None:
        """Delete the workspace."""
        ...


class InFolder:
    """A workspace of a hub in a folder.

    Args:
        hub: the hub.
        record: the workspace.
    """

    def __init__(self, hub: Hub, record: WorkspaceRecord) -> None:
        self.hub = hub
        self.record = record
        self.uri = str(uris.WorkspaceUri(hub.path, record.name))
        self.hub_place: Path | str = hub.path

    @property
    def storage(self) -> str:
        """Where files are, as people are told."""
        return self.hub.place_of()

    def page(self, page: str) -> str:
        """Return the address of a page of the UI."""
        return page_address(self.hub.path, self.record.name, page)

    def where_to_look(self, page: str, command: str) -> str:
        """Return the address of a page, or the command that shows it if none is served."""
        return where_to_look(self.hub.path, self.record.name, page, command)

    def typed(self, command: str) -> str:
        """Return a command as it is to be typed for this hub."""
        return uris.typed(command, self.hub.path)

    def delete(self, *, with_content: bool) -> None:
        """Delete the workspace."""
        delete_workspace(self.hub, self.record.name, with_content=with_content)


class BehindServer:
    """A workspace of a served hub.

    Args:
        uri: of the workspace.
        record: the workspace, if that is known.
    """

    def __init__(self, uri: uris.ServedWorkspaceUri, record: WorkspaceRecord | None = None) -> None:
        self._uri = uri
        if record is not None:
            self.record = record
        self.uri = str(uri)
        self.storage = uri.address
        self.hub_place: Path | str = uri.address

    @cached_property
    def record(self) -> WorkspaceRecord:
        """The workspace as it was created.

        Raises:
            WorkspaceNotFoundError: the hub has none of that name.
            HubError: the hub does not answer, or does not know who asks.
        """
        with late_imports():
            from mlflow_workspace_plugin.remote.calls import call
            from mlflow_workspace_plugin.remote.http import http_of
            from mlflow_workspace_plugin.stores.journalling.patience import until_answered

        http = http_of(self._uri)
        found: WorkspaceRecord = until_answered(lambda _: call(http, "workspace_record"))
        return found

    @property
    def hub(self) -> Hub:
        """None: it is behind the server."""
        raise ServedHubError.of(self.uri)

    def page(self, page: str) -> str:
        """Return the address of a page of the UI."""
        return f"{self._uri.address}/{uris.ui_location(page, self._uri.name)}"

    def where_to_look(self, page: str, command: str) -> str:
        """Return the address of a page."""
        del command
        return self.page(page)

    def typed(self, command: str) -> str:
        """Return a command as it is to be typed for this hub."""
        return uris.typed_at(command, self._uri)

    def delete(self, *, with_content: bool) -> None:
        """Delete the workspace, as an administrator of the hub."""
        with late_imports():
            from mlflow_workspace_plugin.remote.workspaces import ServedWorkspaces

        ServedWorkspaces(self._uri.address).delete(self._uri.name, with_content=with_content)


def place_of(name: str, hub: "str | os.PathLike[str] | None") -> Place:
    """Return where a workspace is.

    Args:
        name: of the workspace.
        hub: the hub's folder, its ``workspace-hub:`` URI, or the address of its server, such as
            ``https://hub.example.org``; None is the default hub.

    Raises:
        WorkspaceNotFoundError: the hub holds no workspace of that name.
        HubError: the hub cannot be opened, or does not answer.
    """
    address = address_of(hub)
    if address is not None:
        return BehindServer(uris.served_uri(address, names.fold(name)))
    with late_imports():
        from mlflow_workspace_plugin.stores.journalling.patience import until_answered

    folder = uris.hub_folder(settings.HUB.get() if hub is None else hub)
    opened = until_answered(lambda _: open_hub(folder))
    return InFolder(opened, until_answered(lambda _: opened.catalog.get(name)))


def address_of(hub: "str | os.PathLike[str] | None") -> str | None:
    """Return the address of a hub's server; None if the hub is a folder.

    Args:
        hub: as for :func:`place_of`.
    """
    given = settings.HUB.get() if hub is None else hub
    return str(given) if uris.is_address(given) else None
