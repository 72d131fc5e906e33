"""What is imported when: nothing that takes long before it is needed, and then the whole of it."""

import contextlib
import re
import shutil
import sqlite3

import click
import mlflow
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from mlflow_workspace_plugin import Experiment
from mlflow_workspace_plugin.cli import COMMANDS, main
from mlflow_workspace_plugin.hub import glance, revisions
from mlflow_workspace_plugin.hub.databases import schema
from mlflow_workspace_plugin.hub.hub import create_hub, open_hub
from mlflow_workspace_plugin.hub.tables import version

pytestmark = pytest.mark.sqlite

IMPORTED = """
import runpy, sys
sys.argv = ["mlflow-workspace", *sys.argv[1:]]
try:
    runpy.run_module("mlflow_workspace_plugin.cli", run_name="__main__")
except SystemExit as end:
    code = end.code
names = {name.partition(".")[0] for name in sys.modules}
heavy = {"mlflow", "sqlalchemy", "alembic", "requests", "azure", "rich"}
print("\\n", code, *sorted(names & heavy))
"""


@pytest.fixture
def imported(run_new_python):
    """Run a command in a new interpreter; return its exit code, and what of the heavy it has."""

    def run(*arguments):
        done = run_new_python("-c", IMPORTED, *map(str, arguments))
        code, *heavy = done.stdout.splitlines()[-1].split()
        return int(code), set(heavy)

    return run


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--help"], 0),
        (["--version"], 0),
        (["--nonsense"], 2),
        (["nonsense"], 2),
        (["list", "--nonsense"], 2),
        (["hub", "--help"], 0),
        (["hub", "init", "--help"], 0),
        (["azureml", "--help"], 0),
        *(([name, "--help"], 0) for name in sorted(COMMANDS)),
    ],
)
def test_help_and_errors_of_usage_import_click_alone(imported, arguments, status):
    """No MLflow, no database, not even what draws tables."""
    assert imported(*arguments) == (status, set())


def test_what_only_looks_imports_neither_mlflow_nor_a_database(imported, workspace, hub_path):
    """Lists, places and what waits, of a hub in a folder that the installed versions made."""
    run = Experiment(workspace, "e").start_logging()
    run.log("m", 1)
    run.complete()
    hub = ["--hub", hub_path]
    for command in (
        ["list", *hub],
        ["list", "--json", *hub],
        ["where", *hub],
        ["where", "-w", "team-a", *hub],
        ["where", run.id, *hub],
        ["sync", "--status"],
    ):
        code, heavy = imported(*command)
        assert code == 0, command
        assert heavy <= {"rich"}, command


def test_sdk_imports_what_mlflow_does(run_new_python):
    """And of others one small module, whichever of its names is asked for."""
    own = "import sys; print(*sorted({each.partition('.')[0] for each in sys.modules}))"
    stores = "[each for each in sys.modules if each.startswith('mlflow.store') and 'sql' in each]"
    of_mlflow = set(run_new_python("-c", f"import mlflow; {own}").stdout.split())
    for code in (
        "from mlflow_workspace_plugin import Experiment, Model, Run, Workspace, use",
        "import mlflow_workspace_plugin.azureml; from azureml.core import Run, Workspace",
    ):
        found = run_new_python("-c", f"import mlflow; {code}; {own}; print({stores})").stdout
        names, sql = found.splitlines()
        ours = {"mlflow_workspace_plugin", "azureml", "platformdirs"}
        stdlib = {"sqlite3", "_sqlite3", "multiprocessing", "tomllib", "fcntl", "_posixsubprocess"}
        assert set(names.split()) - of_mlflow <= ours | stdlib | {"tomli"}
        assert sql == "[]"


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_list_of_commands_has_each_in_a_whole_sentence(name):
    """In 80 columns; and what it names is that command."""
    command = main.get_command(click.Context(main), name)
    assert command.name == name
    lines = CliRunner().invoke(main, ["--help"], terminal_width=80).output
    assert re.search(rf"^  {name} +{re.escape(COMMANDS[name][1])}$", lines, re.MULTILINE)


def test_constants_are_those_of_the_migrations():
    """What says without MLflow whether a hub is of the installed versions."""
    assert revisions.is_of_mlflow(mlflow.__version__, schema.head_revision())
    assert set(version.table_names()) == revisions.OUR_TABLES
    assert version.newest_version() == revisions.OUR_VERSION


