"""Hubs on PostgreSQL: secrets, several folders on one database, and what goes wrong on a server."""

import contextlib
import json
import logging
import os
import sys
import threading
import time
import traceback
from pathlib import Path

import mlflow
import psycopg
import pytest
from click.testing import CliRunner
from mlflow import MlflowClient
from mlflow.entities import RunTag
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy import NullPool, event, text

from mlflow_workspace_plugin import Experiment, Workspace
from mlflow_workspace_plugin.cli import main
from mlflow_workspace_plugin.errors import (
    HubBusyError,
    HubNotWritableError,
    HubSettingsError,
    HubTooOldError,
    HubUnreachableError,
    NoAnswerError,
    SnapshotException,
    UnstorableValueError,
)
from mlflow_workspace_plugin.hub.databases import postgresql as database
from mlflow_workspace_plugin.hub.hub import create_hub, open_hub, upgrade_hub
from mlflow_workspace_plugin.runs.snapshots.garbage import SnapshotGarbage
from mlflow_workspace_plugin.runs.snapshots.open import snapshots_of
from mlflow_workspace_plugin.runs.snapshots.snapshots import (
    SNAPSHOT_TAG,
    Snapshots,
)
from mlflow_workspace_plugin.stores.build import build_tracking_store, open_workspace_store
from mlflow_workspace_plugin.stores.retries import lost_races
from tests import python_processes
from tests.conftest import write_settings
from tests.hubs import OLDER, execute, fill_with_early_tables, set_revision
from tests.postgres import postgresql
from tests.servers import free_port, serving
from tests.waiting import wait_until

pytestmark = pytest.mark.store

SECRET = "Sec/ret@:%7B-Word"


@pytest.fixture
def hub_path(server, postgresql_template, tmp_path):
    """A hub on a database of its own, only ever on PostgreSQL."""
    (tmp_path / "hub" / "artifacts").mkdir(parents=True)
    url = server.create_database(f"pg_{tmp_path.name}"[:60], postgresql_template)
    write_settings(tmp_path / "hub", f'database = "{url}"\n')
    return tmp_path / "hub"


@pytest.fixture
def empty(server, tmp_path):
    """The URL of an empty database."""
    return server.create_database(f"empty_{tmp_path.name}"[:60])


@pytest.fixture
def alice(server, empty):
    """The URL of a database for user alice, who needs a password."""
    server.execute("DROP ROLE IF EXISTS alice")
    server.execute(f"CREATE ROLE alice LOGIN PASSWORD '{SECRET}' IN ROLE password")
    name = empty.rpartition("/")[2]
    server.execute(
        f'GRANT ALL ON SCHEMA public TO alice; ALTER DATABASE "{name}" OWNER TO alice', name
    )
    yield empty.replace("postgres@", "alice:${ALICES_PASSWORD}@")
    server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    server.execute("DROP ROLE alice")


@pytest.fixture
def run_id(workspace):
    return workspace.client.create_run("0").info.run_id


def command(*arguments, status=0):
    done = CliRunner().invoke(main, [str(each) for each in arguments])
    assert done.exit_code == status, done.output
    return done.output


def terminate_all(server, hub_path):
    """Let the server close the connections of a hub, as its restart does."""
    name = open_hub(hub_path).engine.url.database
    server.execute(
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    )


MAKE_AND_LOG = f"""
import sys
from pathlib import Path
from mlflow_workspace_plugin import Workspace
from mlflow_workspace_plugin.hub.hub import create_hub
{python_processes.WAIT_FOR_THE_OTHERS}
path = Path(sys.argv[1])
create_hub(path, database=sys.argv[2])
Workspace.create("team-a", hub=path, exist_ok=True).client.create_run("0")
"""


