"""The manifests of a workspace's datasets, wherever its hub is."""

from collections.abc import Iterator
from contextlib import contextmanager

from mlflow_workspace_plugin import uris
from mlflow_workspace_plugin.data.files.manifest import Manifest, name_of
from mlflow_workspace_plugin.data.files.manifests import (
    ManifestFiles,
    Manifests,
    location_of_manifests,
)
from mlflow_workspace_plugin.errors import HubBusyError
from mlflow_workspace_plugin.hub.hub import open_hub
from mlflow_workspace_plugin.protocol.files import MANIFEST
from mlflow_workspace_plugin.remote.files.kept import TRIES, keep
from mlflow_workspace_plugin.remote.files.open import repository_at


def manifests_of(tracking_uri: str) -> ManifestFiles:
    """Return the manifests of the workspace that a URI names.

    Raises:
        InvalidUriError: it names none.
        HubError: its hub cannot be opened.
    """
    parsed = uris.parse_of_workspace(tracking_uri)
    if isinstance(parsed, uris.ServedWorkspaceUri):
        return ServedManifests(parsed)
    return Manifests(open_hub(parsed.hub), parsed.name)


class ServedManifests(ManifestFiles):
    """The manifests of a workspace of a served hub.

    Args:
        uri: of the workspace.
    """

    def __init__(self, uri: uris.ServedWorkspaceUri) -> None:
        super().__init__(repository_at(uri, location_of_manifests(uri.name), is_quiet=True))
        self._uri = uri

    @contextmanager
    def keeping(self, manifest: Manifest) -> Iterator[str]:
        """Store a manifest, and have the hub keep it for the version that names it."""
        content = manifest.to_bytes()
        name = name_of(content)
        if not self._is_stored(name):
            self._store(name, content)
        yield name
        if not keep(self._uri, MANIFEST, name, lambda: self._store(name, content)):
            raise HubBusyError(
                "The list of a dataset's files was removed from "
                f"{self._repository.artifact_uri!r} in each of {TRIES} tries to store it: somebody "
                "removes files there by hand. Try again when that is over."
            )
