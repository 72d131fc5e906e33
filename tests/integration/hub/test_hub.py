"""Hubs: made once by whoever comes first, shared as their folder is, never migrated unasked."""

import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import mlflow
import pytest
from mlflow.entities import Metric
from sqlalchemy import text

from mlflow_workspace_plugin import Workspace
from mlflow_workspace_plugin.errors import (
    HubBusyError,
    HubCorruptError,
    HubError,
    HubNotFoundError,
    HubNotWritableError,
    HubSettingsError,
    HubTooNewError,
    HubTooOldError,
    InvalidUriError,
    WorkspaceNotFoundError,
)
from mlflow_workspace_plugin.hub.databases import schema
from mlflow_workspace_plugin.hub.databases.database import BUSY_TIMEOUT_MS
from mlflow_workspace_plugin.hub.hub import create_hub, integrity_problems, open_hub, upgrade_hub
from mlflow_workspace_plugin.runs.snapshots.snapshots import Snapshots
from mlflow_workspace_plugin.stores.jobs.compute import Compute
from tests import python_processes
from tests.commands import output_of
from tests.hubs import OLDER, execute, older_hub, set_revision
from tests.waiting import wait_until

pytestmark = pytest.mark.store


def problems(hub):
    """What SQLite finds wrong with a hub; PostgreSQL has no such command."""
    return integrity_problems(hub.folder) if hub.settings.database is None else []


def in_small_file_system(script, *, size="8m", read_only=False):
    """Run Python where /mnt is a file system of its own, small, or read-only after set-up.

    The script's first part, up to the line ``# ---``, sets up.
    """
    set_up, _, rest = script.partition("# ---\n")
    shell = (
        f'mount -t tmpfs -o size={size} tmpfs /mnt && {sys.executable} -c "$SET_UP" && '
        + ("mount -o remount,ro /mnt && " if read_only else "")
        + f'{sys.executable} -c "$REST"'
    )
    unshare = ["unshare", "--mount"] if os.getuid() == 0 else ["unshare", "--mount", "-r"]
    variables = os.environ | {"SET_UP": set_up, "REST": rest}
    return output_of([*unshare, "sh", "-c", shell], env=variables)


@pytest.fixture
def fuse(tmp_path):
    """A folder on a FUSE file system, as sshfs and many cluster file systems are."""
    assert shutil.which("bindfs"), "Install bindfs (Debian: apt-get install bindfs)."
    source, mounted = tmp_path / "source", tmp_path / "mounted"
    source.mkdir()
    mounted.mkdir()
    subprocess.run(["bindfs", str(source), str(mounted)], check=True)
    yield mounted
    subprocess.run(["fusermount", "-u", "-z", str(mounted)], check=True)


def make_and_log(path, url, rest=""):
    """What makes Python make a hub, log, and do the rest."""
    code = f"""
import time
from pathlib import Path
import mlflow
from mlflow_workspace_plugin import Workspace
from mlflow_workspace_plugin.hub.hub import create_hub
path = Path({str(path)!r})
create_hub(path, database={url!r})
workspace = Workspace.create("team-a", hub=path, exist_ok=True)
mlflow.set_tracking_uri(workspace.get_mlflow_tracking_uri())
with mlflow.start_run():
    mlflow.log_metric("m", 1)
{rest}
"""
    return ["-c", code]


