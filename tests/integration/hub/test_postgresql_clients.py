"""Hubs on PostgreSQL and those that use them: connections, log-ins, upgrades while others work."""

import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner
from sqlalchemy.exc import OperationalError

from mlflow_workspace_plugin import Workspace
from mlflow_workspace_plugin.cli import main
from mlflow_workspace_plugin.errors import (
    HubBusyError,
    HubSettingsError,
    HubTooOldError,
    HubUnreachableError,
)
from mlflow_workspace_plugin.hub.databases import schema
from mlflow_workspace_plugin.hub.hub import create_hub, open_hub, upgrade_hub
from tests.conftest import write_settings
from tests.hubs import older_hub
from tests.listener import relay
from tests.postgres import postgresql
from tests.python_processes import WAIT_FOR_THE_OTHERS, run_at_once
from tests.waiting import wait_until

SECRET = "pass:word\\with@signs"

MANY_PROCESSES = """
import multiprocessing, sys
from mlflow_workspace_plugin import Workspace
from mlflow_workspace_plugin.hub.databases import schema
import mlflow_workspace_plugin.stores.build

def train(number):
    client = Workspace.create("team-a", hub=sys.argv[1], exist_ok=True).client
    run_id = client.create_run("0").info.run_id
    for step in range(20):
        client.log_metric(run_id, "m", step, step=step)
    client.log_param(run_id, "number", number)
    client.set_terminated(run_id)

# What takes long and needs no database, once for all.
schema.head_revision()
context = multiprocessing.get_context("fork")
processes = [context.Process(target=train, args=(number,)) for number in range(50)]
for process in processes:
    process.start()
for process in processes:
    process.join()
print([process.exitcode for process in processes])
"""

# Forced, as the other one, which waits for the lock, is connected.
UPGRADE = f"""
{WAIT_FOR_THE_OTHERS}
import os
from pathlib import Path
from mlflow_workspace_plugin.hub.hub import upgrade_hub

done = upgrade_hub(Path(sys.argv[1]), force=True)
Path(f"done-{{os.getpid()}}").write_text("upgraded" if done else "nothing to do")
"""


def test_fifty_processes_share_twenty_connections(tmp_path, run_python):
    """They wait for one another: none fails, and all that they logged is there."""
    hub = tmp_path / "hub"
    with postgresql(max_connections="20") as server:
        made, _ = create_hub(hub, database=server.url())
        made.engine.dispose()
        done = run_python("-c", MANY_PROCESSES, str(hub), MLFLOW_WORKSPACE_WAIT="280")
        assert done.stdout.strip() == str([0] * 50), done.stderr[-4000:]
        client = Workspace.get("team-a", hub=hub).client
        runs = client.search_runs(["0"])
        assert {run.data.params["number"] for run in runs} == {str(each) for each in range(50)}
        assert {run.info.status for run in runs} == {"FINISHED"}
        for run in runs:
            history = client.get_metric_history(run.info.run_id, "m")
            assert [each.value for each in history] == list(range(20))
        open_hub(hub).engine.dispose()


def test_who_waits_for_a_second_connection_gives_up_the_first(tmp_path, monkeypatch):
    """Or all would wait for one another, for as long as they may."""
    with postgresql(max_connections="5") as server:
        made, _ = create_hub(tmp_path / "hub", database=server.url())
        made.engine.dispose()
        monkeypatch.setenv("MLFLOW_WORKSPACE_WAIT", "100000")
        url = server.url().replace("+psycopg", "")
        others = [psycopg.connect(url) for _ in range(4)]
        with made.engine.connect(), pytest.raises(OperationalError, match="too many clients"):
            made.engine.connect()
        # The server notices a moment later.
        wait_until(lambda: count_connected(others[0]) == len(others))
        psycopg.connect(url).close()
        others.pop().close()
        with made.engine.connect(), made.engine.connect():
            pass
        made.engine.dispose()
        for each in others:
            each.close()


def count_connected(connection) -> int:
    """How many clients a server has."""
    of_clients = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
    with connection.transaction():
        return connection.execute(of_clients).fetchone()[0]


