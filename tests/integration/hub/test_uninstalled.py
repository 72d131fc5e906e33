"""What a hub holds outlives this package: MLflow's own server reads it all."""

import json
import math
import os
import urllib.request

import mlflow
import numpy as np
import pytest
from mlflow.entities import Metric

from mlflow_workspace_plugin.hub.hub import open_hub
from tests.commands import output_of
from tests.servers import free_port, serving, without_this_package

pytestmark = pytest.mark.databases

CLIENT = """
import json, sys, mlflow
from importlib.metadata import distributions
assert "mlflow-workspace-plugin" not in {each.metadata["Name"] for each in distributions()}
mlflow.set_tracking_uri(sys.argv[1])
mlflow.set_workspace("team-a")
client = mlflow.MlflowClient()
found = {}
for experiment in client.search_experiments():
    for run in client.search_runs([experiment.experiment_id], order_by=["metrics.loss DESC"]):
        run_id = run.info.run_id
        files = mlflow.artifacts.download_artifacts(run_id=run_id, dst_path=f"files/{run_id}")
        found[run_id] = {
            "params": run.data.params,
            "tags": {k: v for k, v in run.data.tags.items() if not k.startswith("mlflow.")},
            "status": run.info.status,
            "datasets": [each.dataset.name for each in run.inputs.dataset_inputs],
            "histories": {
                key: [
                    [m.step, m.timestamp, repr(m.value)]
                    for m in client.get_metric_history(run_id, key)
                ]
                for key in run.data.metrics
            },
            "text": open(f"{files}/folder/file.txt").read(),
        }
print("FOUND" + json.dumps(found))
"""


def test_stock_server_reads_everything(workspace, hub_path, tmp_path):
    """A stock server on the hub's database serves each run's rows and files to a stock client."""
    client = workspace.client
    experiment = client.create_experiment("kept")
    expected = {}
    for number in range(3):
        run_id = client.create_run(experiment, tags={"owner": f"user {number}"}).info.run_id
        values = [0.5, math.nan, -1.0, *np.linspace(0, 1, 60)]
        client.log_batch(run_id, [Metric("loss", v, 10, i - 1) for i, v in enumerate(values)])
        client.log_metric(run_id, "single", number, timestamp=5, step=2)
        client.log_param(run_id, "rate", number)
        client.log_text(run_id, f"of run {number}", "folder/file.txt")
        client.log_inputs(
            run_id,
            [
                mlflow.entities.DatasetInput(
                    mlflow.entities.Dataset("data", f"digest {number}", "local", "{}"), []
                )
            ],
        )
        client.set_terminated(run_id)
        expected[run_id] = {
            "params": {"rate": str(number)},
            "tags": {"owner": f"user {number}"},
            "status": "FINISHED",
            "datasets": ["data"],
            "histories": {
                "loss": [[i - 1, 10, repr(float(v))] for i, v in enumerate(values)],
                "single": [[2, 5, repr(float(number))]],
            },
            "text": f"of run {number}",
        }
    hub = open_hub(hub_path)
    url = hub.database_uri
    hub.engine.dispose()

    python, variables = without_this_package(tmp_path)
    port = free_port()
    command = [
        *(*python, "-m", "mlflow", "server", "--backend-store-uri", url),
        *("--enable-workspaces", "--serve-artifacts", "--default-artifact-root"),
        *("mlflow-artifacts:/", "--artifacts-destination", hub.folder.artifacts.as_uri()),
        *("--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
    ]
    environment = os.environ | variables
    with serving(command, port, tmp_path / "log", env=environment, cwd=tmp_path) as address:
        # MLflow's client waits for three seconds, and the server's first answer may take longer.
        urllib.request.urlopen(f"{address}/api/3.0/mlflow/server-info", timeout=100).close()
        printed = output_of([*python, "-c", CLIENT, address], env=environment, cwd=tmp_path)
    assert json.loads(printed.rpartition("FOUND")[2]) == expected