class TestCreating:
    def test_eight_processes_make_one_hub(self, tmp_path, new_database):
        """All succeed, none waits for ever, and the hub is whole."""
        command = make_and_log(tmp_path / "hub", new_database())
        children = [python_processes.Popen(command) for _ in range(8)]
        assert [child.wait(240) for child in children] == [0] * 8
        workspace = Workspace.get("team-a", hub=tmp_path / "hub")
        assert len(workspace.client.search_runs(["0"])) == 8
        assert problems(open_hub(tmp_path / "hub")) == []

    def test_killed_while_made_leaves_no_half_hub(self, tmp_path, new_database):
        """Whoever comes next makes it, whenever the first one was killed."""
        for attempt, delay in enumerate((0.0, 0.1, 0.3, 0.6, 1.0, 1.5)):
            path = tmp_path / f"hub-{attempt}"
            url = new_database()
            child = python_processes.Popen(make_and_log(path, url))
            deadline = time.monotonic() + 60
            while not path.exists() and time.monotonic() < deadline:
                time.sleep(0.001)
            time.sleep(delay)
            child.kill()
            child.wait()
            create_hub(path, database=url)
            workspace = Workspace.create("team-a", hub=path, exist_ok=True)
            workspace.client.create_experiment("after")
            assert problems(open_hub(path)) == []

    def test_processes_create_one_workspace_and_experiment_at_once(self, hub_path):
        """In a hub that is there: nobody is told that a name is taken by itself."""
        execute(hub_path, "DROP TABLE workspace_plugin_workspaces")
        code = f"""
from mlflow_workspace_plugin import Experiment, Workspace
{python_processes.WAIT_FOR_THE_OTHERS}
workspace = Workspace.create("My_Team", hub={str(hub_path)!r}, exist_ok=True)
Experiment(workspace, "experiment")
"""
        python_processes.run_at_once([["-c", code]] * 6)
        assert list(Workspace.get("My_Team", hub=hub_path).experiments) == ["experiment"]

    def test_folder_of_ours_is_its_owners_only(self, tmp_path):
        """Nobody else reads a hub that we made the folder of."""
        create_hub(tmp_path / "new" / "hub")
        assert stat.S_IMODE((tmp_path / "new" / "hub").stat().st_mode) == 0o700
        assert stat.S_IMODE((tmp_path / "new" / "hub" / "hub.db").stat().st_mode) == 0o600

    def test_existing_folder_keeps_its_mode_and_shares_what_is_in_it(self, tmp_path):
        """A group's folder makes a group's hub, down to each run, whatever the umask."""
        shared = tmp_path / "shared"
        shared.mkdir()
        shared.chmod(0o2770)
        workspace = Workspace.create("team-a", hub=shared)
        run = workspace.client.create_run("0")
        private = tmp_path / "private"
        (private / "deep").mkdir(parents=True)
        (private / "deep" / "f.bin").write_text("x")
        (private / "deep" / "f.bin").chmod(0o600)
        workspace.client.log_artifacts(run.info.run_id, str(private), "models")
        workspace.client.log_text(run.info.run_id, "x", "sub/x.txt")
        assert stat.S_IMODE(shared.stat().st_mode) == 0o2770
        assert stat.S_IMODE((shared / "hub.db").stat().st_mode) == 0o660
        run_folder = shared / "artifacts" / "workspaces" / "team-a" / run.info.experiment_id
        for folder in (run_folder, *run_folder.relative_to(shared).parents):
            assert stat.S_IMODE((shared / folder).stat().st_mode) == 0o2770, folder
        for path in run_folder.rglob("*"):
            assert stat.S_IMODE(path.stat().st_mode) == (0o2770 if path.is_dir() else 0o660), path

    def test_journal_mode_is_a_setting_of_the_hub(self, tmp_path):
        """A hub for a network file system has no write-ahead log."""
        hub, _ = create_hub(tmp_path / "hub", "delete")
        with hub.engine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "delete"
        assert not (tmp_path / "hub" / "hub.db-wal").exists()

    def test_network_file_system_gets_a_safe_journal_mode_and_is_told(self, fuse, capsys):
        """What is chosen, and why, is said once, by create; the hub works there."""
        workspace = Workspace.create("team-a", hub=fuse / "hub")
        said = capsys.readouterr().out
        assert "on a fuse" in said
        assert "journal_mode 'delete'" in said
        assert open_hub(fuse / "hub").settings.journal_mode == "delete"
        run_id = workspace.client.create_run("0").info.run_id
        workspace.client.log_metric(run_id, "m", 1)
        assert not list((fuse / "hub").glob("hub.db-wal"))
        Workspace.create("team-b", hub=fuse / "hub")
        assert capsys.readouterr().out == ""
        workspace._hub.engine.dispose()