def test_server_that_stays_full_is_an_error(tmp_path, monkeypatch):
    """After the time that a call may wait, in PostgreSQL's words."""
    monkeypatch.setenv("MLFLOW_WORKSPACE_WAIT", "1")
    with postgresql(max_connections="5") as server:
        others = [psycopg.connect(server.url().replace("+psycopg", "")) for _ in range(5)]
        with pytest.raises(HubUnreachableError, match="too many clients"):
            create_hub(tmp_path / "hub", database=server.url())
        for each in others:
            each.close()
        create_hub(tmp_path / "hub", database=server.url())[0].engine.dispose()


IN_ANOTHER_LANGUAGE = (
    (b"sorry, too many clients already", b"es sind keine Plaetze mehr frei"),
    (b'database "nowhere" does not exist', b'Datenbank "nowhere" gibt es nicht'),
)


def in_another_language(data: bytes) -> bytes:
    """What a server says, as if its lc_messages were another; the codes are the same."""
    for english, other in IN_ANOTHER_LANGUAGE:
        assert len(english) == len(other)
        data = data.replace(english, other)
    return data


def test_waiting_for_a_connection_in_any_language(tmp_path, monkeypatch):
    """A server that is full is known by its code; what else it refuses is an error at once."""
    monkeypatch.setenv("MLFLOW_WORKSPACE_WAIT", "100000")
    with (
        postgresql(max_connections="5") as server,
        relay(server.port, in_another_language) as port,
    ):
        url = server.url().replace(str(server.port), str(port))
        others = [psycopg.connect(server.url().replace("+psycopg", "")) for _ in range(5)]
        with pytest.raises(psycopg.OperationalError, match="keine Plaetze mehr"):
            psycopg.connect(url.replace("+psycopg", ""))
        waiting = ThreadPoolExecutor(1).submit(create_hub, tmp_path / "hub", database=url)
        with pytest.raises(TimeoutError):
            waiting.result(3)
        for each in others:
            each.close()
        waiting.result(100)[0].engine.dispose()
        with pytest.raises(HubUnreachableError, match='Datenbank "nowhere" gibt es nicht'):
            create_hub(tmp_path / "nowhere", database=url.removesuffix("postgres") + "nowhere")


def test_server_that_is_too_old_is_refused(server, tmp_path):
    """With the version that it tells, and what to do; nothing is made."""

    def older(data):
        return data.replace(b"server_version\x0015.", b"server_version\x0014.")

    with relay(server.port, older) as port:
        url = server.url().replace(str(server.port), str(port))
        with pytest.raises(HubSettingsError, match=r"is PostgreSQL 14\..*need PostgreSQL 15"):
            create_hub(tmp_path / "hub", database=url)
    assert not (tmp_path / "hub" / "hub.toml").exists()


@pytest.fixture
def older(server, tmp_path):
    """A hub on PostgreSQL that an older MLflow made."""
    url = server.create_database(f"older_{tmp_path.name}"[:60])
    yield older_hub(tmp_path / "older", url)
    server.drop_database(url)


