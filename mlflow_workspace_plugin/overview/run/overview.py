"""What is known of a run beside its figures."""

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from mlflow import MlflowClient
from mlflow.entities import Run as MlflowRun
from mlflow.entities import ViewType
from mlflow.exceptions import MlflowException
from mlflow.store.tracking import SEARCH_MAX_RESULTS_THRESHOLD
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT, MLFLOW_PARENT_RUN_ID
from mlflow.utils.search_utils import SearchUtils

from mlflow_workspace_plugin.data.uses import MODE_TAG, NAME_TAG, OUTPUT
from mlflow_workspace_plugin.overview.run.status import head_of_run, status_of_run
from mlflow_workspace_plugin.overview.viewer import viewer
from mlflow_workspace_plugin.runs import tag_text
from mlflow_workspace_plugin.runs.run_tags import tags_of_user
from mlflow_workspace_plugin.runs.search import PROPERTY_PREFIX
from mlflow_workspace_plugin.runs.snapshots.snapshots import SNAPSHOT_TAG

if TYPE_CHECKING:
    from mlflow_workspace_plugin.overview.source import Source

CHILDREN_AT_ONCE = 50
_MLFLOWS = "mlflow."
_MODELS_SHOWN = 100
# The description of a run, which MLflow's UI shows beside the tags.
_NOTE_TAG = "mlflow.note.content"


def overview_of_run(source: "Source", run_id: str) -> dict[str, Any]:
    """Return what is known of a run but for its figures, files and children, as JSON has it.

    Args:
        source: the workspace.
        run_id: the run.

    Returns:
        ``head``, see :func:`~.status.head_of_run`; ``experiment``, its name; ``parent``; ``note``,
        which the user wrote of it; ``params``, ``tags`` and ``properties``, pairs of texts;
        ``datasets``; ``models``; ``snapshot``, its id; ``page``, that of MLflow's UI.

    Raises:
        MlflowException: there is no such run in the workspace.
    """
    run = source.store.get_run(run_id)
    experiment = source.store.get_experiment(run.info.experiment_id)
    return {
        "head": head_of_run(source, run),
        "experiment": experiment.name,
        "parent": _parent(source, run),
        **facts_of_run(run),
        "models": _models(source, run),
        "page": f"experiments/{run.info.experiment_id}/runs/{run_id}",
    }


def facts_of_run(run: MlflowRun) -> dict[str, Any]:
    """Return what a run itself says beside its head: what may change while it goes on.

    Args:
        run: as MLflow returned it.
    """
    stored = run.data.tags
    tags = tags_of_user(stored).items()
    properties = tag_text.from_mlflow(stored, PROPERTY_PREFIX)
    return {
        "note": stored.get(_NOTE_TAG),
        "params": sorted(run.data.params.items()),
        "tags": sorted((key, value) for key, value in tags if not key.startswith(_MLFLOWS)),
        "properties": sorted(properties.items()),
        "datasets": _datasets(run),
        "snapshot": stored.get(SNAPSHOT_TAG),
    }


def children_of_run(
    source: "Source", run_id: str, offset: int = 0, limit: int = CHILDREN_AT_ONCE
) -> dict[str, Any]:
    """Return children of a run, newest first.

    Args:
        source: the workspace.
        run_id: the run.
        offset: how many are passed over.
        limit: how many at most.

    Returns:
        ``children``: ``run_id``, ``name``, ``status``, ``started``, ``ended`` and whether there are
        ``children`` of each; ``next``, the offset of the next ones, None behind the last.

    Raises:
        MlflowException: there is no such run in the workspace.
    """
    run = source.store.get_run(run_id)
    experiment_id = run.info.experiment_id
    found = source.store.search_runs(
        [experiment_id],
        f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{run_id}'",
        ViewType.ACTIVE_ONLY,
        max_results=max(1, min(limit, SEARCH_MAX_RESULTS_THRESHOLD)),
        order_by=["attributes.start_time DESC"],
        page_token=SearchUtils.create_page_token(offset) if offset > 0 else None,
    )
    parents = _parents_among(source, experiment_id, [each.info.run_id for each in found])
    return {
        "children": [
            {
                "run_id": each.info.run_id,
                "name": each.info.run_name,
                "status": status_of_run(source, each),
                "started": each.info.start_time,
                "ended": each.info.end_time,
                "children": each.info.run_id in parents,
            }
            for each in found
        ],
        "next": offset + len(found) if found.token else None,
    }