class TestOpening:
    @pytest.mark.sqlite
    def test_connections_are_as_in_mlflows_sessions(self, workspace):
        """A statement outside of them finds the same rules: foreign keys, and case in LIKE."""
        with workspace._hub.engine.connect() as connection:
            pragmas = ("foreign_keys", "busy_timeout", "synchronous", "cache_size")
            found = [connection.scalar(text(f"PRAGMA {name}")) for name in pragmas]
            assert connection.scalar(text("SELECT 'a' LIKE 'A'")) == 0
        assert found == [1, BUSY_TIMEOUT_MS, 1, -65_536]

    def test_missing_hub_names_the_command_that_makes_one(self, tmp_path):
        """Nothing is created by looking."""
        mlflow.set_tracking_uri(f"workspace://{tmp_path}/none/team-a")
        with pytest.raises(HubNotFoundError, match="mlflow-workspace create"):
            mlflow.start_run()
        assert not (tmp_path / "none").exists()

    def test_unknown_workspace_suggests_the_one_meant(self, workspace):
        """A typo in the URI is answered with the name."""
        mlflow.set_tracking_uri(workspace.get_mlflow_tracking_uri().replace("team-a", "team-x"))
        with pytest.raises(WorkspaceNotFoundError, match="Did you mean 'team-a'") as raised:
            mlflow.search_experiments()
        assert raised.value.error_code == "RESOURCE_DOES_NOT_EXIST"

    def test_uri_of_a_hub_is_told_to_name_a_workspace(self, hub_path):
        """Instead of advice to make a hub around the hub."""
        mlflow.set_tracking_uri(f"workspace://{hub_path}")
        with pytest.raises(InvalidUriError, match="names a hub, and no workspace"):
            mlflow.search_experiments()

    def test_hub_of_an_older_mlflow_is_refused_and_left_alone(
        self, tmp_path, database, new_database
    ):
        """The command that upgrades it is named, and not one byte or table changes."""

        def content():
            if database == "sqlite":
                return (hub / "hub.db").read_bytes()
            return sorted(execute(hub, "SELECT * FROM information_schema.columns"), key=repr)

        hub = older_hub(tmp_path / "hub", new_database())
        before = content()
        mlflow.set_tracking_uri(f"workspace://{hub}/default")
        with pytest.raises(HubTooOldError, match="mlflow-workspace hub upgrade") as raised:
            mlflow.search_experiments()
        assert schema.MLFLOW_OF_REVISION[OLDER] in raised.value.message
        assert mlflow.__version__ in raised.value.message
        assert ("pg_dump" in raised.value.message) == (database == "postgresql")
        assert content() == before

    def test_hub_of_a_newer_mlflow_is_refused_with_what_to_install(self, hub_path):
        """A revision that this MLflow does not know comes from a newer one, known here or not."""
        known = [*schema.MLFLOW_OF_REVISION]
        newer = known[known.index(schema.head_revision()) + 1 :]
        for revision in (*newer, "ffffffffffff"):
            set_revision(hub_path, revision)
            with pytest.raises(HubTooNewError) as raised:
                open_hub(hub_path)
            made_by = schema.MLFLOW_OF_REVISION.get(revision)
            install = "a newer mlflow-workspace-plugin"
            if made_by is not None:
                install = f"'mlflow=={made_by}.*'"
            assert install in raised.value.message
            with pytest.raises(HubTooNewError):
                upgrade_hub(hub_path)

    @pytest.mark.sqlite
    def test_database_that_is_none_is_refused(self, hub_path):
        """Text in hub.db is named as such, at once."""
        (hub_path / "hub.db").write_text("not a database at all, but some text\n" * 10)
        with pytest.raises(HubCorruptError, match="is not a database"):
            Workspace.get("default", hub=hub_path)

    @pytest.mark.sqlite
    def test_database_without_mlflows_tables_is_refused(self, hub_path):
        """Somebody else's SQLite file is not filled with tables."""
        for file in hub_path.glob("hub.db*"):
            file.unlink()
        with closing(sqlite3.connect(hub_path / "hub.db")) as connection:
            connection.execute("CREATE TABLE theirs (x)")
        with pytest.raises(HubCorruptError, match="no tables of MLflow"):
            open_hub(hub_path)

    @pytest.mark.sqlite
    def test_damaged_database_is_named(self, hub_path):
        """Pages of noise inside a real database are an error that names the hub."""
        content = bytearray((hub_path / "hub.db").read_bytes())
        content[4096 : 4096 * 20] = os.urandom(4096 * 19)
        (hub_path / "hub.db").write_bytes(content)
        with pytest.raises(HubCorruptError, match=r"damaged|no tables"):
            Workspace.get("default", hub=hub_path)

    @pytest.mark.sqlite
    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("journal_mode = 'wal'\ndatabase = 'postgresql://h/d'", "Remove one of them"),
            ("database = 'postgresql://a:literal@h/d'", "holds a password"),
            ("database = 3", "not supported"),
            ("journal_mode = 'fast'", "Use one of: wal, delete"),
            ("databse = 'x'", "does not know"),
            ("journal_mode =", "cannot be read"),
        ],
    )
    def test_wrong_settings_are_named(self, hub_path, text, reason):
        """An unknown setting is never skipped: it may name another database."""
        (hub_path / "hub.toml").write_text(text)
        with pytest.raises(HubSettingsError, match=reason) as raised:
            open_hub(hub_path)
        assert str(hub_path / "hub.toml") in raised.value.message

    @pytest.mark.sqlite
    def test_hub_made_anew_in_the_same_folder_is_opened_anew(self, workspace, hub_path):
        """A process does not hold on to a hub whose folder was deleted and made again."""
        workspace.client.create_experiment("old")
        shutil.rmtree(hub_path)
        anew = Workspace.create("team-x", hub=hub_path)
        assert anew.experiments == {}

    @pytest.mark.sqlite
    def test_hub_made_anew_serves_the_clients_that_are_there(self, workspace, hub_path):
        """MLflow keeps its stores; they follow the hub to its new file."""
        workspace.client.create_experiment("old")
        shutil.rmtree(hub_path)
        Workspace.create("team-a", hub=hub_path)
        workspace.client.create_experiment("new")
        with closing(sqlite3.connect(hub_path / "hub.db")) as connection:
            names = connection.execute("SELECT name FROM experiments WHERE workspace = 'team-a'")
            assert names.fetchall() == [("new",)]

    def test_log_of_a_database_that_was_moved_away_is_not_replayed(self, tmp_path):
        """What the remedy says is safe: hub.db moved away, workspaces created again."""
        path = tmp_path / "hub"
        rest = "(path / 'logged').touch(); time.sleep(600)"
        child = python_processes.Popen(make_and_log(path, None, rest))
        wait_until((path / "logged").exists, timeout_s=60)
        child.kill()
        child.wait()
        assert (path / "hub.db-wal").exists()
        (path / "hub.db").rename(tmp_path / "moved.db")
        Workspace.create("team-b", hub=path)
        assert sorted(Workspace.list(None, hub=path)) == ["default", "team-b"]

    @pytest.mark.parametrize("name", ["jürgen", "a b", "a%20b", "a@b", "a:b", "a?b#c", "it's"])
    def test_folder_of_any_name_holds_a_hub_and_nothing_beside_it(self, tmp_path, name):
        """No encoded twin of the folder appears, and the URI leads back to it."""
        place = tmp_path / "place"
        place.mkdir()
        workspace = Workspace.create("team-a", hub=place / name / "hub")
        mlflow.set_tracking_uri(workspace.get_mlflow_tracking_uri())
        with mlflow.start_run() as run:
            mlflow.log_text("x", "x.txt")
        assert mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/x.txt") == "x"
        assert [each.name for each in place.iterdir()] == [name]

    def test_database_made_by_mlflow_is_a_hub(self, hub_path):
        """Our own table is added to a database that has only MLflow's."""
        execute(hub_path, "DROP TABLE workspace_plugin_workspaces")
        assert list(Workspace.list(None, hub=hub_path)) == ["default"]

    def test_deleted_workspace_takes_nothing_any_more(self, workspace):
        """A client that outlived its workspace does not write into nowhere."""
        client = workspace.client
        assert client.search_experiments() == []
        assert client.search_registered_models() == []
        workspace.delete()
        with pytest.raises(WorkspaceNotFoundError, match="was deleted"):
            client.create_experiment("late")
        with pytest.raises(WorkspaceNotFoundError, match="was deleted"):
            client.create_registered_model("late")
        with pytest.raises(WorkspaceNotFoundError, match="was deleted"):
            client.create_run("0")
        snapshots = Snapshots(workspace._hub, "team-a")
        with (
            pytest.raises(WorkspaceNotFoundError, match="was deleted"),
            snapshots.keeping(Path(__file__)),
        ):
            pass
        assert snapshots.manifests() == []
        store = workspace.tracking_store
        with pytest.raises(WorkspaceNotFoundError, match="was deleted"):
            store.put_environment("late", {})
        with pytest.raises(WorkspaceNotFoundError, match="was deleted"):
            store.put_compute(Compute("late", "local"))


