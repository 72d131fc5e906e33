"""The command line: for people, for programs, and when something is wrong."""

import json
import re
import socket
import sqlite3
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

import pytest
from click.testing import CliRunner

from mlflow_workspace_plugin import Experiment, Workspace
from mlflow_workspace_plugin.cli import main
from mlflow_workspace_plugin.hub.hub import open_hub
from tests.azurite import connection_string

# The commands are the same on every database; what differs is in test_postgresql.py.
pytestmark = [pytest.mark.store, pytest.mark.sqlite]


def run(*arguments, status=0):
    """Run a command and return what it printed."""
    done = CliRunner().invoke(main, [str(each) for each in arguments])
    assert done.exit_code == status, done.output
    assert "Traceback" not in done.output
    return done.output


def run_json(*arguments, status=0):
    return json.loads(run(*arguments, "--json", status=status))


def test_create_prints_the_line_that_a_shell_needs(tmp_path):
    """The URI as an export; as JSON for a program; twice only if asked."""
    hub = tmp_path / "hub"
    assert f"export MLFLOW_TRACKING_URI=workspace://{hub}/team-a" in run(
        "create", "Team_A", "--hub", hub
    )
    assert "exists already" in run("create", "Team_A", "--hub", hub, status=1)
    facts = run_json("create", "Team_A", "--exist-ok", "--hub", hub)
    assert facts["name"] == "Team_A"
    assert facts["tracking_uri"] == f"workspace://{hub}/team-a"


def test_created_workspace_is_found_by_its_config_file(tmp_path, monkeypatch):
    """--write-config writes it where from_config() and the commands look."""
    monkeypatch.chdir(tmp_path)
    hub = tmp_path / "hub"
    assert "mlflow-workspace create NAME --write-config" in run("runs", status=1)
    assert ".azureml/config.json" in run("create", "Team_A", "--write-config", "--hub", hub)
    found = Workspace.from_config()
    assert (found.name, found.get_mlflow_tracking_uri()) == ("Team_A", f"workspace://{hub}/team-a")
    assert "Runs of workspace Team_A: none" in run("runs")
    facts = run_json("create", "other", "--write-config", "--hub", hub)
    assert facts["config_file"] == ".azureml/config.json"
    assert Workspace.from_config().name == "other"


def test_list_fits_the_terminal(tmp_path):
    """80 columns, however deep the hub's folder is: names, and once the form of the URI."""
    hub = tmp_path / "a-deep-folder" / ("x" * 60) / "hub"
    run("create", "Team_" + "A" * 50, "--hub", hub)
    lines = run("list", "--hub", hub).splitlines()
    assert not [line for line in lines if len(line) > 80 and str(hub) not in line]
    assert f"MLFLOW_TRACKING_URI=workspace://{hub}/NAME" in lines[-1]


def test_list_and_show(workspace, hub_path):
    """What is in a hub, and what is in a workspace."""
    Experiment(workspace, "experiment").start_logging()
    assert "team-a" in run("list", "--hub", hub_path)
    listed = run_json("list", "--hub", hub_path)
    assert [each["name"] for each in listed] == ["default", "team-a"]
    assert f"workspace://{hub_path}/team-a" in run("show", "team-a", "--hub", hub_path)
    shown = run_json("show", "team-a", "--hub", hub_path)
    assert (shown["experiments"], shown["runs"], shown["registered_models"]) == (1, 1, 0)


def test_default_hub_is_that_of_the_environment(tmp_path):
    """Without --hub, as without hub= in Python."""
    run("create", "team-a")
    assert Workspace.get("team-a").name == "team-a"
    assert str(tmp_path / "default-hub") in run("where")