def _parents_among(source: "Source", experiment_id: str, run_ids: list[str]) -> set[str]:
    """Return which of some runs have children."""
    found = set()
    for run_id in run_ids:
        clause = f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{run_id}'"
        if source.store.search_runs([experiment_id], clause, ViewType.ACTIVE_ONLY, max_results=1):
            found.add(run_id)
    return found


def _parent(source: "Source", run: MlflowRun) -> dict[str, Any] | None:
    """Return id and name of the run that a run is a child of."""
    parent_id = run.data.tags.get(MLFLOW_PARENT_RUN_ID)
    looking = viewer.get()
    if not parent_id or (looking and not looking.runs(source.workspace, [parent_id])):
        return None
    try:
        return {"run_id": parent_id, "name": source.store.get_run(parent_id).info.run_name}
    except MlflowException:
        # Anybody can set the tag, and name what is not in the workspace.
        return None


def _datasets(run: MlflowRun) -> list[dict[str, Any]]:
    found = []
    for each in [] if run.inputs is None else run.inputs.dataset_inputs:
        tags = {tag.key: tag.value for tag in each.tags}
        found.append(
            {
                "name": each.dataset.name,
                "digest": each.dataset.digest,
                "used_as": tags.get(NAME_TAG) or None,
                "mode": tags.get(MODE_TAG) or None,
                "context": tags.get(MLFLOW_DATASET_CONTEXT) or None,
                "is_output": tags.get(MLFLOW_DATASET_CONTEXT) == OUTPUT,
                "source": _source_of(each.dataset.source),
            }
        )
    return found


def _source_of(text: str) -> str | None:
    """Return where a dataset is, as its source says it in one of MLflow's ways."""
    try:
        source = json.loads(text)
    except (ValueError, RecursionError):
        return text or None
    if not isinstance(source, dict):
        return text
    said = (source.get(key) for key in ("uri", "url", "path", "name"))
    return next((str(each) for each in said if each), None)


def _models(source: "Source", run: MlflowRun) -> list[dict[str, Any]]:
    """Return the models that a run logged, read or registered, and that are seen.

    Who may read a run may not read each of these: they may be of other experiments.
    """
    found, looking = [], viewer.get()
    logged = [] if run.outputs is None else run.outputs.model_outputs
    read = [] if run.inputs is None else (run.inputs.model_inputs or [])
    for use, models in ("logged", logged), ("read", read):
        ids = {each.model_id for each in models}
        seen = ids if looking is None else looking.models(source.workspace, ids)
        for each in [each for each in models if each.model_id in seen][:_MODELS_SHOWN]:
            try:
                name = source.store.get_logged_model(each.model_id).name
            except MlflowException:
                continue  # deleted, or another workspace's
            page = f"experiments/{run.info.experiment_id}/models/{each.model_id}"
            found.append({"use": use, "name": name, "version": None, "page": page})
    client = MlflowClient(source.tracking_uri, registry_uri=source.tracking_uri)
    clause = f"run_id = '{run.info.run_id}'"
    versions = client.search_model_versions(clause, max_results=_MODELS_SHOWN)
    names = {each.name for each in versions}
    seen = names if looking is None else looking.registered(source.workspace, names)
    for version in versions:
        if version.name not in seen:
            continue
        page = f"models/{quote(version.name, safe='')}/versions/{version.version}"
        found.append(
            {
                "use": "registered",
                "name": version.name,
                "version": str(version.version),
                "page": page,
            }
        )
    return found
