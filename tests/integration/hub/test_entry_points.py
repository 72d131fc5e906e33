"""MLflow with this package installed: nothing breaks, foreign URIs go through."""

import sys

import pytest

import mlflow_workspace_plugin
from tests.servers import free_port, serving

BROKEN = """
import sys
ALLOWED = {"mlflow_workspace_plugin", "mlflow_workspace_plugin.entry_points"}

class Broken:
    def find_spec(self, name, path=None, target=None):
        if name.startswith("mlflow_workspace_plugin") and name not in ALLOWED:
            raise RuntimeError(f"{name} is broken")

sys.meta_path.insert(0, Broken())
"""


def test_mlflow_works_when_every_other_module_of_ours_is_broken(tmp_path, run_new_python):
    """import mlflow, sqlite:// and http:// with served artifacts never import more of us."""
    port = free_port()
    server = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--host", "127.0.0.1"]
    server += ["--backend-store-uri", f"sqlite:///{tmp_path}/server.db"]
    server += ["--artifacts-destination", str(tmp_path / "served"), "--workers", "1"]
    use = """
import warnings
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    import mlflow
assert not [each for each in caught if "attempting to register" in str(each.message)], caught
for uri in sys.argv[1:]:
    mlflow.set_tracking_uri(uri)
    with mlflow.start_run() as run:
        mlflow.log_metric("m", 1)
        mlflow.log_text("text", "x.txt")
    assert mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/x.txt") == "text"
    print(mlflow.get_run(run.info.run_id).info.artifact_uri.split(":")[0])
mlflow.set_tracking_uri("workspace:///hub/team-a")
try:
    mlflow.search_experiments()
except RuntimeError as error:
    print(error)
"""
    with serving(server, port, tmp_path / "log", cwd=tmp_path) as address:
        done = run_new_python("-c", BROKEN + use, f"sqlite:///{tmp_path}/local.db", address)
    schemes = [line for line in done.stdout.splitlines() if "View" not in line]
    assert schemes[1] == "mlflow-artifacts"
    assert schemes[2].startswith("mlflow_workspace_plugin.")


def test_import_mlflow_imports_two_modules_of_ours(run_new_python):
    """The package and its entry points, and neither SQLAlchemy nor anything else for their sake."""
    done = run_new_python(
        "-c",
        "import sys, mlflow\n"
        "print(sorted(n for n in sys.modules if n.startswith('mlflow_workspace_plugin')))\n"
        "print('sqlalchemy' in sys.modules)",
    )
    assert done.stdout.splitlines() == [
        "['mlflow_workspace_plugin', 'mlflow_workspace_plugin.entry_points']",
        "False",
    ]


def test_entry_points_import_the_standard_library_only(run_new_python):
    """Not even MLflow, which may be half imported when they are loaded."""
    done = run_new_python(
        "-c",
        "import sys, sysconfig; before = set(sys.modules)\n"
        "import mlflow_workspace_plugin.entry_points\n"
        "new = set(sys.modules) - before\n"
        "print(sorted(n for n in new if n.split('.')[0] not in sys.stdlib_module_names))",
    )
    assert done.stdout.strip() == (
        "['mlflow_workspace_plugin', 'mlflow_workspace_plugin.entry_points']"
    )


def test_public_names_load_when_used():
    """Each public name is listed, is found, and an unknown one is an AttributeError."""
    for name in mlflow_workspace_plugin.__all__:
        assert name in dir(mlflow_workspace_plugin)
        assert getattr(mlflow_workspace_plugin, name).__name__ == name
    assert mlflow_workspace_plugin.__version__
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = mlflow_workspace_plugin.Nothing


def test_served_hub_is_recognised(monkeypatch):
    """A host in the URI is understood, and asked; nobody answers there."""
    import mlflow

    from mlflow_workspace_plugin.errors import NoAnswerError

    monkeypatch.setenv("MLFLOW_WORKSPACE_WAIT", "0")
    mlflow.set_tracking_uri("workspace://127.0.0.1:9/team-a")
    with pytest.raises(NoAnswerError, match=r"127\.0\.0\.1:9.*nobody takes connections"):
        mlflow.search_experiments()
