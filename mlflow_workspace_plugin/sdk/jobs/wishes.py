"""What SDK v1's configurations wish for, and a job has as far as it is there."""

from dataclasses import replace
from typing import TYPE_CHECKING

from mlflow_workspace_plugin.jobs.computes import LOCAL, compute_named
from mlflow_workspace_plugin.jobs.definition import Definition
from mlflow_workspace_plugin.jobs.engines.local.gpus import gpus_here

if TYPE_CHECKING:
    from mlflow_workspace_plugin.stores.tracking import WorkspaceTrackingStore

NO_GPU = "use_gpu was said, and this machine has no GPU that can be seen: it runs without."


def granted(
    store: "WorkspaceTrackingStore", definition: Definition
) -> tuple[Definition, list[str]]:
    """Return what is run with the GPUs that there are, and what is to be said of it.

    ``use_gpu`` chose an image in SDK v1, with which a script ran on a machine without GPUs, too.

    Args:
        store: of the workspace.
        definition: what is to be run.

    Raises:
        ComputeTargetException: the workspace has no such compute target.
    """
    if not definition.gpus or compute_named(store, definition.target).type != LOCAL or gpus_here():
        return definition, []
    return replace(definition, gpus=0), [NO_GPU]
