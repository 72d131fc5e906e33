"""How a hub finds the credential for its storage account, and where none is ever written."""

import io
import os
import time
import traceback
from pathlib import Path

import pytest
from click.testing import CliRunner

from mlflow_workspace_plugin import Experiment, Workspace
from mlflow_workspace_plugin.artifacts.azure_blob.connection.credentials import (
    default_login,
    find_credential,
)
from mlflow_workspace_plugin.artifacts.azure_blob.repository import AzureRepository
from mlflow_workspace_plugin.cli import main
from mlflow_workspace_plugin.errors import (
    HubNotWritableError,
    HubSettingsError,
    HubUnreachableError,
)
from mlflow_workspace_plugin.hub.azure import AzureRoot, parse
from mlflow_workspace_plugin.hub.hub import create_hub, open_hub
from tests.azurite import ACCOUNT, KEY, sas
from tests.conftest import LOCATION, write_settings

OTHERS_KEY = (
    "b3RoZXIgb3RoZXIgb3RoZXIgb3RoZXIgb3RoZXIgb3RoZXIgb3RoZXIgb3RoZXIgb3RoZXIgb3RoZXIgb3RoZXI="
)


@pytest.mark.parametrize("referenced", [True, False])
@pytest.mark.parametrize(
    "kind", ["connection string", "connection string with a sas", "key", "sas"]
)
def test_each_kind_of_secret(azurite_server, container, monkeypatch, kind, referenced):
    """A connection string, a key and a SAS work, from a variable of any name and from the usual."""
    secret, usual = {
        "connection string": (azurite_server.connection_string, "AZURE_STORAGE_CONNECTION_STRING"),
        # As the portal shows it.
        "connection string with a sas": (
            f"BlobEndpoint={azurite_server.endpoint};"
            f"SharedAccessSignature={sas(container.container_name)}",
            "AZURE_STORAGE_CONNECTION_STRING",
        ),
        "key": (KEY, "AZURE_STORAGE_ACCESS_KEY"),
        "sas": (sas(container.container_name), "AZURE_STORAGE_SAS_TOKEN"),
    }[kind]
    uri = f"azure://{ACCOUNT}/{container.container_name}?endpoint={azurite_server.endpoint}"
    if referenced:
        # It goes before those that are found without it.
        monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", f"AccountName=x;AccountKey={KEY}")
        uri, usual = f"{uri}&credential=${{OUR_STORAGE}}", "OUR_STORAGE"
    monkeypatch.setenv(usual, secret)
    root = parse(uri)
    assert parse(str(root)) == root
    assert find_credential(root).source == usual
    repository = AzureRepository(root, LOCATION)
    repository.log_artifact_from_stream(io.BytesIO(b"x"), "x")
    assert [each.path for each in repository.list_artifacts()] == ["x"]


def test_order(monkeypatch):
    """Connection string, key, SAS, and then whatever DefaultAzureCredential finds."""
    root = AzureRoot(ACCOUNT, "container")
    variables = {
        "AZURE_STORAGE_CONNECTION_STRING": f"AccountName={ACCOUNT};AccountKey={KEY}",
        "AZURE_STORAGE_ACCESS_KEY": KEY,
        "AZURE_STORAGE_KEY": KEY,
        "AZURE_STORAGE_SAS_TOKEN": "?sv=1&sig=x",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    found = []
    for name in variables:
        found.append(find_credential(root).source)
        monkeypatch.delenv(name)
    assert [*found, find_credential(root).source] == [*variables, "DefaultAzureCredential"]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "not set"),
        (f"AccountName=another;AccountKey={KEY}", "'another'"),
        (f"AccountName={ACCOUNT}", "without AccountKey"),
        ("no key of any kind", "not base64"),
    ],
)
def test_unusable_secret(azure_root, monkeypatch, value, said):
    """It names the variable and what is wrong with it, and not its value."""
    if value is not None:
        monkeypatch.setenv("OUR_STORAGE", value)
    repository = AzureRepository(parse(azure_root + "?credential=${OUR_STORAGE}"), LOCATION)
    with pytest.raises(HubSettingsError, match="OUR_STORAGE") as raised:
        repository.list_artifacts()
    shown = "".join(traceback.format_exception(raised.value))
    assert said in shown
    assert KEY not in shown
    assert "no key of any kind" not in shown


