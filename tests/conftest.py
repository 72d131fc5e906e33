"""Fixtures: hubs, workspaces, and processes that use them."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
EXAMPLES = TESTS.parent / "examples"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch, tmp_path) -> Iterator[None]:
    """Nothing of the user's reaches a test: no MLflow setting, no default hub, no state left."""
    for name in list(os.environ):
        if name.startswith("MLFLOW_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("MLFLOW_WORKSPACE_HUB", str(tmp_path / "default-hub"))
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.chdir(tmp_path)
    yield
    mlflow = sys.modules.get("mlflow")
    if mlflow is not None:
        while mlflow.active_run():
            mlflow.end_run()
        mlflow.set_tracking_uri(None)
        mlflow.set_registry_uri(None)
        mlflow.tracking.fluent._active_experiment_id = None


@pytest.fixture(scope="session")
def template_hub(tmp_path_factory) -> Path:
    """A hub as made by this version, to be copied: MLflow's migrations take a second each time."""
    from mlflow_workspace_plugin.hub.hub import create_hub

    folder = tmp_path_factory.mktemp("template") / "hub"
    hub, _ = create_hub(folder)
    hub.engine.dispose()
    return folder


@pytest.fixture
def hub_path(template_hub, tmp_path) -> Path:
    """The folder of a hub of the test's own."""
    path = tmp_path / "hub"
    shutil.copytree(template_hub, path)
    return path


@pytest.fixture
def workspace(hub_path):
    """A workspace ``team-a``."""
    from mlflow_workspace_plugin import Workspace

    return Workspace.create("team-a", hub=hub_path)


@pytest.fixture
def other_workspace(workspace, hub_path):
    """A workspace ``team-b`` of the same hub."""
    from mlflow_workspace_plugin import Workspace

    return Workspace.create("team-b", hub=hub_path)


@pytest.fixture
def run_python(tmp_path) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Run Python in a process of its own, with the given variables, and return what it printed."""

    def run(*arguments: str, check: bool = True, cwd: Path | None = None, **variables: str):
        environment = os.environ | variables
        # The package is used as installed; pytest's own marker makes MLflow check its sessions.
        environment.pop("PYTEST_CURRENT_TEST", None)
        done = subprocess.run(
            [sys.executable, *arguments],
            env=environment,
            cwd=cwd or tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        if check:
            assert done.returncode == 0, done.stderr[-4000:]
        return done

    return run