class TestMaking:
    def test_eight_folders_on_one_empty_database(self, tmp_path, empty):
        """As on eight machines: one of them fills it, and all are hubs with the same content."""
        folders = [tmp_path / f"hub-{number}" for number in range(8)]
        python_processes.run_at_once([["-c", MAKE_AND_LOG, folder, empty] for folder in folders])
        for folder in folders:
            assert len(Workspace.get("team-a", hub=folder).client.search_runs(["0"])) == 8

    def test_command_makes_a_hub_and_the_others_work_on_it(self, tmp_path, empty):
        """And each says where the rows are, where it says where they are."""
        hub = tmp_path / "hub"
        short = empty.replace("postgresql+psycopg", "postgres")
        assert empty in command("hub", "init", hub, "--database", short)
        assert empty in command("hub", "init", hub, "--database", empty)
        assert "team-a" in command("create", "team-a", "--hub", hub)
        assert "team-a" in command("list", "--hub", hub)
        assert f"workspace://{hub}/team-a" in command("show", "team-a", "--hub", hub)
        assert empty in command("where", "--hub", hub)
        assert f"workspace-hub://{hub}" in command("ui", "--print", "--hub", hub)
        assert not list(hub.glob("hub.db*"))
        assert (hub / "hub.toml").stat().st_mode & 0o777 == 0o600

    def test_database_of_an_mlflow_server_becomes_a_hub(self, tmp_path, empty, monkeypatch):
        """Nothing in it changes: the server goes on using it. Its own places are to be allowed."""
        stock = SqlAlchemyStore(empty, "file:///elsewhere")
        stock.create_experiment("theirs", artifact_location="s3://bucket/theirs")
        create_hub(tmp_path / "hub", database=empty)
        client = Workspace.get("default", hub=tmp_path / "hub").client
        found = client.get_experiment_by_name("theirs")
        assert found.artifact_location == "mlflow-artifacts:/outside-the-hub/s3://bucket/theirs"
        monkeypatch.setenv("MLFLOW_WORKSPACE_ALLOWED_LOCATIONS", "s3://bucket")
        found = client.get_experiment_by_name("theirs")
        assert found.artifact_location == "s3://bucket/theirs"
        theirs = stock.get_experiment_by_name("theirs")
        assert theirs.artifact_location == "s3://bucket/theirs"
        stock.create_experiment("later")
        stock.engine.dispose()

    def test_older_database_is_taken_and_can_be_upgraded(self, tmp_path, hub_path):
        """The remedy works, for the folder is a hub by then."""
        url = open_hub(hub_path).database_uri
        set_revision(hub_path, OLDER)
        with pytest.raises(HubTooOldError, match="hub upgrade"):
            create_hub(tmp_path / "other", database=url)
        assert (tmp_path / "other" / "hub.toml").exists()

    def test_database_of_somebody_else_is_refused(self, server, tmp_path, empty):
        """Their tables stay alone, and the folder does not become a hub."""
        server.execute("CREATE TABLE theirs (x int)", empty.rpartition("/")[2])
        with pytest.raises(HubSettingsError, match="not MLflow's"):
            create_hub(tmp_path / "hub", database=empty)
        assert not (tmp_path / "hub" / "hub.toml").exists()

    def test_user_without_rights_is_told(self, server, tmp_path, alice, monkeypatch):
        """And no half hub is left."""
        monkeypatch.setenv("ALICES_PASSWORD", SECRET)
        name = alice.rpartition("/")[2]
        server.execute(f'ALTER DATABASE "{name}" OWNER TO postgres', name)
        server.execute("REVOKE ALL ON SCHEMA public FROM alice", name)
        with pytest.raises(HubNotWritableError, match="permission denied for schema"):
            create_hub(tmp_path / "hub", database=alice)
        assert not (tmp_path / "hub" / "hub.toml").exists()

    def test_hub_keeps_its_database(self, tmp_path, hub_path):
        """Another one, or a journal mode, is refused; hub.db beside hub.toml means nothing."""
        (hub_path / "hub.db").write_text("left over")
        assert open_hub(hub_path).rows.startswith("postgresql+psycopg://")
        with pytest.raises(HubSettingsError, match="exists with its rows in"):
            create_hub(hub_path, database="postgresql://localhost/other")
        with pytest.raises(HubSettingsError, match="no journal mode"):
            create_hub(hub_path, "wal")
        create_hub(tmp_path / "sqlite")
        with pytest.raises(HubSettingsError, match=r"exists with its rows in '.*hub\.db'"):
            create_hub(tmp_path / "sqlite", database=open_hub(hub_path).database_uri)

    def test_missing_driver_is_named(self, run_python, tmp_path):
        """With the command that installs it, before anything is made."""
        script = (
            "import sys; sys.modules['psycopg'] = None\n"
            "from pathlib import Path\n"
            "from mlflow_workspace_plugin.hub.hub import create_hub\n"
            "create_hub(Path(sys.argv[1]), database='postgresql://localhost/x')\n"
        )
        done = run_python("-c", script, str(tmp_path / "hub"), check=False)
        assert 'pip install "psycopg[binary]"' in done.stderr
        assert not (tmp_path / "hub" / "hub.toml").exists()


