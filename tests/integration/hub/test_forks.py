"""What a fork waits for: every statement that any thread sends to a hub's database."""

import traceback

import mlflow
import pytest
from sqlalchemy import Engine, event

from mlflow_workspace_plugin import Experiment, Workspace, uris
from mlflow_workspace_plugin.fork_gate import gate
from mlflow_workspace_plugin.stores.garbage import find_garbage, free


@pytest.fixture
def unguarded():
    """Where statements were sent beside which a fork would not have waited."""
    found = []

    def note(connection, *_):
        uses = gate.files if connection.dialect.name == "sqlite" else gate.servers
        if not uses.is_by_this_thread:
            found.append("".join(traceback.format_stack(limit=30)))

    event.listen(Engine, "before_cursor_execute", note)
    yield found
    event.remove(Engine, "before_cursor_execute", note)


def test_every_statement_is_waited_for(tmp_path, unguarded):
    """Of the life of a hub: it is made and opened, workspaces are made, used, listed, deleted."""
    hub = tmp_path / "hub"
    for name in ("one", "two"):
        workspace = Workspace.create(name, hub=hub)
    run = Experiment(workspace, "e").start_logging()
    run.log("m", 1)
    run.complete()
    assert Workspace.list(workspace.subscription_id, hub=hub)
    opened = workspace._hub
    mlflow.MlflowClient(str(uris.WorkspaceUri(hub, "two"))).delete_run(run.id)
    assert free(opened, "two", find_garbage(opened, "two")).left == []
    opened.catalog.count("two")
    workspace.delete(delete_dependent_resources=True)
    assert unguarded == []
