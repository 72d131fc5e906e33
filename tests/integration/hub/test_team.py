"""The example of a team: three commands on each machine, and all work on one hub."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from mlflow_workspace_plugin import Workspace
from tests import azurite, postgres
from tests.azurite import ACCOUNT
from tests.conftest import EXAMPLES

COMMANDS = re.search(
    r"<!-- commands -->\s+```sh\n(.*?)```",
    (EXAMPLES / "team" / "README.md").read_text(),
    re.DOTALL,
)[1]


@pytest.mark.frameworks
def test_three_commands(server, azurite_server, container, tmp_path, monkeypatch):
    """On two machines: what one of them logs the other reads, and no folder holds any of it."""
    monkeypatch.setenv("TEAM_DATABASE", server.create_database("team"))
    monkeypatch.setenv("TEAM_ARTIFACTS", f"azure://{ACCOUNT}/{container.container_name}/hub")
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", azurite_server.connection_string)
    programs = str(Path(sys.executable).parent)
    monkeypatch.setenv("PATH", programs, prepend=":")
    assert len(COMMANDS.splitlines()) == 3
    for machine in ("alice", "bob"):
        folder = tmp_path / machine
        folder.mkdir()
        shutil.copytree(EXAMPLES, folder / "examples")
        done = subprocess.run(
            ["bash", "-ec", COMMANDS],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-4000:]
        assert "training_r2_score" in done.stdout
        assert {each.name for each in (folder / "team").iterdir()} <= {"hub.toml", "hub.lock"}
    for machine in ("alice", "bob"):
        workspace = Workspace.get("demo", hub=tmp_path / machine / "team")
        runs = [workspace.get_run(each.id) for each in workspace.experiments["diabetes"].get_runs()]
        assert len(runs) == 4
        assert all(run.get_file_names() for run in runs)


@pytest.mark.parametrize(
    ("module", "remedy"),
    [(postgres, "Install PostgreSQL"), (azurite, "Install Azurite")],
)
def test_tests_fail_where_there_is_no_server(module, remedy, tmp_path, monkeypatch):
    """They are not skipped, and say what to install."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(module, "__file__", str(tmp_path / "tests" / "module.py"))
    monkeypatch.setattr(postgres, "_DEBIAN", tmp_path)
    with pytest.raises(AssertionError, match=remedy):
        postgres.program_path("initdb") if module is postgres else azurite.program_path()


def test_servers_are_stopped(tmp_path):
    """Nobody answers any more, and no folder is left."""
    with azurite.azurite() as blobs:
        process, folder = blobs.process, blobs.folder
    assert process.poll() is not None
    assert not folder.exists()
    with postgres.postgresql() as rows:
        rows.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError, match="refused"):
        rows.execute("SELECT 1")
    assert not rows.folder.exists()
