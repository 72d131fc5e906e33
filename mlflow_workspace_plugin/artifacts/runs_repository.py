"""The repository of ``runs:/`` URIs, whatever letters are in the names behind them."""

from urllib.parse import unquote

from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.artifact.runs_artifact_repo import RunsArtifactRepository
from mlflow.utils.file_utils import create_tmp_dir
from mlflow.utils.validation import _validate_logged_model_name

from mlflow_workspace_plugin.artifacts.uri_names import split_tail, stored_path


class RunsRepository(RunsArtifactRepository):
    """MLflow's own, but what its reading of the URI has changed is found all the same."""

    def __init__(
        self, artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None
    ) -> None:
        uri, self._tail = split_tail(artifact_uri)
        super().__init__(uri, tracking_uri, registry_uri)
        self._underlying = RunsArtifactRepository.get_underlying_uri(uri, tracking_uri)
        if self._tail:
            self.repo = self._open(self._underlying + self._tail)

    def download_artifacts(self, artifact_path: str, dst_path: str | None = None) -> str:
        """Return the local path of a file or folder, copied to ``dst_path`` if that is given.

        Raises:
            MlflowException: there is no such file or folder in the run, nor in a model of that
                name that it logged.
        """
        name = artifact_path + self._tail
        if dst_path is None and unquote(name) != name:
            # MLflow would decode the path of a copy of that name when it loads a model from it.
            folder = self._open(f"{self._underlying}/{name}")
            if folder.list_artifacts():
                return str(folder.download_artifacts("", create_tmp_dir()))
        try:
            return str(super().download_artifacts(artifact_path, dst_path))
        except MlflowException:
            found = self._found_from_the_top(artifact_path)
            if found is None:
                raise
        repository, name = found
        return str(repository.download_artifacts(name, dst_path))

    def _found_from_the_top(self, path: str) -> tuple[ArtifactRepository, str] | None:
        """Return the folder and the name of what was meant, where a folder's name was changed."""
        run_id, folder = RunsArtifactRepository.parse_runs_uri(self.artifact_uri)
        if folder is None:
            return None
        top = RunsArtifactRepository.get_underlying_uri(f"runs:/{run_id}", self.tracking_uri)
        found = stored_path(self._open(top), f"{folder}/{path}{self._tail}")
        if found is None:
            return None
        parent, _, name = found.rpartition("/")
        return self._open(f"{top}/{parent}"), name

    def _open(self, uri: str) -> ArtifactRepository:
        return get_artifact_repository(
            uri, tracking_uri=self.tracking_uri, registry_uri=self.registry_uri
        )

    def _get_logged_model_artifact_repo(self, run_id: str, name: str) -> ArtifactRepository | None:
        try:
            _validate_logged_model_name(name)
        except MlflowException:
            # No model has it, and MLflow would put it into a filter as it is.
            return None
        return super()._get_logged_model_artifact_repo(run_id, name)