class TestSecrets:
    def test_password_is_nowhere(self, server, tmp_path, alice, monkeypatch, caplog):
        """Not in a file, a journal, an output, a log, a repr or an error; the hub works with it."""
        caplog.set_level(logging.DEBUG)
        monkeypatch.setenv("ALICES_PASSWORD", SECRET)
        path = tmp_path / "hub"
        seen = [command("hub", "init", path, "--database", alice)]
        workspace = Workspace.create("team-a", hub=path)
        run_id = workspace.client.create_run("0").info.run_id
        workspace.client.log_metric(run_id, "m", 1)
        direct = open_workspace_store(workspace.get_mlflow_tracking_uri())
        hub = open_hub(path)
        seen += [command(name, "--hub", path) for name in ("doctor", "where", "list")]
        seen += [repr(hub), repr(hub.engine.url), hub.database_uri, hub.rows, repr(workspace)]
        seen += [hub.engine.url.render_as_string(hide_password=False)]
        seen += [file.read_text() for file in path.rglob("*") if file.is_file()]

        # A password that was changed is looked up anew, and a wrong one is in no message.
        hub.engine.dispose()
        for wrong in ("Wrong-Word", None):
            if wrong:
                monkeypatch.setenv("ALICES_PASSWORD", wrong)
            else:
                monkeypatch.delenv("ALICES_PASSWORD")
            workspace.client.log_metric(run_id, "m", 2)
            with pytest.raises((HubUnreachableError, HubSettingsError)) as raised:
                direct.get_run(run_id)
            seen += traceback.format_exception(raised.value)
            seen.append(command("where", run_id, "--hub", path, status=1))
        assert "the environment variable ALICES_PASSWORD, which is not set" in seen[-1]
        monkeypatch.setenv("ALICES_PASSWORD", SECRET)
        journals = Path(os.environ["MLFLOW_WORKSPACE_JOURNAL_DIR"])
        seen += [file.read_text() for file in journals.rglob("*") if file.is_file()]
        workspace.client.log_metric(run_id, "m", 3)

        seen.append(caplog.text)
        for text_seen in seen:
            assert SECRET not in text_seen
            assert "Wrong-Word" not in text_seen
        assert "alice" in "".join(seen)

    @pytest.mark.parametrize(
        "url",
        [
            "postgresql://alice:S3cret@host/db",
            "postgres://alice:S3cret@host:99x/db",
            "postgresql+psycopg://alice:S3/cr@S3cret@host/db",
            "postgresql://host/db?password=S3cret",
            "postgresql://host/db?sslmode=require&sslpassword=S3cret",
            "postgresql://alice:${ALICE}S3cret@host/db",
            "postgresql://alice@S3cret@host/db",
            "postgresql://alice@host:S3cret/db",
            "postgresql://host/db?pasword=S3cret",
            "postgresql://host/db?PASSWORD=S3cret",
            "postgresql://host/db?S3cret",
            "postgresql://host/db?S3cret=1",
            "postgresql://host/db?password=${ALICE}&password=S3cret",
            "postgresql://host/db?plugin=S3cret",
            "postgresql://host/db?sslkeylogfile=/S3cret",
            "postgresql://host/db?autocommit=S3cret",
            "postgresql+psycopg2://alice:S3cret@host/db",
            "mysql://alice:S3cret@host/db",
            "host=host dbname=db password=S3cret",
            "host=x password=S3cret://",
            "S3cret",
            "",
        ],
    )
    def test_what_cannot_be_a_database_is_refused_without_repeating_it(self, tmp_path, url):
        """A password in a URL would be stored; the error says where to put it."""
        said = command("hub", "init", tmp_path / "hub", "--database", url, status=1)
        assert "S3cret" not in said
        assert "${" in said
        assert not (tmp_path / "hub").exists()

    def test_option_that_was_mistyped(self, tmp_path):
        """What was meant is named; and nothing is said twice, of which one would not count."""
        for options, reason in (
            ("?sslmod=require", "Did you mean sslmode?"),
            ("?host=other", "says twice what host is"),
            ("?dbname=other", "says twice what dbname is"),
            ("?sslmode=disable&sslmode=require", "says twice what sslmode is"),
        ):
            with pytest.raises(HubSettingsError) as raised:
                create_hub(tmp_path / "hub", database=f"postgresql://host/db{options}")
            assert reason in raised.value.message

    def test_other_parts_may_be_references_too(self, server, tmp_path, empty, monkeypatch):
        """So that one hub.toml serves several places; MLflow's server finds its way too."""
        monkeypatch.setenv("PG_USER", "postgres")
        monkeypatch.setenv("PG_HOST", "127.0.0.1")
        monkeypatch.setenv("PG_NAME", empty.rpartition("/")[2])
        url = f"postgresql://${{PG_USER}}@${{PG_HOST}}:{server.port}/${{PG_NAME}}?connect_timeout=5"
        hub, _ = create_hub(tmp_path / "hub", database=url)
        assert hub.database_uri == url.replace("postgresql://", "postgresql+psycopg://")
        assert Workspace.create("team-a", hub=tmp_path / "hub").experiments == {}