def test_a_glance_tells_what_an_open_hub_does(hub_path, workspace):
    """Every workspace, with all that it was created with; runs by id."""
    opened = open_hub(hub_path)
    opened.catalog.create("Contoso_ML", resource_group="g", tags={"a": "b"})
    run = Experiment(workspace, "e").start_logging("x")
    run.complete()
    assert glance.look(hub_path, glance.Glance.workspaces) == opened.catalog.list()
    found = glance.look(hub_path, lambda seen: seen.run(run.id))
    info = workspace.client.get_run(run.id).info
    assert found == (run.id, info.run_name, "team-a", info.experiment_id, info.artifact_uri)
    assert glance.look(hub_path, lambda seen: seen.run("nonsense")) is None


def test_a_glance_changes_nothing(hub_path, workspace):
    """Neither a row nor a file is left behind."""
    before = sorted(each.name for each in hub_path.iterdir())

    def change(seen):
        seen._connection.execute("DELETE FROM workspaces")

    assert glance.look(hub_path, change) is None
    assert glance.look(hub_path, glance.Glance.workspaces)
    assert sorted(each.name for each in hub_path.iterdir()) == before


@pytest.mark.parametrize(
    "broken",
    [
        lambda hub: (hub / "hub.db").unlink(),
        lambda hub: (hub / "hub.db").write_text("nonsense"),
        lambda hub: _execute(hub, "UPDATE alembic_version SET version_num = 'ffffffffffff'"),
        lambda hub: _execute(hub, "UPDATE alembic_version SET version_num = '6f8d9c3b2a1e'"),
        lambda hub: _execute(hub, "CREATE TABLE workspace_plugin_later (a)"),
        lambda hub: _execute(hub, "UPDATE workspace_plugin_version SET version_num = '9999'"),
        lambda hub: (hub / "hub.toml").write_text('database = "postgresql://host/x"'),
        lambda hub: (hub / "hub.toml").write_text("nonsense"),
        lambda hub: (hub / "hub.toml").symlink_to("/etc/hostname"),
        lambda hub: (hub / "hub.toml").write_text('later = "x"'),
        lambda hub: (hub / "hub.toml").write_text('journal_mode = "off"'),
    ],
)
def test_what_is_wrong_with_a_hub_is_said_as_when_it_is_opened(tmp_path, hub_path, broken):
    """A glance says nothing of such a hub, and the command fails with the error of opening it."""
    # One that this process has not opened yet.
    hub = tmp_path / "another"
    shutil.copytree(hub_path, hub)
    broken(hub)
    with pytest.raises(mlflow.MlflowException) as raised:
        open_hub(hub)
    for command in (["list"], ["where"], ["where", "-w", "default"]):
        done = CliRunner().invoke(main, [*command, "--hub", str(hub)])
        assert (done.exit_code, done.output) == (1, f"Error: {raised.value.message}\n")


def test_hub_with_another_journal_mode_is_seen_at_a_glance(tmp_path):
    """It is as plain as any other."""
    create_hub(tmp_path / "hub", "delete")
    assert (tmp_path / "hub/hub.toml").exists()
    assert glance.look(tmp_path / "hub", glance.Glance.workspaces)


def test_locked_hub_is_not_waited_for(tmp_path):
    """For long: then it is opened, which says what is wrong."""
    hub = tmp_path / "hub"
    create_hub(hub, "delete")
    with contextlib.closing(sqlite3.connect(hub / "hub.db")) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        assert glance.look(hub, glance.Glance.workspaces, wait_s=0.01) is None


def _execute(hub, statement):
    with contextlib.closing(sqlite3.connect(hub / "hub.db")) as connection, connection:
        connection.execute(statement)


def complete(*words):
    """What a shell offers for the last of some words."""
    *before, last = map(str, words)
    shell = ShellComplete(main, {}, "mlflow-workspace", "_MLFLOW_WORKSPACE_COMPLETE")
    return [each.value for each in shell.get_completions(before, last)]


def test_shell_completes_commands_workspaces_and_runs(hub_path, workspace):
    """Workspaces by any case; runs by id or name, newest first, of the workspace that is named."""
    open_hub(hub_path).catalog.create("Team_B")
    first, second = (Experiment(workspace, "e").start_logging() for _ in range(2))
    second.display_name = "zz-wild"
    # A loaded machine may take longer than a call waits.
    assert workspace.tracking_store.flush(60)
    hub = ["--hub", hub_path]
    assert complete("sh") == ["show"]
    assert complete("show", *hub, "TEAM") == ["team-a", "Team_B"]
    assert complete("gc", *hub, "-w", "team-") == ["team-a"]
    assert complete("metrics", *hub, "") == [second.id, first.id]
    assert complete("metrics", *hub, first.id[:8]) == [first.id]
    assert complete("metrics", *hub, "zz") == ["zz-wild"]
    assert complete("show", *hub, "zz") == ["zz-wild"]
    assert complete("show", *hub, "-w", "team-a", "") == [second.id, first.id]
    assert complete("metrics", *hub, "-w", "Team_B", "") == []
    assert complete("where", *hub, "-w", "team-a", second.id[:6]) == [second.id]