def test_nobody_is_logged_in(azurite_server, monkeypatch, tmp_path):
    """Without any credential it says how to log in, and which variables there are."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "AzureCliCredential")
    default_login.cache_clear()
    # Azurite speaks no TLS here, and without TLS no token is sent; but it answers.
    root = AzureRoot("contoso", "container", endpoint=f"https://127.0.0.1:{azurite_server.port}")
    with pytest.raises(HubNotWritableError, match=r"az login.*AZURE_STORAGE_CONNECTION_STRING"):
        AzureRepository(root, LOCATION).list_artifacts()


AZ = """#!/bin/sh
if [ ! -e "{logged_in}" ]; then
    echo "ERROR: AADSTS700082: The refresh token has expired." >&2
    exit 1
fi
echo '{{"accessToken": "token", "expires_on": {expiry}, "tokenType": "Bearer"}}'
"""


@pytest.fixture
def logged_in(monkeypatch, tmp_path) -> Path:
    """The file that has to be there for a program ``az`` to say that somebody is logged in."""
    program = tmp_path / "bin" / "az"
    program.parent.mkdir()
    logged_in = tmp_path / "logged-in"
    # Soon over, so that it is asked for again.
    program.write_text(AZ.format(logged_in=logged_in, expiry=int(time.time()) + 60))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "AzureCliCredential")
    monkeypatch.setenv("MLFLOW_WORKSPACE_WAIT", "1")
    default_login.cache_clear()
    yield logged_in
    default_login.cache_clear()


def test_login_while_the_network_is_away(logged_in):
    """Nobody can log in then, and what is logged may wait: it is no refusal."""
    root = AzureRoot("contoso", "container", endpoint="https://127.0.0.1:1")
    with pytest.raises(HubUnreachableError, match=r"cannot log in at the moment.*AADSTS700082"):
        AzureRepository(root, LOCATION).list_artifacts()


def test_login_that_ended(logged_in, azurite_server):
    """Where there was none from the start that is an error; where there was, there may be again."""
    root = AzureRoot("contoso", "container", endpoint=f"https://127.0.0.1:{azurite_server.port}")
    repository = AzureRepository(root, LOCATION)
    with pytest.raises(HubNotWritableError, match=r"finds no credential.*AADSTS700082.*az login"):
        repository.list_artifacts()
    logged_in.touch()
    with pytest.raises(HubUnreachableError, match="SSL"):
        repository.list_artifacts()
    logged_in.unlink()
    with pytest.raises(HubUnreachableError, match=r"cannot log in at the moment.*AADSTS700082"):
        repository.list_artifacts()


@pytest.mark.parametrize(
    "uri",
    [
        "azure://account",
        "azure://ACCOUNT/container",
        "azure://account/a",
        "azure://account/container/../other",
        "azure://account/container/%2e%2e/other",
        "azure://account/container#x",
        f"azure://account:{OTHERS_KEY}@container/x",
        f"azure://account/container?sig={OTHERS_KEY}",
        f"azure://account/container?credential={OTHERS_KEY}",
        "azure://account/container?credential=${A}&endpoint=file:///etc",
        f"azure://account/container?endpoint=https://host:{OTHERS_KEY}/account",
        f"azure://account:{OTHERS_KEY}/container/x",
        f"azure://[{OTHERS_KEY}@/container/x",
        "wasbs://container/x",
        f"wasbs://container:{OTHERS_KEY}@account.blob.core.windows.net/x",
        "s3://bucket/prefix",
        "/folder",
    ],
)
def test_refused_root(uri, tmp_path):
    """What names no place, or holds a secret, is refused without repeating it, and makes no hub."""
    with pytest.raises(HubSettingsError) as raised:
        create_hub(tmp_path / "hub", artifacts=uri)
    assert OTHERS_KEY not in str(raised.value)
    assert not (tmp_path / "hub").exists()


def test_forms_of_a_root():
    """MLflow's form names the same place, also in the clouds of China and the US government."""
    assert parse("wasbs://container@account.blob.core.windows.net/a/b") == parse(
        "azure://account/container/a/b/"
    )
    china = parse("wasbs://container@account.blob.core.chinacloudapi.cn/a")
    assert china.service == "https://account.blob.core.chinacloudapi.cn"
    assert china.for_mlflow == "wasbs://container@account.blob.core.chinacloudapi.cn/a"
    assert parse(str(china)) == china