class TestTrouble:
    def test_read_only_hub_is_named(self):
        """Opening says what cannot be written, and why; what was logged is still there."""
        out = in_small_file_system(
            """if True:
            from mlflow_workspace_plugin import Experiment, Workspace
            ws = Workspace.create("team-a", hub="/mnt/hub")
            run = ws.client.create_run("0")
            ws.client.log_metric(run.info.run_id, "m", 1)
# ---
            """.replace("            # ---", "# ---")
            + """
import shutil
from mlflow_workspace_plugin import Experiment, Workspace
from mlflow_workspace_plugin.errors import HubNotWritableError
try:
    Workspace.get("team-a", hub="/mnt/hub")
except HubNotWritableError as error:
    print(error.message)
shutil.copytree("/mnt/hub", "/tmp/copied-hub", dirs_exist_ok=True)
print(Workspace.get("team-a", hub="/tmp/copied-hub").client.search_runs(["0"])[0].data.metrics)
shutil.rmtree("/tmp/copied-hub")
""",
            read_only=True,
        )
        message, metrics = out.splitlines()
        assert "cannot be written" in message
        assert "/mnt/hub" in message
        assert "copy the hub" in message
        assert metrics == "{'m': 1.0}"

    @pytest.mark.sqlite
    def test_unreadable_hub_is_named(self, workspace, hub_path):
        """Somebody else's hub is said to be closed to this user, and stays as it is."""
        workspace._hub.engine.dispose()
        script = (
            "import sys\n"
            "from pathlib import Path\n"
            "from mlflow_workspace_plugin import Workspace\n"
            "from mlflow_workspace_plugin.errors import HubNotWritableError\n"
            "hub = Path(sys.argv[1])\n"
            "for path in (hub, hub / 'hub.db'):\n"
            "    mode = path.stat().st_mode\n"
            "    path.chmod(0)\n"
            "    try: Workspace.get('team-a', hub=hub)\n"
            "    except HubNotWritableError as error: print(repr(error.message))\n"
            "    finally: path.chmod(mode)\n"
        )
        without = "-dac_override,-dac_read_search"
        # Root reads everything, unless it gives that right up.
        as_anybody = ["setpriv", f"--bounding-set={without}", f"--inh-caps={without}"]
        command = [*(as_anybody if os.getuid() == 0 else []), sys.executable, "-c", script]
        messages = output_of([*command, str(hub_path)]).splitlines()
        assert len(messages) == 2
        for message in messages:
            assert str(hub_path) in message
            assert "access" in message
        assert workspace.experiments == {}

    def test_full_disk_is_named_and_nothing_logged_is_lost(self):
        """Rows and files that do not fit are refused with the reason; those before stay whole."""
        out = in_small_file_system(
            """
# ---
import json, mlflow, os
from mlflow.entities import Metric
from mlflow_workspace_plugin import Experiment, Workspace
from mlflow_workspace_plugin.errors import HubFullError
os.environ["MLFLOW_WORKSPACE_JOURNAL"] = "off"
ws = Workspace.create("team-a", hub="/mnt/hub")
client = ws.client
run_id = client.create_run("0").info.run_id
stored, message = 0, None
open("/tmp/big-file", "wb").write(os.urandom(16 << 20))
try:
    client.log_artifact(run_id, "/tmp/big-file")
except HubFullError as error:
    print(json.dumps(error.message))
os.remove("/tmp/big-file")
print(json.dumps([each.path for each in client.list_artifacts(run_id)]))
while message is None:
    try:
        client.log_batch(run_id, [Metric(f"m{i}", stored, stored, stored) for i in range(500)])
        stored += 1
    except HubFullError as error:
        message = error.message
print(json.dumps(message))
print(json.dumps([stored, len(client.get_metric_history(run_id, "m0"))]))
""",
            size="6m",
        )
        file_message, files, message, (stored, found) = map(json.loads, out.splitlines()[-4:])
        for said in (file_message, message):
            assert "/mnt/hub" in said
            assert "full" in said
            assert "Free some space" in said
        assert files == []
        assert stored == found > 0

    @pytest.mark.sqlite
    def test_locked_database_is_named(self, workspace, direct, hub_path):
        """Another writer that never ends is an error that says so, not a hang."""
        with workspace._hub.engine.connect() as connection:
            timeout = connection.exec_driver_sql("PRAGMA busy_timeout").scalar()
        assert timeout == BUSY_TIMEOUT_MS
        run_id = workspace.client.create_run("0").info.run_id
        with closing(sqlite3.connect(hub_path / "hub.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(HubBusyError, match="stayed locked for 20 s"):
                direct.log_metric(run_id, Metric("m", 1.0, 1, 0))
        workspace.client.log_metric(run_id, "m", 2)
        assert workspace.client.get_run(run_id).data.metrics == {"m": 2}

    def test_hub_below_a_file_cannot_be_made(self, tmp_path):
        """The reason is the operating system's, the remedy ours."""
        (tmp_path / "file").write_text("")
        with pytest.raises(HubNotWritableError, match=r"Not a directory.*Check its name"):
            create_hub(tmp_path / "file" / "hub")

    def test_folder_name_of_300_characters_is_an_error_of_ours(self, tmp_path):
        """No bare OSError reaches the user."""
        with pytest.raises(HubError, match="File name too long"):
            create_hub(tmp_path / ("x" * 300))
        mlflow.set_tracking_uri(f"workspace://{tmp_path / ('x' * 300)}/team-a")
        with pytest.raises(HubError, match=r"300|too long"):
            mlflow.search_experiments()


def test_forked_child_survives_its_parent(hub_path):
    """What a child logs is kept when its parent has ended, and others log meanwhile."""
    workspace = Workspace.create("team-a", hub=hub_path)
    run_id = workspace.client.create_run("0").info.run_id
    code = f"""
import os, time
from mlflow_workspace_plugin import Workspace
client = Workspace.get("team-a", hub={str(hub_path)!r}).client
for step in range(20):
    client.log_metric({run_id!r}, "parent", step, step=step)
if os.fork() == 0:
    time.sleep(1)  # until the parent has ended
    for step in range(100):
        client.log_metric({run_id!r}, "child", step, step=step)
    os.kill(os.getpid(), 9)
"""
    assert python_processes.run(["-c", code]).returncode == 0
    for step in range(100):
        workspace.client.log_metric(run_id, "other", step, step=step)
    # The child is killed in the end, so others send what it left.
    for name, count in (("parent", 20), ("child", 100), ("other", 100)):
        wait_until(
            lambda name=name, count=count: (
                count == len(workspace.client.get_metric_history(run_id, name))
            ),
            timeout_s=60,
        )
    assert problems(workspace._hub) == []


def test_forked_child_has_connections_of_its_own(workspace):
    """A child that inherits an open hub neither uses nor closes its parent's connections."""
    run_id = workspace.client.create_run("0").info.run_id
    children = []
    for rank in range(4):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                for step in range(20):
                    workspace.client.log_metric(run_id, f"m{rank}", step, step=step)
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    for step in range(20):
        workspace.client.log_metric(run_id, "parent", step, step=step)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    for name in ("parent", *(f"m{rank}" for rank in range(4))):
        assert len(workspace.client.get_metric_history(run_id, name)) == 20
    assert problems(workspace._hub) == []
