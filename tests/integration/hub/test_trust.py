"""Secrets go only where this user has said that they may, whatever comes with a folder."""

import json
import os
import shutil
from pathlib import Path

import mlflow
import pytest
from click.testing import CliRunner
from mlflow.exceptions import MlflowException

from mlflow_workspace_plugin import Workspace
from mlflow_workspace_plugin.cli import main
from mlflow_workspace_plugin.errors import (
    HubError,
    HubNotTrustedError,
    HubNotWritableError,
    HubSettingsError,
    HubUnreachableError,
)
from mlflow_workspace_plugin.hub import trust
from mlflow_workspace_plugin.hub.files.folder import HubFolder
from mlflow_workspace_plugin.hub.hub import create_hub, open_hub, upgrade_hub
from tests.azurite import ACCOUNT
from tests.conftest import write_settings
from tests.fault_proxy import fault_proxy
from tests.listener import listening
from tests.python_processes import run_at_once

SECRET = "S3cret-of-the-user"
SAS = f"sv=2024-11-04&sr=c&sp=racwdl&sig={SECRET}"


@pytest.fixture(autouse=True)
def secrets(monkeypatch, tmp_path):
    """What a user has in the environment and at home, and a record of trust of his own."""
    passwords = tmp_path / "pgpass"
    passwords.write_text(f"*:*:*:*:{SECRET}\n")
    passwords.chmod(0o600)
    services = tmp_path / "services"
    services.write_text(f"[team]\npassword={SECRET}\ndbname=d\nuser=u\n")
    for name in ("PGPASSWORD", "OTHER_SECRET"):
        monkeypatch.setenv(name, SECRET)
    monkeypatch.setenv("PGPASSFILE", str(passwords))
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    monkeypatch.setenv("AZURE_STORAGE_SAS_TOKEN", SAS)
    monkeypatch.setenv("MLFLOW_WORKSPACE_WAIT", "1")
    monkeypatch.setenv("MLFLOW_WORKSPACE_TRUST_FILE", str(tmp_path / "config" / "trusted.json"))


@pytest.fixture
def record(tmp_path):
    """The user's record."""
    return tmp_path / "config" / "trusted.json"


@pytest.fixture
def stranger():
    """A server of a stranger's."""
    with listening() as started:
        yield started


@pytest.fixture
def hub(sqlite_template, tmp_path):
    """The folder of a hub, in which a stranger writes."""
    return shutil.copytree(sqlite_template, tmp_path / "hub")


def command(*arguments, status=0, typed=None):
    done = CliRunner().invoke(main, [str(each) for each in arguments], input=typed)
    assert done.exit_code == status, done.output
    return done.output


DATABASES = [
    "postgresql://x:${OTHER_SECRET}@HERE/d",
    "postgresql://${OTHER_SECRET}@HERE/d",
    "postgresql://u@HERE/${OTHER_SECRET}",
    "postgresql://u@HERE/d?application_name=${OTHER_SECRET}",
    "postgresql://u@HERE/d?options=-c%20x.y=%24%7BOTHER_SECRET%7D",
    "postgresql://u@${OTHER_SECRET}.example.invalid/d",
    "postgresql://u@HERE/d",
    "postgresql://u@localhost,HERE/d",
    "postgresql://HERE/?service=team",
    "postgresql://u@db.example.com:PORT/d?hostaddr=127.0.0.1",
    "postgresql://u@/d?host=127.0.0.1&port=PORT&sslmode=disable&gssencmode=disable",
    "postgresql:///d?host=HERE&user=u",
]


@pytest.mark.parametrize("url", DATABASES)
def test_database_of_a_stranger_hears_nothing(tmp_path, hub, stranger, url, monkeypatch):
    """A config.json in a folder above leads to the hub; no connection is made at all."""
    url = url.replace("HERE", stranger.address).replace("PORT", str(stranger.port))
    (hub / "hub.toml").write_text(f'database = "{url}"\n')
    (tmp_path / ".azureml").mkdir()
    tracking_uri = f"workspace://{hub}/default"
    (tmp_path / ".azureml" / "config.json").write_text(
        json.dumps(
            {
                "subscription_id": "0",
                "resource_group": "r",
                "workspace_name": "default",
                "tracking_uri": tracking_uri,
            }
        )
    )
    (tmp_path / "project" / "scripts").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "project" / "scripts")
    mlflow.set_tracking_uri(tracking_uri)
    for call in (
        Workspace.from_config,
        mlflow.search_experiments,
        lambda: create_hub(hub),
        lambda: upgrade_hub(hub),
        lambda: mlflow.artifacts.download_artifacts("mlflow-artifacts:/workspaces/default/0/x"),
    ):
        with pytest.raises(HubNotTrustedError, match="mlflow-workspace hub trust") as raised:
            call()
        assert SECRET not in str(raised.value)
    assert stranger.connections == 0


