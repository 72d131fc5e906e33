"""Places of a workspace whose files are named by what is in them, and so are written once.

Snapshots and datasets of all members share them: who may store there may not change what others
stored.
"""

from pathlib import PurePosixPath

from mlflow_workspace_plugin.artifacts.paths import INTERNAL_FOLDER, workspace_of

PACKS = ("snapshots", "packs")
SNAPSHOT_MANIFESTS = ("snapshots", "manifests")
DATA_MANIFESTS = ("data", "manifests")


def named_by_content(location: PurePosixPath) -> tuple[str, ...] | None:
    """Return which of these places a file is at, such as :data:`PACKS`; None if at none.

    Args:
        location: as :func:`~mlflow_workspace_plugin.artifacts.paths.location_of` returns it.
    """
    place = location.parts[3:5]
    if workspace_of(location) is None or location.parts[2:3] != (INTERNAL_FOLDER,):
        return None
    return place if place in (PACKS, SNAPSHOT_MANIFESTS, DATA_MANIFESTS) else None
