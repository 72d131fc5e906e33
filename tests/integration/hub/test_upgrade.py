"""Upgrades of hubs that an older MLflow, or an older version of this package, made."""

import sqlite3
import stat
import subprocess
import sys
from contextlib import closing, contextmanager

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from click.testing import CliRunner
from sqlalchemy import create_engine, select

from mlflow_workspace_plugin import Workspace
from mlflow_workspace_plugin.cli import main
from mlflow_workspace_plugin.errors import (
    HubBusyError,
    HubCorruptError,
    HubNotFoundError,
    HubTooNewError,
    HubTooOldError,
)
from mlflow_workspace_plugin.hub.databases import schema
from mlflow_workspace_plugin.hub.files.folder import HubFolder
from mlflow_workspace_plugin.hub.hub import integrity_problems, open_hub, upgrade_hub
from mlflow_workspace_plugin.hub.lock import held_alone
from mlflow_workspace_plugin.hub.tables import (
    CODES,
    LOG_INS,
    METADATA,
    RECEIPTS,
    ROWS,
    WORKSPACES,
    WRITERS,
    version,
)
from tests.hubs import (
    OLDER,
    execute,
    fill_with_early_tables,
    fill_with_tables_without_version,
    older_hub,
    set_revision,
    take_back,
    url_of_hub,
)
from tests.python_processes import WAIT_FOR_THE_OTHERS, run_at_once

pytestmark = pytest.mark.store

UPGRADE = f"""
import os, sys
from pathlib import Path
from mlflow_workspace_plugin.hub.hub import upgrade_hub
{WAIT_FOR_THE_OTHERS}
done = upgrade_hub(Path(sys.argv[1]))
Path(f"done-{{os.getpid()}}").write_text("upgraded" if done else "nothing to do")
"""


@contextmanager
def another_that_reads(database):
    """A process that has read a SQLite file, and keeps its connection."""
    code = (
        "import sqlite3, sys\n"
        f"connection = sqlite3.connect({str(database)!r})\n"
        "print(connection.execute('SELECT count(*) FROM experiments').fetchone(), flush=True)\n"
        "sys.stdin.read()\n"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe) as process:
        process.stdout.readline()
        yield process
        process.stdin.close()


def set_journal_mode(folder, mode):
    execute(folder, f"PRAGMA journal_mode = {mode}")
    (folder / "hub.toml").write_text(f'journal_mode = "{mode}"\n')


class TestUpgrading:
    def test_upgrade_backs_up_migrates_and_verifies(self, tmp_path, database, new_database):
        """Afterwards the hub opens with everything in it; SQLite's backup is as the file was."""
        hub = older_hub(tmp_path / "hub", new_database())
        done = upgrade_hub(hub)
        if database == "sqlite":
            with closing(sqlite3.connect(done.backup)) as connection:
                found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
            assert found == (OLDER,)
        else:
            assert done.backup is None
        workspace = Workspace.get("default", hub=hub)
        assert "kept" in workspace.experiments
        assert schema.current_revision(open_hub(hub).engine) == schema.head_revision()
        if database == "sqlite":
            assert integrity_problems(HubFolder(hub)) == []

    @pytest.mark.sqlite
    @pytest.mark.parametrize("mode", ["wal", "delete"])
    def test_file_stays_the_same_one(self, tmp_path, database, mode):
        """Its number and modes are as before, and nothing else is left but a backup."""
        hub = older_hub(tmp_path / "hub")
        set_journal_mode(hub, mode)
        (hub / "hub.db").chmod(0o640)
        before = (hub / "hub.db").stat()
        done = upgrade_hub(hub)
        after = (hub / "hub.db").stat()
        assert (after.st_ino, stat.S_IMODE(after.st_mode)) == (before.st_ino, 0o640)
        assert execute(hub, "PRAGMA journal_mode") == [(mode,)]
        expected = ["artifacts", "hub.db", done.backup.name, "hub.lock", "hub.toml"]
        assert sorted(each.name for each in hub.iterdir()) == expected

    @pytest.mark.sqlite
    def test_failed_upgrade_leaves_the_hub_as_it_was(self, hub_path, database):
        """It says so, and what is left of an earlier version's upgrade that went wrong."""
        set_revision(hub_path, OLDER)  # the tables of later migrations are there already
        before = (hub_path / "hub.db").read_bytes()
        with pytest.raises(HubCorruptError, match=r"was not upgraded: .*It is as it was before"):
            upgrade_hub(hub_path)
        assert (hub_path / "hub.db").read_bytes() == before
        assert not list(hub_path.glob("hub.db.*"))
        backup = hub_path / "hub.db.backup-20260101T000000Z"
        backup.write_bytes(before)
        with pytest.raises(HubCorruptError, match=r"remove hub\.db, hub\.db-wal") as raised:
            upgrade_hub(hub_path)
        assert str(backup) in raised.value.message
        assert backup.read_bytes() == before

    def test_hub_that_is_up_to_date_stays_as_it_is(self, hub_path):
        """No backup is made of what is not changed."""
        assert upgrade_hub(hub_path) is None
        assert not list(hub_path.glob("*backup*"))

    def test_nothing_to_upgrade_is_an_error(self, tmp_path):
        """A wrong folder is said to be one."""
        with pytest.raises(HubNotFoundError):
            upgrade_hub(tmp_path)

    def test_command_upgrades(self, tmp_path, new_database):
        """The command that the error names does what it says."""
        hub = older_hub(tmp_path / "hub", new_database())
        done = CliRunner().invoke(main, ["hub", "upgrade", str(hub)])
        assert done.exit_code == 0
        assert "was upgraded" in done.output
        done = CliRunner().invoke(main, ["hub", "upgrade", str(hub)])
        assert "is up to date" in done.output

    @pytest.mark.sqlite
    def test_command_upgrades_the_default_hub(self, tmp_path, database, monkeypatch):
        """Where no folder is given."""
        hub = older_hub(tmp_path / "default-hub")
        done = CliRunner().invoke(main, ["hub", "upgrade"])
        assert f"Hub {hub} was upgraded" in done.output
        monkeypatch.setenv("MLFLOW_WORKSPACE_HUB", str(tmp_path / "none"))
        done = CliRunner().invoke(main, ["hub", "upgrade"])
        assert "There is no hub in" in done.output