def test_where_finds_rows_and_files(workspace, other_workspace, hub_path, tmp_path):
    """Of the hub, of a workspace, of a run in whichever workspace it is."""
    mine = Experiment(workspace, "experiment").start_logging()
    (tmp_path / "x.txt").write_text("x")
    mine.upload_file("x.txt", tmp_path / "x.txt")
    assert run_json("where", "--hub", hub_path) == {
        "hub": str(hub_path),
        "rows": str(hub_path / "hub.db"),
        "files": str(hub_path / "artifacts"),
    }
    found = run_json("where", "-w", "team-a", "--hub", hub_path)
    assert found["files"] == str(hub_path / "artifacts" / "workspaces" / "team-a")
    found = run_json("where", mine.id, "--hub", hub_path)
    assert found["workspace"] == "team-a"
    assert [each.name for each in Path(found["files"]).iterdir()] == ["x.txt"]
    assert mine.id in run("where", mine.id, "--hub", hub_path)
    assert run_json("where", mine.id[:8], "--hub", hub_path) == found
    assert "is not in any workspace" in run("where", "0" * 32, "--hub", hub_path, status=1)
    text = run("where", mine.id, "-w", "team-b", "--hub", hub_path, status=1)
    assert "There is no such run" in text
    assert "is not in workspace 'team-b'" in text
    text = run("where", "team-b", "--hub", hub_path, status=1)
    assert "A workspace is called so: -w team-b" in text


def test_hub_init_takes_a_journal_mode(tmp_path):
    """A hub for a network file system is made by a command."""
    assert "journal_mode delete" in run("hub", "init", tmp_path / "hub", "--journal-mode", "delete")
    assert open_hub(tmp_path / "hub").settings.journal_mode == "delete"
    assert "journal_mode wal" in run("hub", "init", tmp_path / "other")
    both = ("--journal-mode", "wal", "--database", "postgresql://h/d")
    assert "Give either" in run("hub", "init", tmp_path / "both", *both, status=1)


def test_ui_prints_the_command_it_would_run(hub_path, monkeypatch):
    """The port comes from the option, or from where links point."""
    printed = run("ui", "--hub", hub_path, "--print")
    assert printed.startswith("mlflow server --backend-store-uri workspace-hub://")
    assert "--port 5000" in printed
    monkeypatch.setenv("MLFLOW_WORKSPACE_UI_URL", "http://127.0.0.1:5055")
    assert "--port 5055" in run("ui", "--hub", hub_path, "--print")
    assert "--port 6000" in run("ui", "--hub", hub_path, "--print", "--port", "6000")


def test_ui_on_a_busy_port_is_an_error(hub_path):
    """At once, with what to do, instead of a server that ends as if nothing had happened."""
    with socket.create_server(("127.0.0.1", 0)) as busy:
        text = run("ui", "--hub", hub_path, "--port", busy.getsockname()[1], status=1)
    assert "Choose another with --port" in text


def test_refused_name_makes_no_hub(tmp_path):
    """Nothing is left behind by a name that breaks a rule."""
    run("create", "x", "--hub", tmp_path / "hub", status=1)
    assert not (tmp_path / "hub").exists()