def test_hub_init(container, azurite_server, tmp_path, monkeypatch):
    """The command makes a hub, says where its files are, and writes no secret into its folder."""
    monkeypatch.setenv("OUR_STORAGE", azurite_server.connection_string)
    uri = f"azure://{ACCOUNT}/{container.container_name}/hub?credential=${{OUR_STORAGE}}"
    done = CliRunner().invoke(main, ["hub", "init", str(tmp_path / "hub"), "--artifacts", uri])
    assert done.exit_code == 0, done.output
    assert f"files in azure://{ACCOUNT}/{container.container_name}/hub" in done.output
    workspace = Workspace.create("team-a", hub=tmp_path / "hub")
    run = Experiment(workspace, "experiment").start_logging(snapshot_directory=None)
    run.upload_file("x", io.BytesIO(b"x"))
    run.complete()
    where = CliRunner().invoke(main, ["where", run.id, "--hub", str(tmp_path / "hub"), "--json"])
    assert f"azure://{ACCOUNT}/{container.container_name}/hub/workspaces/team-a" in where.output
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or KEY.encode() not in file.read_bytes()
    assert KEY not in done.output + where.output


def test_hub_init_without_a_container(container, azurite_server, tmp_path, monkeypatch):
    """Where files could not be stored no hub is made."""
    container.delete_container()
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", azurite_server.connection_string)
    uri = f"azure://{ACCOUNT}/{container.container_name}"
    done = CliRunner().invoke(main, ["hub", "init", str(tmp_path / "hub"), "--artifacts", uri])
    assert done.exit_code == 1
    assert "az storage container create" in done.output
    assert not (tmp_path / "hub").exists()


def test_files_that_moved(azure_workspace, azurite_server, container, tmp_path):
    """When the files were copied and hub.toml names the copy, each run is readable."""
    run = Experiment(azure_workspace, "experiment").start_logging(snapshot_directory=None)
    run.upload_file("outputs/x", io.BytesIO(b"content"))
    run.log("text", "value")
    run.complete()
    other = azurite_server.container(f"{container.container_name}-copy")
    for each in container.list_blobs():
        content = container.download_blob(each.name).readall()
        name = each.name.replace("some/prefix", "elsewhere")
        other.upload_blob(name, content, metadata=each.metadata)
    container.delete_container()
    copy = f"azure://{ACCOUNT}/{other.container_name}/elsewhere"
    write_settings(tmp_path / "hub", f'artifacts = "{copy}"\n')
    hub = tmp_path / "moved"
    (tmp_path / "hub").rename(hub)
    assert open_hub(hub).place_of().endswith("-copy/elsewhere")
    moved = Workspace.get("team-a", hub=hub).get_run(run.id)
    moved.download_file("outputs/x", str(tmp_path / "x"))
    assert (tmp_path / "x").read_bytes() == b"content"
    assert moved.get_metrics() == {"text": "value"}
    again = Experiment(Workspace.get("team-a", hub=hub), "experiment")
    more = again.start_logging(snapshot_directory=None)
    more.log("text", "new")
    more.flush()
    assert more.get_metrics() == {"text": "new"}
