"""Whether what is named by its content, and is stored, is what its name says."""

from pathlib import PurePosixPath

from mlflow_workspace_plugin.artifacts.named_by_content import (
    DATA_MANIFESTS,
    SNAPSHOT_MANIFESTS,
    named_by_content,
)
from mlflow_workspace_plugin.data.files.manifests import Manifests
from mlflow_workspace_plugin.hub.hub import Hub
from mlflow_workspace_plugin.runs.snapshots.snapshots import Snapshots


def may_be_replaced(hub: Hub, workspace: str, location: PurePosixPath) -> bool:
    """Whether a file that is there is of no use to anybody, so that it may be stored anew.

    A list of files may be, where it is damaged, or packs that it names are gone. Of a pack that is
    not told: who reads one compares each content.

    Args:
        hub: the hub.
        workspace: as MLflow knows it.
        location: of a file that is named by its content.
    """
    place, name = named_by_content(location), location.name.partition(".")[0]
    if place == DATA_MANIFESTS:
        return not Manifests(hub, workspace).is_whole(name)
    return place == SNAPSHOT_MANIFESTS and not Snapshots(hub, workspace).is_whole(name)