def test_shell_completes_a_run_to_what_names_it(hub_path, workspace):
    """A name that two runs have, or that bash takes for several words, is completed to the id."""
    names = "twice", "twice", "or words", "x;y", "plain_1.5"
    ids = {}
    for name in names:
        ids.setdefault(name, []).insert(
            0, Experiment(workspace, "e").start_logging(display_name=name).id
        )
    hub = ["--hub", hub_path]
    for name in set(names) - {"plain_1.5"}:
        assert complete("metrics", *hub, name[:3]) == ids[name]
    assert complete("metrics", *hub, "plain") == ["plain_1.5"]


def test_completion_is_quiet_whatever_is_wrong(tmp_path, capfd):
    """Without a hub, of a damaged one, and for a URI that is none."""
    (tmp_path / "hub.db").write_text("nonsense")
    for hub in (tmp_path / "none", tmp_path, "workspace://x:y@z"):
        assert complete("show", "--hub", hub, "t") == []
        assert complete("metrics", "--hub", hub, "t") == []
    assert capfd.readouterr() == ("", "")


INTERRUPTED = """
import os, signal, sys
from mlflow_workspace_plugin import Experiment, Workspace

def interrupt(frame, *_):
    # Some of the tables are defined by then.
    code = frame.f_code
    if code.co_name == "SqlTag" and code.co_filename.endswith("tracking/dbmodels/models.py"):
        sys.settrace(None)
        os.kill(os.getpid(), signal.SIGINT)

sys.settrace(interrupt)
try:
    Workspace.get("team-a", hub=sys.argv[1])
except KeyboardInterrupt:
    print("interrupted")
run = Experiment(Workspace.get("team-a", hub=sys.argv[1]), "e").start_logging()
run.complete()
print(run.get_status())
"""


def test_ctrl_c_in_the_middle_of_imports_breaks_no_later_use(workspace, hub_path, run_new_python):
    """MLflow's tables cannot be defined twice, so what defines them is not broken off."""
    done = run_new_python("-c", INTERRUPTED, str(hub_path))
    assert done.stdout.split() == ["interrupted", "Completed"]


FORKED = """
import os, sys, threading, time
from mlflow_workspace_plugin import Workspace

thread = threading.Thread(target=lambda: Workspace.get("team-a", hub=sys.argv[1]))
thread.start()
while "sqlalchemy" not in sys.modules:
    time.sleep(0.001)
child = os.fork()
if child == 0:
    Workspace.get("team-a", hub=sys.argv[1]).experiments
    os._exit(7)
thread.join()
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_child_that_is_forked_in_the_middle_of_imports_can_import(
    workspace, hub_path, run_new_python
):
    """The fork waits for another thread's import, whose lock nobody would let go in the child."""
    assert run_new_python("-c", FORKED, str(hub_path)).stdout.split() == ["7"]


AT_ONCE = """
import sys, threading
from mlflow_workspace_plugin import Experiment, Workspace

def use(number):
    run = Experiment(Workspace.get("team-a", hub=sys.argv[1]), "e").start_logging()
    run.log("m", number)
    run.complete()

threads = [threading.Thread(target=use, args=[number]) for number in range(6)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len(list(Experiment(Workspace.get("team-a", hub=sys.argv[1]), "e").get_runs())))
"""


def test_threads_that_import_at_once_do(workspace, hub_path, run_new_python):
    """Each of them is the first to use a hub."""
    assert run_new_python("-c", AT_ONCE, str(hub_path)).stdout.split() == ["6"]


AT_THE_END = """
import atexit, os, sys

@atexit.register
def _end():
    run.log("last", 2)
    run.upload_file("script.py", sys.argv[2])
    run.complete()

from mlflow_workspace_plugin import Experiment, Workspace
run = Experiment(Workspace.get("team-a", hub=sys.argv[1]), "e").start_logging(outputs=None)
print(run.id)
"""


def test_first_files_and_tables_may_come_at_the_end(workspace, hub_path, tmp_path, run_new_python):
    """What is first needed by an exit handler can be imported there."""
    (tmp_path / "script.py").write_text("pass")
    done = run_new_python("-c", AT_THE_END, str(hub_path), str(tmp_path / "script.py"))
    run = workspace.get_run(done.stdout.split()[0])
    assert (run.get_status(), run.get_metrics()) == ("Completed", {"last": 2})
    assert "script.py" in run.get_file_names()
    assert "Traceback" not in done.stderr