@pytest.mark.store
class TestUpgradingWhileOthersWork:
    def test_others_are_named_and_nothing_is_done(self, server, older):
        """By program, user and host; without the password that is in nobody's business."""
        url = open_url(older)
        program = "nightly training"
        with psycopg.connect(url, application_name=program, password="S3cret"):
            with pytest.raises(HubBusyError) as raised:
                upgrade_hub(older)
            assert "1 x nightly training of postgres on 127.0.0.1" in raised.value.message
            assert "S3cret" not in raised.value.message
            with pytest.raises(HubTooOldError):
                open_hub(older)
            done = CliRunner().invoke(main, ["hub", "upgrade", str(older)])
            assert done.exit_code == 1
            assert program in done.output
            assert "--force" in done.output
        assert upgrade_hub(older) is not None

    def test_a_user_without_special_rights_sees_them_too(self, server, older):
        """Who owns the hub's database, and no other right."""
        url = open_url(older)
        name = url.rpartition("/")[2]
        server.execute("CREATE ROLE owner LOGIN")
        try:
            server.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO owner", name)
            settings = older / "hub.toml"
            write_settings(older, settings.read_text().replace("postgres@", "owner@"))
            with (
                psycopg.connect(url, application_name="theirs"),
                pytest.raises(HubBusyError, match="1 x theirs of postgres"),
            ):
                upgrade_hub(older)
        finally:
            server.execute("DROP OWNED BY owner; DROP ROLE owner", name)

    def test_force(self, older):
        """Upgrades nevertheless, by the command that the error names."""
        with psycopg.connect(open_url(older), autocommit=True):
            done = CliRunner().invoke(main, ["hub", "upgrade", str(older), "--force"])
            assert done.exit_code == 0, done.output
        assert schema.current_revision(open_hub(older).engine) == schema.head_revision()

    def test_hub_that_is_up_to_date_may_be_in_use(self, server, postgresql_template, tmp_path):
        """Then there is nothing to refuse."""
        url = server.create_database(f"new_{tmp_path.name}"[:60], postgresql_template)
        create_hub(tmp_path / "hub", database=url)
        with psycopg.connect(url.replace("+psycopg", "")):
            assert upgrade_hub(tmp_path / "hub") is None
        server.drop_database(url)

    def test_upgrades_come_one_after_another(self, older):
        """Two at once: one migrates, the other waits and then finds nothing to do."""
        run_at_once([("-c", UPGRADE, str(older)), ("-c", UPGRADE, str(older))])
        assert schema.current_revision(open_hub(older).engine) == schema.head_revision()
        assert sorted(each.read_text() for each in Path().glob("done-*")) == [
            "nothing to do",
            "upgraded",
        ]


def open_url(hub: Path) -> str:
    """The URL of a hub's database, for libpq."""
    return (hub / "hub.toml").read_text().split('"')[1].replace("+psycopg", "")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """A folder with a certificate for localhost, its key, that of who signed it, and another's."""
    folder = tmp_path_factory.mktemp("certificates")

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    new = ("req", "-new", "-nodes", "-newkey", "rsa:2048")
    for authority in ("authority", "stranger"):
        keys = ("-keyout", f"{authority}.key", "-out", f"{authority}.crt")
        openssl(*new, "-x509", "-subj", f"/CN={authority}", "-days", "2", *keys)
    openssl(*new, "-subj", "/CN=localhost", "-keyout", "server.key", "-out", "server.csr")
    (folder / "names").write_text("subjectAltName=DNS:localhost")
    signed = ("-CA", "authority.crt", "-CAkey", "authority.key", "-CAcreateserial")
    made = ("-in", "server.csr", "-out", "server.crt", "-extfile", "names", "-days", "2")
    openssl("x509", "-req", *made, *signed)
    return folder


@pytest.fixture(scope="module")
def tls_server(certificates):
    """A server that speaks TLS, where alice needs a password."""
    with postgresql() as server:
        for name in ("server.key", "server.crt"):
            copy = server.folder / "data" / name
            shutil.copyfile(certificates / name, copy)
            copy.chmod(0o600)
            status = (server.folder / "data").stat()
            os.chown(copy, status.st_uid, status.st_gid)
        server.execute("ALTER SYSTEM SET ssl = on")
        access = server.folder / "data" / "pg_hba.conf"
        access.write_text("host all bob 127.0.0.1/32 password\n" + access.read_text())
        server.execute(f"CREATE ROLE bob SUPERUSER LOGIN PASSWORD '{SECRET}'")
        server.execute(f"CREATE ROLE alice LOGIN PASSWORD '{SECRET}' IN ROLE password")
        server.execute("SELECT pg_reload_conf()")
        yield server


@pytest.fixture
def of_alice(tls_server, tmp_path):
    """The name of an empty database of alice's."""
    name = f"alice_{tmp_path.name}"[:60]
    tls_server.create_database(name)
    tls_server.execute(f'ALTER DATABASE "{name}" OWNER TO alice')
    tls_server.execute("GRANT ALL ON SCHEMA public TO alice", name)
    yield name
    tls_server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def encryption(hub):
    with hub.engine.connect() as connection:
        return connection.exec_driver_sql(
            "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
        ).scalar()


