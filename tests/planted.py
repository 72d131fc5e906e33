"""A workspace that holds something of everything, all with a mark: a secret to other tenants."""

import io
import re
from typing import Any

from mlflow.entities import LoggedModelTag, TraceInfo, TraceState
from mlflow.entities.trace_location import TraceLocation
from sqlalchemy import inspect

from mlflow_workspace_plugin import Experiment, Workspace
from mlflow_workspace_plugin.accounts.database import accounts_of
from mlflow_workspace_plugin.hub.databases.database import connected
from mlflow_workspace_plugin.overview.runs import views
from mlflow_workspace_plugin.overview.source import source_of

MARK = "sEcReT"
"""In all that is only there, and in nothing that is asked."""
KEY = "planted"
"""What parts are called, so that they can be asked for."""
_LOG_INS = "workspace_plugin_log_ins"
_CHANGED_BY_ASKING = tuple(
    f"workspace_plugin_{each}" for each in ("tokens", "attempts", "codes", "states")
)


def plant(workspace: Workspace, folder) -> dict[str, str]:
    """Fill a workspace; return what names its parts, by the names that routes use.

    Args:
        workspace: an empty one.
        folder: where files may be made.
    """
    (folder / f"{MARK}.py").write_text(MARK)
    experiment = Experiment(workspace, KEY)
    run = experiment.start_logging(
        display_name=f"{MARK} run", snapshot_directory=folder, outputs=None
    )
    run.log(KEY, 0.5)
    run.log(MARK, 0.5)
    run.log_row(f"{MARK}rows", word=MARK, count=3)
    run.set_tags({KEY: MARK, MARK: MARK})
    for name in (KEY, MARK):
        run.upload_file(f"outputs/{name}.txt", io.BytesIO(MARK.encode()))
    run.upload_file("user_logs/std_log.txt", io.BytesIO(MARK.encode()))
    run.complete()
    run.flush()
    client, store = workspace.client, workspace.tracking_store
    experiment_id = str(experiment.id)
    client.log_param(run.id, KEY, MARK)
    client.set_experiment_tag(experiment_id, KEY, MARK)
    model = store.create_logged_model(
        experiment_id, f"{MARK}-model", run.id, [LoggedModelTag(KEY, MARK)]
    )
    client.create_registered_model(KEY, {KEY: MARK}, MARK)
    source = f"{client.get_run(run.id).info.artifact_uri}/outputs"
    client.create_model_version(KEY, source, run.id, {KEY: MARK}, description=MARK)
    client.set_registered_model_alias(KEY, KEY, "1")
    trace = store.start_trace(
        TraceInfo(
            trace_id=f"tr-{workspace.name}",
            trace_location=TraceLocation.from_experiment_id(experiment_id),
            request_time=1,
            state=TraceState.OK,
            request_preview=MARK,
            tags={KEY: MARK},
        )
    )
    dataset = store.create_dataset(f"{MARK}-dataset", {KEY: MARK}, [experiment_id])
    # MLflow makes one of its own for whoever looks first, be it a reader.
    store.list_label_schemas(experiment_id)
    issue = store.create_issue(experiment_id, f"{MARK} issue", MARK)
    view = views.create(
        source_of(workspace.get_mlflow_tracking_uri()),
        f"{MARK} view",
        {"runs": {"ids": [run.id]}},
    )
    return {
        "run_id": run.id,
        "run_uuid": run.id,
        "other": run.id,
        "experiment_id": experiment_id,
        "experiment_name": KEY,
        "model_id": model.model_id,
        "trace_id": trace.trace_id,
        "request_id": trace.trace_id,
        "dataset_id": dataset.dataset_id,
        "issue_id": issue.issue_id,
        "view_id": view.id,
        "name": KEY,
        "version": "1",
        "alias": KEY,
        "metric_key": KEY,
        "key": KEY,
        "tag_key": KEY,
        "workspace_name": workspace.name,
        "artifact_path": f"{experiment_id}/{run.id}/artifacts/outputs/{KEY}.txt",
    }


def asked_about(ids: dict[str, str], template: str) -> dict[str, Any]:
    """Return all that routes may be told of what was planted, as a query or in JSON."""
    is_list = template.endswith(("artifacts/list", "/artifacts", "/directories"))
    path = "outputs" if is_list else f"outputs/{KEY}.txt"
    if template.endswith("mlflow-artifacts/artifacts"):
        path = f"{ids['experiment_id']}/{ids['run_id']}/artifacts/outputs"
    if template.endswith("model-versions/get-artifact"):
        path = f"{KEY}.txt"
    several = "get-history" in template or template.endswith(("/search", "/traces"))
    return {
        **ids,
        "permission": "MANAGE",
        "resource_type": "workspace",
        "resource_pattern": "*",
        "resource_id": ids["workspace_name"],
        "experiment_name": ids["experiment_name"],
        "experiment_ids": [ids["experiment_id"]],
        "run_ids": [ids["run_id"]],
        "trace_ids": [ids["trace_id"]],
        "path": path,
        "key": KEY,
        "value": "changed",
        "max_results": 100,
        **({"name": ids["experiment_name"]} if "experiments/" in template else {}),
        **({"locations": _locations(ids)} if several else {}),
    }


def _locations(ids: dict[str, str]) -> list[Any]:
    experiment = {"experiment_id": ids["experiment_id"]}
    return [{"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": experiment}]


def rows_of(hub, *, of_accounts: bool = False) -> dict[str, set[str]]:
    """Return what the tables of a served hub hold, for comparing.

    Args:
        hub: the hub.
        of_accounts: only of the tables that say who may come in and do what.
    """
    accounts = accounts_of(hub)._engine
    engines = [accounts] if of_accounts else [hub.engine, accounts]
    found = {table: rows for each in engines for table, rows in _rows(each).items()}
    if of_accounts:
        found[_LOG_INS] = _rows(hub.engine)[_LOG_INS]
    return found


def _rows(engine) -> dict[str, set[str]]:
    with connected(engine) as connection:
        return {
            table: {
                repr(dict(row._mapping))
                for row in connection.exec_driver_sql(f"SELECT * FROM {table}")
            }
            for table in inspect(connection).get_table_names()
            if table not in _CHANGED_BY_ASKING
        }


def names_any_of(row: str, ids: dict[str, str]) -> bool:
    """Whether a row is of a workspace that was planted, by what names its parts.

    Args:
        row: as :func:`rows_of` has it.
        ids: as :func:`plant` has returned.
    """
    own = ("run_id", "model_id", "trace_id", "dataset_id", "issue_id", "view_id", "workspace_name")
    of_experiment = rf"'experiment_id': '?{ids['experiment_id']}\b"
    return any(ids[name] in row for name in own) or bool(re.search(of_experiment, row))