@pytest.mark.parametrize(
    "uri",
    [
        "azure://acct/cont/p?endpoint=http://HERE/acct",
        "azure://acct/cont/p?credential=${OTHER_SECRET}&endpoint=http://HERE/acct",
        "wasbs://cont@acct.blob.example.invalid/p",
        "azure://acct/cont",
    ],
)
def test_storage_of_a_stranger_hears_nothing(hub, stranger, uri, run_python):
    """Nor is what could speak to it loaded."""
    (hub / "hub.toml").write_text(f'artifacts = "{uri.replace("HERE", stranger.address)}"\n')
    script = (
        "import sys, mlflow\n"
        "from mlflow_workspace_plugin.errors import HubNotTrustedError\n"
        "for call in (mlflow.search_experiments, lambda: mlflow.log_text('x', 'y')):\n"
        "    try:\n"
        "        call()\n"
        "    except HubNotTrustedError as error:\n"
        "        print(type(error).__name__)\n"
        "print('azure.storage.blob' in sys.modules, 'azure.identity' in sys.modules)\n"
    )
    done = run_python("-c", script, MLFLOW_TRACKING_URI=f"workspace://{hub}/default")
    assert done.stdout.split() == ["HubNotTrustedError"] * 2 + ["False"] * 2, done.stderr
    assert stranger.connections == 0


@pytest.mark.parametrize("setting", ["database", "artifacts"])
def test_no_command_speaks_to_a_stranger(hub, stranger, setting, tmp_path):
    """Each says what to do instead, with an exit code; ``doctor`` and ``sync`` in their tables."""
    place = {
        "database": f"postgresql://u@{stranger.address}/d",
        "artifacts": f"azure://acct/cont/p?endpoint=http://{stranger.address}/acct",
    }
    (hub / "hub.toml").write_text(f'{setting} = "{place[setting]}"\n')
    for arguments in (
        *(["list"], ["show", "default"], ["where"], ["where", "0" * 32], ["create", "team-a"]),
        *(["runs", "--workspace", "default"], ["metrics", "0" * 32], ["verify", "0" * 32]),
        *(["gc", "--all-workspaces"], ["gc", "--workspace", "default", "--dry-run"]),
        *(["ui"], ["ui", "--print"], ["doctor", "--json"]),
    ):
        assert "hub trust" in command(*arguments, "--hub", hub, status=1), arguments
    assert "hub trust" in command("hub", "upgrade", hub, status=1)
    assert "hub trust" in command("hub", "init", hub, status=1)
    assert stranger.connections == 0


def test_what_waits_is_not_sent_to_a_place_that_was_exchanged(hub, stranger, run_python, record):
    """It is kept, for the hub that it was logged to."""
    script = (
        "import os, sys\n"
        "from mlflow_workspace_plugin import Workspace\n"
        "client = Workspace.create('team-a', hub=sys.argv[1]).client\n"
        "run_id = client.create_run('0').info.run_id\n"
        "client.log_metric(run_id, 'm', 1)\n"
        "print(run_id, flush=True)\n"
        "os._exit(0)\n"
    )
    run_id = run_python("-c", script, str(hub)).stdout.split()[-1]
    (hub / "hub.toml").write_text(f'database = "postgresql://u@{stranger.address}/d"\n')
    for arguments in (["sync"], ["sync", "--status"]):
        assert "hub trust" in command(*arguments, "--json", status=1)
    assert stranger.connections == 0
    (hub / "hub.toml").unlink()
    command("sync")
    client = Workspace.get("team-a", hub=hub).client
    assert client.get_run(run_id).data.metrics == {"m": 1}
    assert not record.exists()