class TestConnections:
    def test_pool_is_that_of_mlflows_settings(self, monkeypatch, tmp_path, empty):
        """By default a process keeps two connections; a hub works on the smallest pools."""
        assert database.create_engine(empty).pool.size() == 2
        monkeypatch.setenv("MLFLOW_SQLALCHEMYSTORE_POOL_SIZE", "3")
        assert database.create_engine(empty).pool.size() == 3
        monkeypatch.delenv("MLFLOW_SQLALCHEMYSTORE_POOL_SIZE")
        monkeypatch.setenv("MLFLOW_SQLALCHEMYSTORE_POOLCLASS", "NullPool")
        create_hub(tmp_path / "hub", database=empty)
        assert isinstance(open_hub(tmp_path / "hub").engine.pool, NullPool)
        assert Workspace.create("team-a", hub=tmp_path / "hub").experiments == {}
        monkeypatch.setenv("MLFLOW_SQLALCHEMYSTORE_POOLCLASS", "Puddle")
        with pytest.raises(HubSettingsError, match="no pool"):
            database.create_engine(empty)

    def test_server_is_told_who_is_connected(self, workspace):
        """Its administrator sees it in pg_stat_activity."""
        with workspace._hub.engine.connect() as connection:
            assert connection.scalar(text("SHOW application_name")) == "mlflow-workspace-plugin"

    def test_idle_connections_that_the_server_closed_are_replaced(
        self, server, workspace, run_id, hub_path, monkeypatch
    ):
        """A night, or a restart of the server, is not an error of the next call."""
        monkeypatch.setattr(database, "_IDLE_S", 0.0)
        terminate_all(server, hub_path)
        workspace.client.log_metric(run_id, "m", 1)
        assert workspace.client.get_run(run_id).data.metrics == {"m": 1}

    @pytest.mark.usefixtures("no_journal")
    def test_connection_that_was_just_used_is_not_asked(self, server, workspace, run_id, hub_path):
        """That would cost a round trip each time; its loss is one clear error, then forgotten."""
        terminate_all(server, hub_path)
        with pytest.raises(HubUnreachableError, match="cannot be reached"):
            workspace.client.log_metric(run_id, "m", 1)
        workspace.client.log_metric(run_id, "m", 2)
        assert workspace.client.get_run(run_id).data.metrics == {"m": 2}

    @pytest.mark.usefixtures("no_journal")
    def test_server_that_is_gone_is_named(self, tmp_path):
        """Hub, host, port, database, reason and remedy; on opening, and in the middle of work."""
        with postgresql() as gone:
            create_hub(tmp_path / "hub", database=gone.url())
            client = Workspace.create("team-a", hub=tmp_path / "hub").client
            run_id = client.create_run("0").info.run_id
        for call in (
            lambda: client.log_metric(run_id, "m", 1),
            lambda: Workspace.create("team-b", hub=tmp_path / "hub"),
            lambda: create_hub(tmp_path / "new", database=gone.url()),
        ):
            open_hub(tmp_path / "hub").engine.dispose()
            with pytest.raises(HubUnreachableError) as raised:
                call()
            assert f"(127.0.0.1:{gone.port}/postgres) cannot be reached" in raised.value.message
            assert str(tmp_path) in raised.value.message
            assert raised.value.error_code == "TEMPORARILY_UNAVAILABLE"

    def test_database_that_is_not_there_is_named(self, server, tmp_path):
        """With PostgreSQL's own words."""
        with pytest.raises(HubUnreachableError, match='database "nowhere" does not exist'):
            create_hub(tmp_path / "hub", database=server.url("nowhere"))


