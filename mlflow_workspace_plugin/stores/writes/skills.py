"""The content of skills, which MLflow has from 3.18 on.

It comes to a hub through a server, whose locations are relative to the workspace of the request.
"""

from collections.abc import Iterator

from mlflow.exceptions import MlflowException
from mlflow.store.db.base_sql_model import Base
from sqlalchemy import Connection, select

from mlflow_workspace_plugin.artifacts.paths import ARTIFACT_ROOT, location_of
from mlflow_workspace_plugin.artifacts.repository import repository_at
from mlflow_workspace_plugin.errors import UnsafeArtifactPathError, clause
from mlflow_workspace_plugin.hub.hub import Hub
from mlflow_workspace_plugin.terminal import get_logger

_VERSIONS = "skill_versions"
_DELETED = "deleted"

_logger = get_logger(__name__)


class SkillContent:
    """Deletes the content of a skill with it, as MLflow's server does."""

    _hub: Hub
    _workspace: str

    def delete_skill(self, name: str, organization: str = "") -> None:
        """Delete a skill, and then what was uploaded for it.

        As with MLflow's server, a skill is gone although some of its content cannot be deleted.
        """
        # What MLflow names here is the skill's own: never what it merely refers to.
        paths = self.delete_skill_and_collect_artifacts(name, organization)  # type: ignore[attr-defined]
        for path in paths:
            location = location_of(ARTIFACT_ROOT + path, self._workspace)
            try:
                repository_at(self._hub, location).delete_artifacts()
            except (MlflowException, OSError) as error:
                _logger.warning(
                    "Skill %r was deleted, but its content remains in %r: %s. Remove it by hand.",
                    name,
                    self._hub.place_of(location),
                    clause(error),
                )


def locations_of_skills(connection: Connection, workspace: str) -> Iterator[str]:
    """Yield where the content of a workspace's skills is, but for that of deleted versions.

    Args:
        connection: to the hub's database.
        workspace: the name MLflow knows.
    """
    versions = Base.metadata.tables.get(_VERSIONS)
    if versions is None:
        return
    query = select(versions.c.source, versions.c.subpath).where(
        versions.c.workspace == workspace,
        versions.c.source.is_not(None),
        versions.c.status != _DELETED,
    )
    for source, subpath in connection.execute(query):
        location = f"{source.rstrip('/')}/{subpath.strip('/')}" if subpath else source.rstrip("/")
        yield location
        if location.startswith(ARTIFACT_ROOT):
            try:
                yield f"{ARTIFACT_ROOT}{location_of(location, workspace)}"
            except UnsafeArtifactPathError:
                continue  # it is not in this workspace