@pytest.mark.store
class TestOwnRecord:
    @pytest.fixture
    def url(self, server, tmp_path):
        """The URL of an empty database."""
        url = server.create_database(f"trust_{tmp_path.name}"[:60])
        yield url
        server.drop_database(url)

    def test_own_hub_init_is_trust(self, url, tmp_path, record, run_python, monkeypatch):
        """In a record of the user's alone; the place counts, by whatever path it is named."""
        monkeypatch.delenv("PGPASSWORD")
        command("hub", "init", tmp_path / "hub", "--database", url)
        assert record.stat().st_mode & 0o777 == 0o600
        assert record.parent.stat().st_mode & 0o777 == 0o700
        assert [each["uri"] for each in json.loads(record.read_text())] == [url]
        (tmp_path / "link").symlink_to(tmp_path / "hub")
        shutil.copytree(tmp_path / "hub", tmp_path / "copy")
        for path in ("hub", "link", "copy", "hub/../hub"):
            assert "default" in command("list", "--hub", tmp_path / path)
        script = (
            "import sys, multiprocessing\n"
            "from pathlib import Path\n"
            "from mlflow_workspace_plugin.hub.hub import open_hub\n"
            "import mlflow_workspace_plugin.stores.build\n"
            "def opened(): open_hub(Path(sys.argv[1]))\n"
            "child = multiprocessing.get_context('fork').Process(target=opened)\n"
            "child.start(); child.join(); print(child.exitcode)\n"
        )
        assert run_python("-c", script, str(tmp_path / "hub")).stdout.split() == ["0"]

    @pytest.mark.parametrize(
        "change",
        [
            lambda url, stranger: url.replace(url.split("@")[1].split("/")[0], stranger.address),
            lambda url, _: url.replace("postgres@", "${OTHER_SECRET}@"),
            lambda url, _: url + "?application_name=${OTHER_SECRET}",
            lambda url, stranger: f"{url}?hostaddr=127.0.0.1".replace(
                url.rpartition(":")[2].split("/")[0], str(stranger.port)
            ),
            lambda url, _: url + "?sslmode=disable",
        ],
    )
    def test_what_was_changed_asks_again(self, url, tmp_path, stranger, change):
        """Another host, one more variable, any other option; and is refused until then."""
        hub = tmp_path / "hub"
        create_hub(hub, database=url)
        settings = hub / "hub.toml"
        before = settings.read_text()
        changed = change(url, stranger)
        assert changed != url
        settings.write_text(before.replace(url, changed))
        with pytest.raises(HubNotTrustedError, match="changed since"):
            open_hub(hub)
        with pytest.raises(HubNotTrustedError):
            create_hub(hub, database=url)
        assert stranger.connections == 0
        settings.write_text(before)
        open_hub(hub)

    def test_artifacts_beside_a_trusted_database(self, url, tmp_path):
        """Who names the one has not named the other."""
        hub = tmp_path / "hub"
        create_hub(hub, database=url)
        with (hub / "hub.toml").open("a") as settings:
            settings.write('artifacts = "azure://acct/cont?endpoint=http://127.0.0.1:9/acct"\n')
        with pytest.raises(HubNotTrustedError, match=r"artifacts = azure://acct/cont") as raised:
            create_hub(hub, database=url)
        assert url not in raised.value.message

    def test_environment_that_names_the_folder(self, url, tmp_path, record, monkeypatch):
        """For containers, whatever the path; relative ones count nothing, as they name any."""
        hub = tmp_path / "hub"
        create_hub(hub, database=url)
        record.unlink()
        (tmp_path / "link").symlink_to(hub)
        for names in (
            "hub",
            ".",
            "",
            ":",
            f"{tmp_path}:",
            str(tmp_path / "none"),
            "~nobody-at-all",
        ):
            monkeypatch.setenv("MLFLOW_WORKSPACE_TRUST", names)
            with pytest.raises(HubNotTrustedError):
                open_hub(tmp_path / "link")
        monkeypatch.setenv("MLFLOW_WORKSPACE_TRUST", "hub")
        with pytest.raises(HubNotTrustedError, match="only full paths count"):
            open_hub(tmp_path / "link")
        for names in (f"/nowhere:{hub}", str(tmp_path / "link"), f"{tmp_path}/hub/../hub/"):
            monkeypatch.setenv("MLFLOW_WORKSPACE_TRUST", names)
            assert trust.load_trusted_settings(HubFolder(hub)).database == url
        open_hub(tmp_path / "link")
        assert not record.exists()

    def test_container_without_a_home(self, url, tmp_path, monkeypatch):
        """Where nothing can be recorded the environment is enough, and without it an error."""
        monkeypatch.setenv("MLFLOW_WORKSPACE_TRUST_FILE", "/dev/null/trusted.json")
        hub = tmp_path / "hub"
        with pytest.raises(HubNotWritableError, match="MLFLOW_WORKSPACE_TRUST"):
            create_hub(hub, database=url)
        monkeypatch.setenv("MLFLOW_WORKSPACE_TRUST", str(hub))
        create_hub(hub, database=url)

    def test_folder_that_is_exchanged_while_it_is_read(self, url, tmp_path, monkeypatch, stranger):
        """What was read is what was compared, and what is used."""
        create_hub(tmp_path / "trusted", database=url)
        (tmp_path / "strange").mkdir()
        (tmp_path / "strange" / "hub.toml").write_text(
            f'database = "postgresql://u@{stranger.address}/d"\n'
        )
        path = tmp_path / "path"
        monkeypatch.setenv("MLFLOW_WORKSPACE_TRUST", str(tmp_path / "trusted"))

        class Exchanged(HubFolder):
            def load_settings(self, descriptor=None):
                path.unlink()
                path.symlink_to(tmp_path / self.other)
                return super().load_settings(descriptor)

        for first, other in (("strange", "trusted"), ("trusted", "strange")):
            path.unlink(missing_ok=True)
            path.symlink_to(tmp_path / first)
            Exchanged.other = other
            if first == "trusted":
                assert trust.load_trusted_settings(Exchanged(path)).database == url
            else:
                with pytest.raises(HubNotTrustedError):
                    trust.load_trusted_settings(Exchanged(path))


