"""What lies in the database is what MLflow's own workspace-enabled store would have put there."""

import json
import re

import mlflow
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from sqlalchemy import MetaData, create_engine, select

from mlflow_workspace_plugin.hub.tables.version import table_names
from tests.conftest import STOCK_ENVIRONMENT

pytestmark = pytest.mark.store

OURS = set(table_names())
# They differ between two runs of the same script on the same store.
NOT_REPEATABLE = {"execution_time_ms", "duration_ns", "db_payload_generation"}


def script():
    """Do a bit of everything through the current tracking URI."""
    client = MlflowClient()
    experiment = client.create_experiment("experiment", tags={"a": "b"})
    mlflow.set_experiment(experiment_id=experiment)
    with mlflow.start_run(run_name="first") as run:
        mlflow.log_param("p", 1)
        mlflow.log_metric("m", 0.5, step=3)
        mlflow.log_metrics({"n": float("nan"), "i": float("inf")}, step=1)
        client.log_batch(
            run.info.run_id,
            [Metric("b", 1, 10, 0), Metric("b", 1, 10, 0), Metric("b", 2, 11, 1)],
            [Param("q", "x")],
            [RunTag("t", "v")],
        )
        mlflow.log_input(mlflow.data.from_pandas(pd.DataFrame({"x": [1]}), name="data"), "training")
        with mlflow.start_run(run_name="nested", nested=True):
            pass
    model = client.create_logged_model(
        experiment, "logged", run.info.run_id, {"k": "v"}, {"p": "1"}
    )
    client.finalize_logged_model(model.model_id, "READY")
    client.create_registered_model("model", {"a": "b"}, "text")
    client.create_model_version("model", f"models:/{model.model_id}", tags={"x": "y"})
    client.create_model_version("model", f"{run.info.artifact_uri}/model", run.info.run_id)
    client.set_registered_model_alias("model", "best", "1")
    client.register_prompt("prompt", "say {{x}}")
    client.create_dataset("evaluation", experiment, {"a": "b"})
    span = client.start_trace("trace", inputs={"x": 1})
    client.end_trace(span.trace_id, outputs=2)
    mlflow.flush_trace_async_logging()
    client.delete_run(run.info.run_id)


def rows(url):
    """All rows, with ids and times replaced by what they are."""
    engine = create_engine(url)
    metadata = MetaData()
    metadata.reflect(engine)
    with engine.connect() as connection:
        found = {
            name: sorted(normal(table, row) for row in connection.execute(select(table)))
            for name, table in metadata.tables.items()
            if name not in OURS
        }
    engine.dispose()
    return found


def normal(table, row):
    cells = dict(zip(table.columns.keys(), row, strict=True))
    if table.name == "evaluation_datasets":
        del cells["digest"]  # of the time
    if str(cells.get("key")).startswith("mlflow.trace.size"):
        del cells["value"]  # of the ids and times, as text
    return repr([(column, cell_of(column, cell)) for column, cell in cells.items()])


def cell_of(column, cell):
    if column in NOT_REPEATABLE:
        return "ANY"
    if re.search(r"time|_at$|timestamp", column) and isinstance(cell, int) and cell > 10**6:
        return "TIME"
    if column == "content":  # of a span, as JSON: its ids and times are in columns of their own
        span = json.loads(cell)
        cell = [span[key] for key in ("name", "status", "attributes", "events")]
    text = re.sub(r"\bm-[0-9a-f]{32}\b", "MODEL", str(cell))
    text = re.sub(r"[0-9a-f]{16,64}", "ID", text)
    return re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|\d{13,}", "ID", text)


def test_rows_are_mlflows(workspace, stock_url, monkeypatch):
    """The same script leaves the same rows, artifact locations included, table for table."""
    with monkeypatch.context() as stock:
        for name, value in STOCK_ENVIRONMENT.items():
            stock.setenv(name, value)
        mlflow.set_tracking_uri(stock_url)
        script()
    expected = rows(stock_url)

    mlflow.set_tracking_uri(workspace.get_mlflow_tracking_uri())
    script()
    actual = rows(workspace._hub.database_uri)

    assert expected["runs"]
    assert "mlflow-artifacts:/workspaces/team-a/" in repr(expected["runs"])
    assert set(actual) == set(expected)
    for table, wanted in expected.items():
        assert actual[table] == wanted, table