@pytest.mark.usefixtures("no_journal")
class TestTrouble:
    def test_read_only_database_is_named(self, server, workspace, run_id, hub_path):
        """A standby, or a database that was closed for writing; reading goes on."""
        name = workspace._hub.engine.url.database
        workspace.client.log_metric(run_id, "m", 1)
        server.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
        workspace._hub.engine.dispose()
        with pytest.raises(HubNotWritableError, match="read-only"):
            workspace.client.log_metric(run_id, "m", 2)
        assert workspace.client.get_run(run_id).data.metrics == {"m": 1}

    def test_table_that_stays_locked_is_named(self, server, workspace, run_id, hub_path):
        """Where the server limits waiting."""
        name = workspace._hub.engine.url.database
        server.execute(f"ALTER DATABASE \"{name}\" SET lock_timeout = '100ms'")
        workspace._hub.engine.dispose()
        with psycopg.connect(server.url(name).replace("+psycopg", "")) as other:
            other.execute("LOCK TABLE metrics")
            with pytest.raises(HubBusyError, match="lock timeout"):
                workspace.client.log_metric(run_id, "m", 1)
        workspace.client.log_metric(run_id, "m", 2)

    @pytest.mark.parametrize("retry", ["MLflow's", "ours"])
    def test_deadlocks_are_still_retried(self, server, workspace, retry):
        """The error that names the hub is one that MLflow's own retry, and ours, recognise."""
        first, second = (workspace.client.create_run("0").info.run_id for _ in range(2))
        store = build_tracking_store(workspace.get_mlflow_tracking_uri())
        update = "UPDATE runs SET name = '{}' WHERE run_uuid = '{}'"
        name = workspace._hub.engine.url.database
        other = psycopg.connect(server.url(name).replace("+psycopg", ""))
        # So that it is MLflow's transaction that PostgreSQL breaks off.
        other.execute("SET deadlock_timeout = '1min'")
        other.execute(update.format("other", first))
        attempts = []

        def in_other():
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            with psycopg.connect(server.url(name).replace("+psycopg", ""), autocommit=True) as look:
                while not look.execute(waiting).fetchone()[0]:
                    time.sleep(0.01)
            other.execute(update.format("other", second))
            other.commit()

        def in_mlflow():
            attempts.append(1)
            with store.ManagedSessionMaker(read_only=False) as session:
                session.execute(text(update.format("mlflow", second)))
                session.execute(text(update.format("mlflow", first)))

        thread = threading.Thread(target=in_other)
        thread.start()
        if retry == "ours":
            lost_races._again(in_mlflow)()
        else:
            store._run_with_deadlock_retry(in_mlflow)
        thread.join(60)
        other.close()
        assert len(attempts) >= 2
        names = {workspace.client.get_run(each).info.run_name for each in (first, second)}
        assert names == {"mlflow"}

    def test_failed_upgrade_changes_nothing(self, hub_path):
        """PostgreSQL undoes it as a whole, with what was done to our tables, and that is said."""
        columns = "SELECT * FROM information_schema.columns ORDER BY table_name, column_name"
        set_revision(hub_path, OLDER)  # the tables of later migrations are there already
        fill_with_early_tables(hub_path)
        before = execute(hub_path, columns)
        with pytest.raises(HubTooOldError, match=r"was not upgraded: .*is as it was before"):
            upgrade_hub(hub_path)
        assert execute(hub_path, columns) == before
        assert execute(hub_path, "SELECT version_num FROM alembic_version") == [(OLDER,)]

    def test_doctor_reports_the_server(self, workspace, hub_path):
        """Its version, the database, and an index whose building was broken off."""
        report = json.loads(command("doctor", "--hub", hub_path, "--json"))
        found = {each["subject"]: each["detail"] for each in report["findings"]}
        assert report["healthy"]
        assert found["hub database"] == workspace._hub.database_uri
        assert found["hub server"].startswith("PostgreSQL ")
        assert found["hub workspaces"] == "2"
        assert "hub journal mode" not in found
        assert "hub integrity" not in found
        execute(
            hub_path,
            "UPDATE pg_index SET indisvalid = false "
            "WHERE indexrelid = 'index_params_run_uuid'::regclass",
        )
        said = command("doctor", "--hub", hub_path, status=1)
        assert "REINDEX INDEX index_params_run_uuid" in said

    def test_database_that_was_emptied_is_named(self, server, hub_path):
        """A hub.toml that outlived its database says what to do."""
        execute(hub_path, "DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        said = command("doctor", "--hub", hub_path, status=1)
        assert "holds no tables of MLflow" in " ".join(said.split())
        assert "pg_restore" in " ".join(said.split())


def test_servers_workers_have_connections_of_their_own(workspace, hub_path, tmp_path):
    """Two workers of MLflow's server answer many clients at once, and all is stored."""
    port = free_port()
    arguments = command("ui", "--print", "--hub", hub_path, "--port", port).split()[1:]
    arguments[arguments.index("--workers") + 1] = "2"
    with serving(
        [sys.executable, "-m", "mlflow", *arguments], port, tmp_path / "log", cwd=tmp_path
    ) as address:
        client = MlflowClient(tracking_uri=address)
        mlflow.set_workspace("team-a")
        try:
            experiment = client.create_experiment("served")
            run_id = client.create_run(experiment).info.run_id
        finally:
            mlflow.set_workspace(None)
        failures = []

        def log(number):
            mlflow.set_workspace("team-a")
            try:
                for step in range(10):
                    client.log_metric(run_id, f"m{number}", step, step=step)
            except Exception as error:  # noqa: BLE001  whatever it is goes to the test
                failures.append(error)

        threads = [threading.Thread(target=log, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        mlflow.set_workspace(None)
    assert failures == []
    for number in range(8):
        assert len(workspace.client.get_metric_history(run_id, f"m{number}")) == 10


def lose(engine, what):
    """Let the connection of the next transaction that writes be lost.

    Args:
        engine: whose connection.
        what: the answer to its commit, or the commit itself.

    Returns:
        A list, which gets what was lost.
    """
    lost = []

    @event.listens_for(engine, "before_cursor_execute")
    def _execute(connection, _cursor, statement, *_):
        if statement.lstrip().startswith("INSERT") and not lost:
            connection.info["writes"] = True

    @event.listens_for(engine, "commit")
    def _commit(connection):
        if connection.info.pop("writes", False) and not lost:
            lost.append(what)
            driver = connection.connection.driver_connection
            if what == "answer":
                driver.commit()
            driver.close()

    return lost


UNREACHABLE = """
import sys
from mlflow import MlflowClient
client = MlflowClient(sys.argv[1], sys.argv[1])
client.create_run("0")
with open("ready", "w"):
    pass
while True:
    client.search_runs(["0"])
"""


class TestWhatIsSaid:
    def test_server_that_is_gone_is_one_sentence(self, tmp_path, run_python, monkeypatch):
        """On the screen of a script; not the hundreds of lines of statements and stacks before."""
        monkeypatch.setenv("MLFLOW_WORKSPACE_WAIT", "1")
        with postgresql() as server:
            create_hub(tmp_path / "hub", database=server.url())[0].engine.dispose()
            uri = Workspace.create("team-a", hub=tmp_path / "hub").get_mlflow_tracking_uri()
            stop = threading.Thread(target=stop_when_ready, args=(server, tmp_path / "ready"))
            stop.start()
            done = run_python("-c", UNREACHABLE, uri, check=False)
            stop.join()
        said = done.stderr
        assert done.returncode == 1
        assert "NoAnswerError" in said.splitlines()[-1]
        assert "cannot be reached" in said.splitlines()[-1]
        assert len(said.splitlines()) < 40, said
        assert ".. " not in said.replace("...", "")
        assert "sqlalche.me" not in said

    def test_all_of_it_is_logged_for_debugging(self, workspace, caplog):
        """The statement and the stack that the sentence leaves out."""
        store = open_workspace_store(workspace.get_mlflow_tracking_uri())
        with caplog.at_level(logging.DEBUG), pytest.raises(UnstorableValueError):
            store.create_experiment("a\0b")
        assert "INSERT INTO experiments" in caplog.text
        assert "Traceback" in caplog.text

    def test_commands_say_what_they_did_not_expect(self, workspace, hub_path):
        """In the words of the database, without the statement."""
        engine = open_hub(hub_path).engine
        with engine.begin() as connection:
            connection.execute(text("DROP TABLE workspace_plugin_workspaces"))
        done = CliRunner().invoke(main, ["list", "--hub", str(hub_path)])
        assert done.exit_code == 1
        assert done.output == 'Error: relation "workspace_plugin_workspaces" does not exist.\n'

    def test_connection_that_is_lost_in_use_is_no_stack(self, workspace, hub_path, caplog):
        """SQLAlchemy's pool logs one where it cannot reset the connection that comes back."""
        engine = open_hub(hub_path).engine
        connection = engine.raw_connection()
        cursor = connection.cursor()
        pid = cursor.execute("SELECT pg_backend_pid()").fetchone()
        with engine.connect() as other:
            other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid[0]})
        with pytest.raises(psycopg.OperationalError):
            cursor.execute("SELECT 1")
        connection.close()
        assert "Traceback" not in caplog.text
        assert workspace.client.search_experiments() == []


def stop_when_ready(server, ready):
    wait_until(ready.exists, timeout_s=60)
    server.stop()


class TestLostAnswers:
    """A server that stored something may be gone before it could say so."""

    @pytest.mark.parametrize("what", ["answer", "commit"])
    def test_run_is_created_once(self, workspace, client, what):
        """The call is made again, and is about the same run."""
        experiment = client.create_experiment("experiment")
        lost = lose(workspace._hub.engine, what)
        created = client.create_run(experiment, tags={"a": "b"})
        assert lost
        (found,) = client.search_runs(experiment)
        assert found.info.run_id == created.info.run_id
        assert found.info.run_name == created.info.run_name
        assert found.data.tags == created.data.tags

    @pytest.mark.parametrize(
        ("create", "names"),
        [
            (
                lambda client: client.create_experiment("new"),
                lambda client: [each.name for each in client.search_experiments()],
            ),
            (
                lambda client: client.create_registered_model("new"),
                lambda client: [each.name for each in client.search_registered_models()],
            ),
            (
                lambda client: client.create_logged_model("0", "new"),
                lambda client: [
                    each.name
                    for each in client.search_logged_models(
                        [each.experiment_id for each in client.search_experiments()]
                    )
                ],
            ),
        ],
        ids=["experiment", "registered model", "logged model"],
    )
    def test_what_may_be_stored_is_not_created_twice(self, workspace, client, create, names):
        """The error says that it may be there, as it is."""
        client.create_run("0")
        assert lose(workspace._hub.engine, "answer") == []
        with pytest.raises(NoAnswerError, match="went away while it stored this"):
            create(client)
        assert names(client).count("new") == 1

    def test_what_is_not_stored_is_created_again(self, workspace, client):
        """The connection was lost before the commit."""
        engine, lost = workspace._hub.engine, []

        @event.listens_for(engine, "before_cursor_execute")
        def _close(connection, _cursor, statement, *_):
            if statement.lstrip().startswith("INSERT INTO experiments") and not lost:
                lost.append(statement)
                connection.connection.driver_connection.close()

        experiment = client.create_experiment("new")
        assert lost
        assert client.get_experiment_by_name("new").experiment_id == experiment


class TestSnapshots:
    @pytest.fixture
    def code(self, tmp_path):
        (tmp_path / "code").mkdir()
        (tmp_path / "code" / "train.py").write_text("print('up')")
        return tmp_path / "code"

    def test_lock_that_the_server_lost(self, server, workspace, hub_path, code, run_id, tmp_path):
        """What others freed before the run named it is stored again: it can be restored."""
        snapshots = snapshots_of(workspace.get_mlflow_tracking_uri())
        with snapshots.keeping(code) as snapshot_id:
            terminate_all(server, hub_path)
            command("gc", "--workspace", "team-a", "--hub", hub_path)
            assert not snapshots.holds(snapshot_id)
            workspace.tracking_store.set_tag_now(run_id, RunTag(SNAPSHOT_TAG, snapshot_id))
        snapshots.restore(snapshot_id, tmp_path / "restored")
        assert (tmp_path / "restored" / "train.py").read_text() == "print('up')"

    def test_lock_that_gc_lost(self, server, workspace, hub_path, code, run_id, monkeypatch):
        """What a run names since then is not freed."""
        snapshots = snapshots_of(workspace.get_mlflow_tracking_uri())
        with snapshots.keeping(code) as snapshot_id:
            pass
        answers = []

        def named_before(self, *without):
            answers.append(named(self, *without))
            # The second time, the lock is held.
            if len(answers) == 2:
                terminate_all(server, hub_path)
                with snapshots.keeping(code):
                    workspace.tracking_store.set_tag_now(run_id, RunTag(SNAPSHOT_TAG, snapshot_id))
            return answers[-1]

        named = SnapshotGarbage._named
        monkeypatch.setattr(SnapshotGarbage, "_named", named_before)
        SnapshotGarbage(open_hub(hub_path), "team-a").free()
        assert len(answers) > 2
        assert snapshots.holds(snapshot_id)

    def test_run_that_cannot_name_it(self, server, workspace, code, monkeypatch):
        """It has none, also later: until then it might be freed."""
        run = Experiment(workspace, "e").start_logging(outputs=None)
        keeping = Snapshots.keeping

        @contextlib.contextmanager
        def keeping_as_the_server_stops(self, source):
            try:
                with keeping(self, source) as snapshot_id:
                    server.stop()
                    yield snapshot_id
            finally:
                server.start()

        with monkeypatch.context() as patch:
            patch.setattr(Snapshots, "keeping", keeping_as_the_server_stops)
            patch.setenv("MLFLOW_WORKSPACE_WAIT", "1")
            with pytest.raises(SnapshotException, match="did not answer for 1 s"):
                run.take_snapshot(code)
        assert workspace.tracking_store.flush(60)
        assert run.get_snapshot_id() is None
        assert run.take_snapshot(code) == run.get_snapshot_id()
        run.complete()