class TestCommand:
    def test_it_shows_and_asks(self, hub, record):
        """Where, and which variables; without an answer nothing is recorded."""
        write = (hub / "hub.toml").write_text
        write(
            'database = "postgresql://me:${OTHER_SECRET}@db.example.com/d?application_name=${USER}"\n'
            'artifacts = "azure://acct/cont/p"\n'
        )
        for typed in (None, "\n", "n\n"):
            shown = command("hub", "trust", hub, typed=typed, status=1)
            assert not record.exists()
        assert "postgresql+psycopg://me:${OTHER_SECRET}@db.example.com/d" in shown
        assert "with OTHER_SECRET, USER" in shown
        assert "azure://acct/cont/p" in shown
        assert "AZURE_STORAGE_SAS_TOKEN" in shown
        assert SECRET not in shown
        command("hub", "trust", hub, typed="y\n")
        assert len(json.loads(record.read_text())) == 2
        assert trust.load_trusted_settings(HubFolder(hub)).artifacts == "azure://acct/cont/p"
        write('artifacts = "azure://acct/cont/other"\n')
        command("hub", "trust", hub, "--yes")
        command("hub", "trust", hub, "--yes")
        assert [each["variables"] for each in json.loads(record.read_text())] == [
            ["OTHER_SECRET", "USER"],
            [],
            [],
        ]

    def test_a_terminal_shows_what_there_is(self, hub):
        """No host of look-alike letters, and nothing that a terminal would take for a command."""
        url = "postgresql://u@d\N{CYRILLIC SMALL LETTER VE}.example.com/\N{RIGHT-TO-LEFT OVERRIDE}d"
        (hub / "hub.toml").write_text(f'database = "{url}"\n', encoding="utf-8")
        shown = command("hub", "trust", hub, typed="n\n", status=1)
        assert shown.isascii()
        assert "d\\u0432.example.com" in shown
        with pytest.raises(HubNotTrustedError) as raised:
            open_hub(hub)
        assert raised.value.message.isascii()
        (hub / "hub.toml").write_text('"\\u001B[2J" = 1\n')
        assert "\x1b" not in command("hub", "trust", hub, status=1)

    def test_hub_in_a_folder_needs_none(self, hub, record):
        """Nor does one whose folder a group shares."""
        assert "needs no trust" in command("hub", "trust", hub)
        hub.chmod(0o770)
        open_hub(hub)
        assert not record.exists()
        assert "There is no hub" in command("hub", "trust", hub / "nothing", status=1)


