"""The data of a job, as far as it can be checked where that is submitted."""

from typing import TYPE_CHECKING

from mlflow_workspace_plugin.data.definition import DatasetDefinition, OnThisMachine
from mlflow_workspace_plugin.data.delivery.inputs import DataInput
from mlflow_workspace_plugin.data.delivery.outputs import DataOutput
from mlflow_workspace_plugin.data.storages.find import row_of
from mlflow_workspace_plugin.errors import UserErrorException
from mlflow_workspace_plugin.jobs.definition import Definition
from mlflow_workspace_plugin.jobs.engines.engine import Compute, Engine

if TYPE_CHECKING:
    from mlflow_workspace_plugin.stores.tracking import WorkspaceTrackingStore


def check_data(
    store: "WorkspaceTrackingStore", definition: Definition, compute: Compute, engine: Engine
) -> None:
    """Check that what a job reads and makes can be brought to where it runs, and from there.

    Args:
        store: of the workspace.
        definition: of the job.
        compute: where it is to run.
        engine: of that.

    Raises:
        DatastoreNotFoundError: the workspace has no datastore that is named.
        UserErrorException: a dataset is of files of this machine, and the job runs elsewhere.
    """
    inputs = [DataInput.from_json(each) for each in definition.inputs]
    outputs = [DataOutput.from_json(each) for each in definition.outputs]
    named = {each.datastore for each in inputs} | {each.datastore for each in outputs}
    for name in named:
        if name is not None:
            row_of(store, name)
    for each in inputs:
        path = _local_path(store, each)
        # Last: the cluster may have to be asked.
        if path is not None and not engine.runs_here:
            raise UserErrorException(
                f"Input {each.name!r} is of {path!r} of this machine, and compute target "
                f"{compute.name!r} runs jobs on others. Upload the files, and make the dataset of "
                "those: Dataset.File.upload_directory(), or datastore.upload(). A path that the "
                "nodes have, too, can be an argument of the script as it is."
            )


def _local_path(store: "WorkspaceTrackingStore", wanted: DataInput) -> str | None:
    """Return a path of this machine that an input is of, if it is of one."""
    dataset_id = wanted.dataset
    if dataset_id is None and wanted.registered_as is not None:
        version = store.dataset_version(wanted.registered_as, wanted.version)
        dataset_id = None if version is None else version.id
    saved = None if dataset_id is None else store.dataset(dataset_id)
    if saved is None:
        return None
    paths = DatasetDefinition.from_json(saved.definition).paths
    return next((path.local for path in paths if isinstance(path, OnThisMachine)), None)