class TestDoctor:
    def test_healthy_hub(self, workspace, hub_path):
        """All is named that a report of trouble needs; the exit status is 0."""
        text = run("doctor", "--hub", hub_path)
        assert "Healthy." in text
        report = run_json("doctor", "--hub", hub_path)
        assert report["healthy"]
        found = {each["subject"]: each["detail"] for each in report["findings"]}
        assert found["mlflow"] == version("mlflow")
        assert found["mlflow.tracking_store: workspace"] == "mlflow-workspace-plugin"
        assert found["mlflow.artifact_repository: mlflow-artifacts"] == "mlflow-workspace-plugin"
        assert found["hub integrity"] == "sound"
        assert found["hub workspaces"] == "2"

    def test_hub_that_is_not_there_is_a_problem(self, tmp_path):
        """No run could be logged to it; what to type is said, and the rest is looked at."""
        hub = tmp_path / "none"
        text = " ".join(run("doctor", "--hub", hub, status=1).split())
        assert f"there is no hub in {hub}. Create one" in text
        assert "Healthy" not in text
        assert not hub.exists()
        report = run_json("doctor", "--hub", hub, status=1)
        assert any(each["subject"] == "journal" for each in report["findings"])

    def test_all_that_a_run_needs_is_tried(self, workspace, hub_path):
        """A row and a file are written and taken back; nothing of them is left."""
        before = sorted(map(str, hub_path.rglob("*.txt")))
        report = run_json("doctor", "--hub", hub_path)
        found = {each["subject"]: each["detail"] for each in report["findings"]}
        assert found["hub rows"] == "one was written, read and taken back"
        assert found["hub files"].endswith("one was written, listed, read and deleted")
        assert "needs none" in found["hub trust"]
        assert found["journal content"] == "nothing waits"
        assert sorted(map(str, hub_path.rglob("*.txt"))) == before
        assert not list(hub_path.rglob("doctor-*"))
        with closing(sqlite3.connect(hub_path / "hub.db")) as connection:
            rows = connection.execute("SELECT writer FROM workspace_plugin_writers").fetchall()
        assert not [each for each in rows if each[0].startswith("doctor")]

    def test_rows_that_cannot_be_written_are_a_problem(self, workspace, hub_path):
        """A database that can be read only is no healthy one."""
        with closing(sqlite3.connect(hub_path / "hub.db")) as connection:
            connection.execute(
                "CREATE TRIGGER no BEFORE INSERT ON workspace_plugin_writers "
                "BEGIN SELECT RAISE(FAIL, 'attempt to write a readonly database'); END"
            )
            connection.commit()
        (problem,) = self.problems(hub_path)
        assert problem["subject"] == "hub rows"
        assert "read-only" in problem["detail"]

    def test_files_that_cannot_be_written_are_a_problem(self, workspace, hub_path):
        """A file lies where the folder of all files belongs."""
        (hub_path / "artifacts").rmdir()
        (hub_path / "artifacts").write_text("no folder")
        (problem,) = self.problems(hub_path)
        assert problem["subject"] == "hub files"

    def test_journal_that_cannot_be_written_is_a_problem(self, hub_path, tmp_path, monkeypatch):
        """A process that logs could keep nothing there."""
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("MLFLOW_WORKSPACE_JOURNAL_DIR", str(tmp_path / "file" / "journal"))
        (problem,) = self.problems(hub_path)
        assert problem["subject"] == "journal"
        assert "MLFLOW_WORKSPACE_JOURNAL_DIR" in problem["detail"]

    def test_what_waits_is_said(self, workspace, hub_path, run_python):
        """Calls of a process that was killed while the database was locked."""
        script = (
            "import os, sqlite3, sys, mlflow\n"
            "mlflow.set_tracking_uri(sys.argv[1])\n"
            "with mlflow.start_run():\n"
            "    lock = sqlite3.connect(sys.argv[2] + '/hub.db', isolation_level=None)\n"
            "    lock.execute('BEGIN IMMEDIATE')\n"
            "    mlflow.log_metric('m', 1)\n"
            "    os._exit(1)\n"
        )
        uri = workspace.get_mlflow_tracking_uri()
        run_python("-c", script, uri, str(hub_path), check=False)
        findings = run_json("doctor", "--hub", hub_path)["findings"]
        (waits,) = [each for each in findings if each["subject"] == f"journal of {uri}"]
        assert waits["status"] == "warning"
        assert "1 call waits" in waits["detail"]
        assert "mlflow-workspace sync" in waits["detail"]

    def test_account_that_does_not_answer_is_a_problem(self, azure_workspace, monkeypatch):
        """The files of the hub are tried, too; what they need is said, within its time."""
        hub = azure_workspace._hub.path
        report = run_json("doctor", "--hub", hub)
        found = {each["subject"]: each["detail"] for each in report["findings"]}
        assert found["hub files"].endswith("one was written, listed, read and deleted")
        assert "you trust artifacts" in found["hub trust"]
        nowhere = connection_string("http://127.0.0.1:1/devstoreaccount1")
        monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", nowhere)
        (problem,) = self.problems(hub)
        assert problem["subject"] == "hub files"

    def test_foreign_hub_is_a_problem(self, tmp_path, hub_path, monkeypatch):
        """Where its secrets go is not trusted; nothing is asked of that place."""
        (hub_path / "hub.toml").write_text('artifacts = "azure://elsewhere/container"\n')
        (problem,) = self.problems(hub_path)
        assert "is not trusted" in problem["detail"]

    def problems(self, hub_path):
        findings = run_json("doctor", "--hub", hub_path, status=1)["findings"]
        return [each for each in findings if each["status"] == "problem"]

    def test_damage_is_a_problem(self, workspace, hub_path):
        """A row that points nowhere is found; the exit status is 1."""
        with closing(sqlite3.connect(hub_path / "hub.db")) as connection:
            connection.execute("INSERT INTO tags (key, value, run_uuid) VALUES ('k', 'v', 'none')")
            connection.commit()
        report = run_json("doctor", "--hub", hub_path, status=1)
        assert not report["healthy"]
        (problem,) = [each for each in report["findings"] if each["status"] == "problem"]
        assert problem["subject"] == "hub integrity"
        assert "tags" in problem["detail"]

    def test_older_or_damaged_hub_is_a_problem(self, hub_path):
        """What opening says, doctor says."""
        (hub_path / "hub.db").write_text("not a database, but text\n" * 10)
        report = run_json("doctor", "--hub", hub_path, status=1)
        assert any("is not a database" in each["detail"] for each in report["findings"])
        assert "Not healthy" in run("doctor", "--hub", hub_path, status=1)

    def test_damaged_tables_are_diagnosed(self, workspace, hub_path):
        """Where the hub cannot even be listed, doctor still says what SQLite finds."""
        workspace._hub.engine.dispose()
        content = bytearray((hub_path / "hub.db").read_bytes())
        for page in range(4096, len(content) - 4096, 8192):
            content[page : page + 64] = b"\xff" * 64
        (hub_path / "hub.db").write_bytes(content)
        report = run_json("doctor", "--hub", hub_path, status=1)
        assert any(each["subject"] == "hub integrity" for each in report["findings"])

    def test_other_claims_of_our_hooks_are_listed_without_importing_them(
        self, tmp_path, run_python
    ):
        """A distribution that claims the same name is a problem, and is not imported for that."""
        site = tmp_path / "site"
        info = site / "rival-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: rival\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(
            "[mlflow.artifact_repository]\nmlflow-artifacts = rival:build\n\n"
            "[mlflow.workspace_provider]\nrivals = rival:build\n"
        )
        (site / "rival.py").write_text("raise SystemExit('imported')")
        # MLflow itself imports rival where it registers artifact repositories, so it must not
        # run: doctor's own scan is called, on the path that the rival is on.
        script = (
            "import json, sys\n"
            "from mlflow_workspace_plugin.cli.hubs.doctor import _hooks\n"
            "sys.path.insert(0, sys.argv[1])\n"
            "print(json.dumps(_hooks()))\n"
            "assert 'rival' not in sys.modules\n"
        )
        found = json.loads(run_python("-c", script, str(site)).stdout)
        findings = {subject: (status, detail) for status, subject, detail in found}
        ours = [
            (status, detail)
            for status, subject, detail in found
            if subject == "mlflow.artifact_repository: mlflow-artifacts"
        ]
        assert ("ok", "mlflow-workspace-plugin") in ours
        assert any(status == "problem" and "rival" in detail for status, detail in ours)
        assert findings["mlflow.workspace_provider: rivals"] == ("ok", "claimed by rival")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["list", "--hub", "{none}"], "There is no hub in"),
        (["show", "nobody", "--hub", "{hub}"], "not found in hub"),
        (["create", "a", "--hub", "{hub}"], "shorter than 2"),
        (["create", "team-c", "--hub", "{file}"], "Not a directory|cannot be created"),
        (["list", "--hub", "workspace:///x/team-a"], "does not name a hub"),
        (["hub", "upgrade", "{none}"], "There is no hub in"),
        (["hub", "init", "sqlite:///x"], "not a workspace URI"),
        (["ui", "--hub", "{none}"], "There is no hub in"),
        (["ui", "--hub", "{hub}", "--port", "0"], "range"),
    ],
)
def test_errors_have_no_traceback(hub_path, tmp_path, arguments, reason):
    """Each ends with a message and an exit status."""
    (tmp_path / "file").write_text("")
    places = {"none": tmp_path / "none", "hub": hub_path, "file": tmp_path / "file" / "hub"}
    done = CliRunner().invoke(main, [each.format(**places) for each in arguments])
    assert done.exit_code in (1, 2)
    assert isinstance(done.exception, SystemExit)
    assert re.search(reason, " ".join(done.output.split()))