class TestRecordThatCannotBeUsed:
    @pytest.fixture(autouse=True)
    def trusted(self, hub, record):
        """The hub is trusted."""
        write_settings(hub, 'database = "postgresql://u@127.0.0.1:9/d"\n')
        assert trust.load_trusted_settings(HubFolder(hub)).database

    def refused(self, hub, reason):
        for call in (
            lambda: open_hub(hub),
            lambda: trust.remember([trust.Destination("artifacts", "azure://acct/cont")]),
        ):
            with pytest.raises(HubSettingsError, match=reason) as raised:
                call()
            assert "Remove it" in raised.value.message

    @pytest.mark.parametrize("mode", [0o644, 0o660, 0o602, 0o666])
    def test_others_may_touch_it(self, hub, record, mode):
        """They could have written it."""
        record.chmod(mode)
        self.refused(hub, "others may read or write it")

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
    def test_another_user_owns_it(self, hub, record):
        """He has written it."""
        os.chown(record, 12345, 12345)
        self.refused(hub, "another user's")

    def test_link(self, hub, record, tmp_path):
        """Somebody put it there."""
        record.rename(tmp_path / "elsewhere")
        record.symlink_to(tmp_path / "elsewhere")
        self.refused(hub, "cannot be used")

    def test_no_file(self, hub, record):
        """A folder; a pipe, which would never end."""
        record.unlink()
        os.mkfifo(record)
        record.chmod(0o600)
        self.refused(hub, "it is no file")
        record.unlink()
        record.mkdir(mode=0o700)
        self.refused(hub, "it is no file")

    @pytest.mark.parametrize(
        "text", ["", "{", "null", "[1]", '{"a": 1}', '[{"setting": 1}]', "[" * 100_000]
    )
    def test_damaged(self, hub, record, text):
        """It says nothing, and is not written over."""
        record.write_text(text)
        self.refused(hub, "damaged")
        assert record.read_text() == text

    def test_folder_that_cannot_be_written(self, hub, record, tmp_path, monkeypatch):
        """The error names what to set."""
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("MLFLOW_WORKSPACE_TRUST_FILE", str(tmp_path / "file" / "trusted.json"))
        said = command("hub", "trust", hub, "--yes", status=1)
        assert "MLFLOW_WORKSPACE_TRUST" in said


def test_processes_that_record_at_once(record):
    """None overwrites what another one has recorded."""
    script = (
        "import sys\n"
        "from mlflow_workspace_plugin.hub import trust\n"
        "for number in range(10):\n"
        "    place = f'azure://acct/cont/{sys.argv[1]}-{number}'\n"
        "    trust.remember([trust.Destination('artifacts', place)])\n"
    )
    run_at_once([("-c", script, str(number)) for number in range(4)])
    assert len(json.loads(record.read_text())) == 40
    assert {each.name for each in record.parent.iterdir()} <= {record.name, f"{record.name}.lock"}


def test_umask(record):
    """What others may do to the user's files is not said by the umask."""
    before = os.umask(0)
    try:
        trust.remember([trust.Destination("artifacts", "azure://acct/cont")])
    finally:
        os.umask(before)
    modes = [each.stat().st_mode & 0o077 for each in (record.parent, *record.parent.iterdir())]
    assert not any(modes)


def test_storage_that_sends_elsewhere(azurite_server, container, hub, stranger, monkeypatch):
    """A trusted endpoint cannot pass a SAS on to another place by a redirect."""
    monkeypatch.setenv("MLFLOW_WORKSPACE_JOURNAL", "off")
    elsewhere = f"http://{stranger.address}/{ACCOUNT}/{container.container_name}"
    with fault_proxy(azurite_server.port) as proxy:
        proxy.fault = lambda _: (307, {"location": elsewhere}, "")
        place = f"azure://{ACCOUNT}/{container.container_name}?endpoint={proxy.endpoint}"
        write_settings(hub, f'artifacts = "{place}"\n')
        client = Workspace.create("team-a", hub=hub).client
        run_id = client.create_run("0").info.run_id
        for call in (
            lambda: client.log_text(run_id, "x", "x.txt"),
            lambda: client.list_artifacts(run_id),
            lambda: client.download_artifacts(run_id, "x.txt"),
        ):
            with pytest.raises(MlflowException) as raised:
                call()
            assert SECRET not in str(raised.value)
        assert proxy.requests
    assert stranger.connections == 0