@pytest.mark.sqlite
class TestUpgradingWhileOthersWork:
    @pytest.mark.parametrize("mode", ["wal", "delete"])
    def test_others_are_named_and_nothing_is_done(self, tmp_path, database, mode):
        """Also those that merely have the file open, and lock nothing."""
        hub = older_hub(tmp_path / "hub")
        set_journal_mode(hub, mode)
        before = (hub / "hub.db").read_bytes()
        with another_that_reads(hub / "hub.db") as other:
            with pytest.raises(HubBusyError, match=f"in use by process {other.pid} ") as raised:
                upgrade_hub(hub)
            assert ("--force" in raised.value.message) == (mode == "delete")
            assert (hub / "hub.db").read_bytes() == before
            assert not list(hub.glob("hub.db.*"))
            if mode == "delete":
                assert upgrade_hub(hub, force=True) is not None
        assert (upgrade_hub(hub) is None) == (mode == "delete")

    def test_connection_of_this_process_counts(self, tmp_path, database):
        """Of a notebook that reads the file by itself, say."""
        hub = older_hub(tmp_path / "hub")
        set_journal_mode(hub, "wal")
        with closing(sqlite3.connect(hub / "hub.db")) as connection:
            connection.execute("SELECT count(*) FROM experiments").fetchall()
            with pytest.raises(HubBusyError, match="in use by this process"):
                upgrade_hub(hub)
        assert upgrade_hub(hub) is not None

    @pytest.mark.parametrize("mode", ["wal", "delete"])
    def test_nobody_reads_or_writes_meanwhile(self, tmp_path, database, mode):
        """What they wrote would be lost, and what they read be gone."""
        hub = older_hub(tmp_path / "hub")
        set_journal_mode(hub, mode)
        with held_alone(HubFolder(hub), force=False):
            for statement in ("SELECT * FROM experiments", "DELETE FROM experiments"):
                with (
                    closing(sqlite3.connect(hub / "hub.db", timeout=0)) as other,
                    pytest.raises(sqlite3.OperationalError, match="locked"),
                ):
                    other.execute(statement)
        assert execute(hub, "SELECT count(*) FROM experiments WHERE name = 'kept'") == [(1,)]

    def test_upgrades_come_one_after_another(self, tmp_path, database):
        """Two at once: one migrates, the other waits and then finds nothing to do."""
        hub = older_hub(tmp_path / "hub")
        run_at_once([("-c", UPGRADE, str(hub))] * 2)
        found = sorted(each.read_text() for each in tmp_path.glob("done-*"))
        assert found == ["nothing to do", "upgraded"]


def difference_to_a_new_hub(folder):
    """What would have to change for our tables to be as they are defined."""
    engine = create_engine(url_of_hub(folder))
    options = {
        "compare_type": True,
        "compare_server_default": True,
        "include_name": lambda name, kind, _: kind != "table" or name in METADATA.tables,
        "version_table": version.VERSION_TABLE,
    }
    with engine.connect() as connection:
        found = compare_metadata(MigrationContext.configure(connection, opts=options), METADATA)
    engine.dispose()
    return found


