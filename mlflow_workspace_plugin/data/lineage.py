"""What a run read and made, as MLflow's dataset inputs of it: people see them in MLflow's UI."""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlflow.entities import Dataset, DatasetInput, InputTag, Run
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT

from mlflow_workspace_plugin.data.definition import (
    AtUrl,
    DatasetDefinition,
    InDatastore,
    PathOf,
)
from mlflow_workspace_plugin.data.files.manifest import Manifest
from mlflow_workspace_plugin.data.storages.find import storage_of
from mlflow_workspace_plugin.data.uses import INPUT, MODE_TAG, NAME_TAG, OWN
from mlflow_workspace_plugin.terminal import get_logger

if TYPE_CHECKING:
    from mlflow_workspace_plugin.data.files.found import FoundFile
    from mlflow_workspace_plugin.stores.tracking import WorkspaceTrackingStore

_PATTERN = re.compile(r"(?:^|(?<=/))[^/]*[*?\[].*")
_LONGEST_DIGEST = 36
"""In MLflow's database."""
_LONGEST_NAME = 500
"""In MLflow's database."""

_logger = get_logger(__name__)


@dataclass(frozen=True)
class Used:
    """A dataset, as it is told of.

    Attributes:
        definition: what it is.
        dataset: its id, if it is saved.
        name: of the registered dataset.
        version: of the registered dataset.
        files: which it consists of now; None is unknown.
        manifest: which it consisted of when it was registered, for where that is so.
    """

    definition: DatasetDefinition
    dataset: str | None = None
    name: str | None = None
    version: int | None = None
    files: "Sequence[FoundFile] | None" = None
    manifest: Manifest | None = None


def record_use(
    store: "WorkspaceTrackingStore",
    run_id: str,
    used: Used,
    *,
    used_as: str,
    mode: str,
    context: str = INPUT,
) -> None:
    """Say in a run which data it used. What cannot be said is warned of: it ends no script.

    Args:
        store: of the run's workspace.
        run_id: MLflow's id of the run.
        used: the dataset.
        used_as: the name of the input or output; that of the dataset when empty.
        mode: how the script got it.
        context: ``input`` or ``output``.
    """
    tags = {MLFLOW_DATASET_CONTEXT: context, NAME_TAG: used_as, MODE_TAG: mode}
    try:
        name = used.name or used_as or used.dataset or "data"
        dataset = _of_mlflow(store, used, name[:_LONGEST_NAME])
        if _said_of(store.get_run(run_id), dataset) not in (None, tags):
            # MLflow keeps one use of a dataset in a run: another use stands under another name.
            behind = f" ({used_as})"
            dataset = _of_mlflow(store, used, name[: _LONGEST_NAME - len(behind)] + behind)
        entry = DatasetInput(dataset, [InputTag(*each) for each in tags.items()])
        store.log_inputs(run_id, [entry])
    except MlflowException as error:
        _logger.warning("Run %s does not say that it used %s: %s", run_id, used_as, error)


def _said_of(run: Run, dataset: Dataset) -> dict[str, str] | None:
    """Return what a run says of its use of a dataset, as tags; None if that is nothing yet."""
    for each in [] if run.inputs is None else run.inputs.dataset_inputs:
        if (each.dataset.name, each.dataset.digest) == (dataset.name, dataset.digest):
            return {tag.key: tag.value for tag in each.tags}
    return None


def _of_mlflow(store: "WorkspaceTrackingStore", used: Used, name: str) -> Dataset:
    source_type, where = _source(store, used)
    known = {"dataset": used.dataset, "name": used.name, "version": used.version}
    own: dict[str, Any] = {key: value for key, value in known.items() if value is not None}
    own["paths"] = [str(path) for path in used.definition.paths]
    return Dataset(name, _digest(used), source_type, json.dumps({**where, OWN: own}))


def _source(store: "WorkspaceTrackingStore", used: Used) -> tuple[str, dict[str, str]]:
    """Return where the data is, as one of the kinds of sources that MLflow's UI shows."""
    paths = used.definition.paths
    if len(paths) == 1 and isinstance(paths[0], AtUrl):
        return "http", {"url": str(paths[0])}
    return "local", {"uri": ", ".join(_uri(store, path) for path in paths)}


def _uri(store: "WorkspaceTrackingStore", path: PathOf) -> str:
    if not isinstance(path, InDatastore):
        return str(path)
    # MLflow can fetch a file or a folder, and knows no patterns.
    fixed = _PATTERN.split(path.path)[0]
    return storage_of(store, path.datastore).uri(fixed.rstrip("/"))


def _digest(used: Used) -> str:
    """Return what tells the same data from other: of its files where they are known.

    The version of a registered dataset stands before it, for the UI has no other place for it.
    """
    whole = hashlib.sha256(used.definition.canonical().encode())
    manifest = used.manifest if used.files is None else Manifest.of(used.files)
    for key, facts in () if manifest is None else sorted(manifest.files.items()):
        at = facts.sha256 or facts.etag or facts.modified_ms
        whole.update(json.dumps([key, facts.size, at]).encode())
    version = "" if used.version is None else f"v{used.version}-"
    return (version + whole.hexdigest())[:_LONGEST_DIGEST]