class TestPasswordInClearText:
    """Of a trusted server: only through TLS, or to this machine."""

    @pytest.mark.parametrize("options", ["", "?sslmode=disable", "?require_auth=password"])
    def test_is_not_sent_over_a_network(self, tmp_path, stranger, options):
        """0.0.0.0 is this machine as well, but nothing that libpq or this package knows of."""
        url = f"postgresql://u@0.0.0.0:{stranger.port}/d{options}"
        with pytest.raises(HubError, match=r"TLS|SSL") as raised:
            create_hub(tmp_path / "hub", database=url)
        assert raised.value.message.endswith(("scram-sha-256.", "try again."))
        assert stranger.connections > 0
        assert SECRET not in str(stranger.heard)

    @pytest.mark.parametrize(
        "url",
        [
            "postgresql:///d?user=u&host=0.0.0.0:PORT&host=127.0.0.1:OTHER",
            "postgresql:///d?user=u&host=127.0.0.1:OTHER&host=0.0.0.0:PORT",
            "postgresql://u@db.example.invalid:PORT/d?hostaddr=0.0.0.0",
            "postgresql://u@127.0.0.1:PORT/d?hostaddr=0.0.0.0",
            "postgresql:///?service=away",
        ],
    )
    def test_is_not_sent_to_one_of_several_places(self, tmp_path, url, monkeypatch):
        """Nor where a name says one thing and an address, or a service, another."""
        services = tmp_path / "services"
        monkeypatch.setenv("PGSERVICEFILE", str(services))
        with listening() as away, listening() as here:
            services.write_text(f"[away]\nhost=0.0.0.0\nport={away.port}\nuser=u\ndbname=d\n")
            url = url.replace("PORT", str(away.port)).replace("OTHER", str(here.port))
            with pytest.raises(HubError):
                create_hub(tmp_path / "hub", database=url)
            assert away.connections > 0
            assert SECRET not in str(away.heard)

    def test_is_sent_to_this_machine(self, tmp_path, stranger):
        """As before."""
        with pytest.raises(HubUnreachableError):
            create_hub(tmp_path / "hub", database=f"postgresql://u@127.0.0.1:{stranger.port}/d")
        assert SECRET in str(stranger.heard)

    def test_service_on_this_machine(self, tmp_path, stranger, monkeypatch):
        """Where it is, is known when it asks."""
        services = Path(os.environ["PGSERVICEFILE"])
        services.write_text(f"[team]\nhost=localhost\nport={stranger.port}\nuser=u\ndbname=d\n")
        with pytest.raises(HubUnreachableError):
            create_hub(tmp_path / "hub", database="postgresql://?service=team")
        assert SECRET in str(stranger.heard)

    @pytest.mark.store
    def test_scram_needs_no_tls(self, server, tmp_path, monkeypatch):
        """It never sends the password, whoever listens on the way."""
        name = f"scram_{tmp_path.name}"[:60]
        server.execute(f"CREATE ROLE scram LOGIN PASSWORD '{SECRET}' IN ROLE password")
        url = server.create_database(name)
        try:
            server.execute(f'ALTER DATABASE "{name}" OWNER TO scram')
            server.execute("GRANT ALL ON SCHEMA public TO scram", name)
            url = url.replace("postgres@127.0.0.1", "scram@0.0.0.0")
            create_hub(tmp_path / "hub", database=url)[0].engine.dispose()
        finally:
            server.drop_database(url)
            server.execute("DROP ROLE scram")

    def test_address_of_the_environment(self, server, tmp_path, monkeypatch):
        """A host that was trusted is the one that is spoken to."""
        url = server.create_database(f"address_{tmp_path.name}"[:60])
        monkeypatch.setenv("PGHOSTADDR", "127.0.0.9")
        create_hub(tmp_path / "hub", database=url)[0].engine.dispose()
        monkeypatch.delenv("PGHOSTADDR")
        server.drop_database(url)