def our_rows(folder):
    """What our tables hold."""
    engine = create_engine(url_of_hub(folder))
    with engine.connect() as connection:
        found = {
            table.name: [dict(row) for row in connection.execute(select(table)).mappings()]
            for table in (WORKSPACES, WRITERS, RECEIPTS, ROWS)
        }
    engine.dispose()
    return found


class TestOurTables:
    """Those of a version are kept as a file in ``tests/data``, and never changed."""

    def test_those_without_a_version_are_taken(self, hub_path):
        """Nothing of what is in them is lost, and they have a version from then on."""
        fill_with_tables_without_version(hub_path)
        before = our_rows(hub_path)
        upgrade_hub(hub_path)
        open_hub(hub_path)
        assert our_rows(hub_path) == before
        assert before["workspace_plugin_workspaces"][0]["tags"] == {"team": "vision"}
        found = execute(hub_path, f"SELECT version_num FROM {version.VERSION_TABLE}")
        assert found == [(version.newest_version(),)]
        assert difference_to_a_new_hub(hub_path) == []

    def test_early_ones_are_refused_and_upgraded(self, hub_path, database):
        """By the command that the error names; what they could not hold follows from the rest."""
        fill_with_tables_without_version(hub_path)
        before = our_rows(hub_path)
        fill_with_early_tables(hub_path)
        with pytest.raises(HubTooOldError, match=r"older mlflow-workspace-plugin.*hub upgrade"):
            open_hub(hub_path)
        assert difference_to_a_new_hub(hub_path) != []
        done = CliRunner().invoke(main, ["hub", "upgrade", str(hub_path)])
        assert "was upgraded" in done.output
        for row in before["workspace_plugin_workspaces"]:
            row["tags"] = {}
        assert our_rows(hub_path) == before | {"workspace_plugin_rows": []}
        assert difference_to_a_new_hub(hub_path) == []
        names = [each.display_name for each in open_hub(hub_path).catalog.list()]
        assert names == ["default"]  # MLflow knows of no other

    def test_log_ins_of_before_stay(self, hub_path):
        """Of those it is not known what they came from."""
        log_in = {
            "id": "1" * 32,
            "name": "alice",
            "user_id": 1,
            "kind": "person",
            "label": "",
            "workspaces": ["team-a"],
            "cap": "read",
            "run_uuid": None,
            "key": b"key",
            "seconds": 3600,
            "created_at": 1,
            "expires_at": 2,
            "ended_at": None,
            "why": None,
        }
        code = {"hash": "2" * 64, "shown": "BCDF-GHJK", "label": "", "name": None, "expires_at": 3}
        engine = create_engine(url_of_hub(hub_path))
        with engine.begin() as connection:
            connection.execute(LOG_INS.insert().values(log_in))
            connection.execute(CODES.insert().values(code))
        engine.dispose()
        take_back(hub_path, "0005")
        with pytest.raises(HubTooOldError, match="hub upgrade"):
            open_hub(hub_path)
        assert difference_to_a_new_hub(hub_path) != []
        upgrade_hub(hub_path)
        open_hub(hub_path)
        assert difference_to_a_new_hub(hub_path) == []
        with engine.connect() as connection:
            assert dict(connection.execute(LOG_INS.select()).mappings().one()) == {
                **log_in,
                "parent": None,
            }
            assert dict(connection.execute(CODES.select()).mappings().one()) == {
                **code,
                "parent": None,
            }
        engine.dispose()

    def test_those_of_a_newer_version_are_refused(self, hub_path):
        """Whether it shows by the version or by a table; neither is ever upgraded."""
        execute(hub_path, "CREATE TABLE workspace_plugin_heartbeats_of_tomorrow (x INT)")
        for call in (open_hub, upgrade_hub):
            with pytest.raises(HubTooNewError, match=r"heartbeats_of_tomorrow.*pip install -U"):
                call(hub_path)
        execute(hub_path, "DROP TABLE workspace_plugin_heartbeats_of_tomorrow")
        execute(hub_path, f"UPDATE {version.VERSION_TABLE} SET version_num = 'tomorrow'")
        for call in (open_hub, upgrade_hub):
            with pytest.raises(HubTooNewError, match=r"version 'tomorrow'.*pip install -U"):
                call(hub_path)

    def test_steps_lead_to_the_tables_as_they_are_defined(self, tmp_path, new_database):
        """From no table at all, as in a database that an older MLflow made."""
        hub = older_hub(tmp_path / "hub", new_database())
        upgrade_hub(hub)
        assert difference_to_a_new_hub(hub) == []
        assert set(our_rows(hub)) <= set(METADATA.tables)
