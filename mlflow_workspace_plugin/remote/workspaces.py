"""The workspaces of a served hub: those that one may see; and, for administrators, new and old."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, NoReturn

from mlflow_workspace_plugin import names, uris
from mlflow_workspace_plugin.errors import HubProtocolError, NoAnswerError, WorkspaceNotFoundError
from mlflow_workspace_plugin.hub.catalog import DEFAULT_WORKSPACE
from mlflow_workspace_plugin.hub.workspace_record import WorkspaceRecord, find
from mlflow_workspace_plugin.protocol.freeing import LONGEST_MS, NextPart, Part
from mlflow_workspace_plugin.protocol.headers import PREFIX
from mlflow_workspace_plugin.remote.http import UnansweredError, http_of

_PART_S = 300.0
"""For how long the server may free before it answers: mostly it is seconds."""


class ServedWorkspaces:
    """The workspaces of a served hub, as who is logged in there sees them.

    Every method raises ``HubError`` where the hub does not answer, or does not know who asks.

    Args:
        address: of the hub's server.
    """

    def __init__(self, address: str) -> None:
        # Which one it is does not matter: all are asked about.
        self._http = http_of(uris.served_uri(address, DEFAULT_WORKSPACE))
        self.address = self._http.address

    def list(self) -> list[WorkspaceRecord]:
        """Return those that one may see, by name."""
        said = self._said("GET", "/workspaces", "workspaces")
        try:
            return [WorkspaceRecord(**each) for each in said]
        except TypeError as error:
            self._refuse("/workspaces", error)

    def get(self, name: str) -> WorkspaceRecord:
        """Return the one of a name.

        Raises:
            WorkspaceNotFoundError: there is none, or one may not see it.
        """
        records = self.list()
        found = find(records, name)
        if found is None:
            hint = names.did_you_mean(name, {each.display_name for each in records})
            raise WorkspaceNotFoundError(
                f"Workspace {name!r} is not among those that you have a role in at {self.address}."
                f"{hint} mlflow-workspace list --hub {self.address} shows them; an administrator "
                "of the hub creates others."
            )
        return found

    def create(self, name: str, **facts: Any) -> WorkspaceRecord:
        """Create one, as an administrator of the hub.

        Args:
            name: of the workspace.
            facts: as for ``Catalog.create``.

        Raises:
            WorkspaceException: as ``artifacts.repository.create_workspace``.
            MlflowException: who is logged in is no administrator.
        """
        said = self._said("POST", "/workspaces", "workspace", {"name": name, **facts})
        try:
            return WorkspaceRecord(**said)
        except TypeError as error:
            self._refuse("/workspaces", error)

    def delete(self, name: str, *, with_content: bool) -> None:
        """Delete one, as an administrator of the hub.

        Args:
            name: the name MLflow knows.
            with_content: with all that is in it.

        Raises:
            WorkspaceException: as ``artifacts.repository.delete_workspace``.
            MlflowException: who is logged in is no administrator.
        """
        path = f"/workspaces/{name}/delete"
        self._said("POST", path, "name", {"with_content": with_content})

    def counts(self, name: str) -> dict[str, int]:
        """Return how many experiments, runs, registered models and datasets one holds.

        Args:
            name: the name MLflow knows.
        """
        return dict(self._said("GET", f"/workspaces/{name}/counts", "counts"))

    def free(self, name: str, which: NextPart, older_than_s: float, *, dry_run: bool) -> Part:
        """Free a part of what was deleted in one, as a manager of it.

        What a part freed whose answer was lost is gone, and not counted.

        Args:
            name: the name MLflow knows.
            which: as the part before named it.
            older_than_s: leave what was deleted in these last seconds.
            dry_run: say what would be freed, and free nothing.

        Raises:
            MlflowException: who is logged in may not.
        """
        path = f"/workspaces/{name}/gc"
        asked = {"older_than_ms": min(int(older_than_s * 1000), LONGEST_MS), "free": not dry_run}
        answer = self._http.request(
            "POST",
            PREFIX + path,
            json={**asked, "next": asdict(which)},
            timeout_s=_PART_S,
            wants_object=True,
        )
        try:
            return Part.from_json(answer.json()["part"])
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            self._refuse(path, error)

    def _said(
        self, method: str, path: str, name: str, body: Mapping[str, Any] | None = None
    ) -> Any:
        # Twice nothing is made or deleted: who asks is told that the answer was lost.
        try:
            answer = self._http.request(
                method, PREFIX + path, json=body, again=method == "GET", wants_object=True
            )
        except UnansweredError as error:
            if method == "GET" or not error.may_be_done:
                raise
            raise NoAnswerError(
                f"{error.message} It may be done all the same. Look what is there before you call "
                "again."
            ) from error
        try:
            return answer.json()[name]
        except (ValueError, LookupError, TypeError) as error:
            self._refuse(path, error)

    def _refuse(self, path: str, error: Exception) -> NoReturn:
        raise HubProtocolError.of_answer(self.address, PREFIX + path) from error
