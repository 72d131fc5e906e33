"""kill -9 of an upgrade between any two of its statements: a hub is as it was before, or upgraded.

``KILLS`` says at how many points it is killed at most; there are some hundred.
"""

import os
import resource
import shutil
import signal
import sqlite3
import sys
from contextlib import closing

import pytest
from alembic.script import ScriptDirectory

from mlflow_workspace_plugin import Workspace
from mlflow_workspace_plugin.errors import HubTooOldError
from mlflow_workspace_plugin.hub.databases import schema
from mlflow_workspace_plugin.hub.files.folder import HubFolder
from mlflow_workspace_plugin.hub.hub import integrity_problems, open_hub, upgrade_hub
from tests.crash.processes import fork
from tests.hubs import execute, fill_with_early_tables, older_hub

KILLS = int(os.environ.get("KILLS", "110"))
# After these points hub.db is backed up and written; they are all tried.
_LAST = 12
# What is done to files, as Python's audit hooks name it.
_EVENTS = {"sqlite3.connect", "tempfile.mkstemp", "os.rename", "os.remove", "os.chmod"}


def at_each_statement(do):
    """Call a function before each statement and each change of a file, in this process for good."""

    def connect(*args, **kwargs):
        connection = connect_untraced(*args, **kwargs)
        connection.set_trace_callback(lambda _statement: do())
        return connection

    connect_untraced = sqlite3.connect
    sqlite3.connect = sqlite3.dbapi2.connect = connect
    sys.addaudithook(lambda event, _arguments: do() if event in _EVENTS else None)


def upgrade_and_die(hub, point=None, file_size=None):
    """In a child, upgrade a hub up to a point, or a size of a file.

    Returns:
        The number of points that were passed; None if it died.
    """

    def body(tell):
        passed = 0

        def pass_point():
            nonlocal passed
            if passed == point:
                os.kill(os.getpid(), signal.SIGKILL)
            passed += 1

        if file_size is not None:
            # Who writes more is killed, whatever the writing is a part of.
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, file_size))
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # a line of Alembic's for each migration
        at_each_statement(pass_point)
        upgrade_hub(hub)
        tell(passed)

    told = fork(body).join()
    return told[0] if told else None


def content(database):
    """All that a SQLite file holds, as statements."""
    with closing(sqlite3.connect(database)) as connection:
        return list(connection.iterdump())


@pytest.fixture(scope="module")
def older(tmp_path_factory):
    """A hub that lacks one migration of MLflow's and one of ours."""
    newest = ScriptDirectory(str(schema.MIGRATIONS)).get_revision("head")
    hub = older_hub(tmp_path_factory.mktemp("older") / "hub", revision=newest.down_revision)
    fill_with_early_tables(hub)
    execute(hub, "PRAGMA journal_mode = wal")
    return hub


@pytest.fixture(scope="module")
def upgraded(older, tmp_path_factory):
    """The same hub, upgraded without being killed, and at how many points it could have been."""
    hub = shutil.copytree(older, tmp_path_factory.mktemp("upgraded") / "hub")
    return hub, upgrade_and_die(hub)


def check(hub, before, after):
    """Until the next upgrade, which succeeds, a hub is refused as before, or is upgraded.

    Returns:
        Whether it was upgraded.
    """
    backups = {file: file.read_bytes() for file in hub.glob("hub.db.backup-*")}
    found = content(hub / "hub.db")
    assert found in (before, after)
    if found == before:
        with pytest.raises(HubTooOldError, match="hub upgrade"):
            open_hub(hub)
    assert (upgrade_hub(hub) is None) == (found == after)
    assert content(hub / "hub.db") == after
    assert "kept" in Workspace.get("default", hub=hub).experiments
    assert integrity_problems(HubFolder(hub)) == []
    assert not list(hub.glob("hub.db.upgrade-*"))
    for backup, kept in backups.items():
        assert backup.read_bytes() == kept
    for backup in hub.glob("hub.db.backup-*"):
        assert content(backup) == before
    return found == after


def test_between_any_two_statements(older, upgraded, tmp_path):
    """Nothing is lost, and no backup is made of a half-migrated file, nor one written over."""
    hub, points = upgraded
    before, after = content(older / "hub.db"), content(hub / "hub.db")
    step = max(1, points * 10 // KILLS)
    found = []
    for point in sorted({*range(0, points, step), *range(points - _LAST, points)}):
        hub = shutil.copytree(older, tmp_path / f"killed-{point}")
        assert upgrade_and_die(hub, point) is None
        found.append(check(hub, before, after))
        open_hub(hub).engine.dispose()
        shutil.rmtree(hub)
    assert found == sorted(found)
    assert set(found) == {False, True}


def test_while_the_file_is_written(older, upgraded, tmp_path):
    """In the middle of the one transaction that writes to hub.db."""
    before, after = content(older / "hub.db"), content(upgraded[0] / "hub.db")
    hub = shutil.copytree(older, tmp_path / "hub")
    # The log of the transaction is larger than the file, and so than any of its copies.
    size = (upgraded[0] / "hub.db").stat().st_size
    assert upgrade_and_die(hub, file_size=size + 1000) is None
    assert (hub / "hub.db-wal").stat().st_size > size
    assert not check(hub, before, after)