@pytest.mark.usefixtures("no_journal")
class TestLoggingIn:
    """Everything that libpq knows, which is what connects."""

    def test_certificate_and_password_file(
        self, tls_server, of_alice, certificates, tmp_path, monkeypatch
    ):
        """The server's name is checked, the password is looked up; neither is anywhere else."""
        passwords = tmp_path / "pgpass"
        escaped = SECRET.replace("\\", "\\\\").replace(":", "\\:")
        passwords.write_text(f"localhost:{tls_server.port}:*:alice:{escaped}\n")
        passwords.chmod(0o600)
        monkeypatch.setenv("PGPASSFILE", str(passwords))
        url = (
            f"postgresql://alice@localhost:{tls_server.port}/{of_alice}"
            f"?sslmode=verify-full&sslrootcert={certificates}/authority.crt"
        )
        done = CliRunner().invoke(main, ["hub", "init", str(tmp_path / "hub"), "--database", url])
        assert done.exit_code == 0, done.output
        workspace = Workspace.create("team-a", hub=tmp_path / "hub")
        run_id = workspace.client.create_run("0").info.run_id
        workspace.client.log_metric(run_id, "m", 1)
        assert workspace.client.get_run(run_id).data.metrics == {"m": 1}
        hub = open_hub(tmp_path / "hub")
        assert encryption(hub).startswith("TLSv1")
        said = CliRunner().invoke(main, ["doctor", "--hub", str(hub.path)]).output
        written = [each.read_text() for each in hub.path.rglob("*") if each.is_file()]
        for text in (done.output, said, repr(hub), hub.rows, *written):
            assert SECRET not in text
        assert "sslmode=verify-full" in said

    @pytest.mark.parametrize(
        ("host", "authority", "reason"),
        [
            ("localhost", "stranger", "certificate verify failed"),
            ("127.0.0.1", "authority", "does not match host name"),
        ],
    )
    def test_wrong_server_is_refused(
        self, tls_server, certificates, tmp_path, monkeypatch, host, authority, reason
    ):
        """Before the password is sent; the error says why, and does not repeat it."""
        monkeypatch.setenv("ALICES_PASSWORD", SECRET)
        url = (
            f"postgresql://alice:${{ALICES_PASSWORD}}@{host}:{tls_server.port}/postgres"
            f"?sslmode=verify-full&sslrootcert={certificates}/{authority}.crt"
        )
        with pytest.raises(HubUnreachableError, match=reason) as raised:
            create_hub(tmp_path / "hub", database=url)
        assert SECRET not in str(raised.value)
        assert not (tmp_path / "hub" / "hub.toml").exists()

    def test_password_in_clear_text_through_tls(self, tls_server, of_alice, tmp_path, monkeypatch):
        """As of directories and log-ins of clouds; what is wrong is said as elsewhere."""
        monkeypatch.setenv("BOBS_PASSWORD", SECRET)
        # This machine, by an address that nobody knows for its own.
        place = f"bob:${{BOBS_PASSWORD}}@0.0.0.0:{tls_server.port}/{of_alice}"
        for number, options in enumerate(("", "?sslmode=disable", "?require_auth=password")):
            hub, _ = create_hub(
                tmp_path / f"hub-{number}", database=f"postgresql://{place}{options}"
            )
            assert encryption(hub).startswith("TLSv1")
            hub.engine.dispose()
        monkeypatch.setenv("BOBS_PASSWORD", "wrong")
        with pytest.raises(HubUnreachableError, match="password authentication failed"):
            create_hub(tmp_path / "other", database=f"postgresql://{place}")

    def test_service_file(self, tls_server, of_alice, certificates, tmp_path, monkeypatch):
        """One name for host, database, user, password and certificate: hub.toml holds no other."""
        services = tmp_path / "services"
        services.write_text(
            f"[team]\nhost=localhost\nport={tls_server.port}\ndbname={of_alice}\nuser=alice\n"
            f"password={SECRET}\nsslmode=verify-full\nsslrootcert={certificates}/authority.crt\n"
        )
        monkeypatch.setenv("PGSERVICEFILE", str(services))
        hub, _ = create_hub(tmp_path / "hub", database="postgresql://?service=team")
        assert hub.rows == "postgresql+psycopg://?service=team"
        assert encryption(hub).startswith("TLSv1")
        assert Workspace.create("team-a", hub=hub.path).experiments == {}
        hub.engine.dispose()
        monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "none"))
        with pytest.raises(HubUnreachableError, match="service team"):
            Workspace.create("team-b", hub=hub.path)
