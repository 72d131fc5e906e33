"""What goes wrong between a hub and its storage account: clear errors, or none at all."""

import io
import logging
import os
import socket
import threading
import traceback
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from mlflow.exceptions import MlflowException

from mlflow_workspace_plugin.artifacts.azure_blob.connection.container import BLOCK
from mlflow_workspace_plugin.artifacts.azure_blob.repository import AzureRepository
from mlflow_workspace_plugin.errors import (
    HubNotWritableError,
    HubSettingsError,
    HubUnreachableError,
)
from mlflow_workspace_plugin.hub.azure import parse
from tests.azurite import ACCOUNT, KEY, azurite, connection_string, sas
from tests.conftest import LOCATION
from tests.fault_proxy import Cut, error

WRONG_KEY = (
    "d3Jvbmcga2V5IHdyb25nIGtleSB3cm9uZyBrZXkgd3Jvbmcga2V5IHdyb25nIGtleSB3cm9uZyBrZXkgd3Jvbg=="
)


@pytest.fixture
def repository(repository, monkeypatch):
    monkeypatch.setenv("MLFLOW_WORKSPACE_WAIT", "2")
    return repository


def use_sas(monkeypatch, proxy, token: str) -> None:
    monkeypatch.setenv(
        "AZURE_STORAGE_CONNECTION_STRING",
        f"BlobEndpoint={proxy.endpoint};SharedAccessSignature={token}",
    )


def put(repository, name: str = "a.bin", content: bytes = b"content") -> None:
    repository.log_artifact_from_stream(io.BytesIO(content), name)


def get(repository, name: str = "a.bin") -> bytes:
    with repository.local(name) as file:
        return file.read_bytes()


def test_container_missing(azure_root, repository, container):
    """It names the container and the command that makes it."""
    container.delete_container()
    with pytest.raises(HubSettingsError, match=r"does not exist.*az storage container create"):
        put(repository)
    with pytest.raises(HubSettingsError, match=container.container_name):
        put(repository, content=bytes(BLOCK + 1))


def test_wrong_key(repository, proxy, monkeypatch):
    """It names the variable that holds the key, and not the key."""
    monkeypatch.setenv(
        "AZURE_STORAGE_CONNECTION_STRING", connection_string(proxy.endpoint, WRONG_KEY)
    )
    with pytest.raises(HubNotWritableError, match="AZURE_STORAGE_CONNECTION_STRING") as raised:
        put(repository)
    assert WRONG_KEY not in "".join(traceback.format_exception(raised.value))


def test_expired_sas(repository, proxy, container, monkeypatch):
    """It says when the SAS expired; a new one in the environment is used at once."""
    name = container.container_name
    use_sas(monkeypatch, proxy, sas(name, hours=-1))
    with pytest.raises(HubNotWritableError, match=r"expired at \d{4}-"):
        put(repository)
    use_sas(monkeypatch, proxy, sas(name))
    put(repository)
    assert get(repository) == b"content"


def test_sas_without_a_right(repository, proxy, container, monkeypatch):
    """It says that a right is missing, and which are needed."""
    use_sas(monkeypatch, proxy, sas(container.container_name, permission="rl"))
    with pytest.raises(HubNotWritableError, match=r"lacks a right.*racwdl"):
        put(repository)


def test_clock_skew(repository, proxy):
    """It is the clock that is to be set, and not the key."""
    date = format_datetime(datetime.now(timezone.utc) - timedelta(hours=2), usegmt=True)
    proxy.fault = lambda _: error(403, "AuthenticationFailed", Date=date)
    with pytest.raises(HubNotWritableError, match=r"clock is 120 minutes ahead"):
        put(repository)


def test_firewall(repository, proxy):
    """It is the account's firewall."""
    text = "This request is not authorized to perform this operation."
    proxy.fault = lambda _: error(403, "AuthorizationFailure", text)
    with pytest.raises(HubNotWritableError, match=r"from this network.*firewall"):
        put(repository)
    assert len(proxy.requests) == 1


def test_short_throttling_is_not_noticed(repository, proxy):
    """503 and 500 are tried again."""
    codes = [(503, "ServerBusy"), (500, "InternalError"), (503, "ServerBusy")]
    proxy.fault = lambda _: error(*codes.pop()) if codes else None
    put(repository)
    assert get(repository) == b"content"


def test_long_throttling(repository, proxy):
    """After as long as a call may wait, it says that the account is busy."""
    proxy.fault = lambda _: error(503, "ServerBusy")
    with pytest.raises(HubUnreachableError, match=r"throttles requests \(503 ServerBusy\)"):
        put(repository)


def test_connection_cut_in_a_block(repository, proxy):
    """A block whose connection breaks is sent again, alone; what arrives is whole."""
    content = os.urandom(3 * BLOCK)
    cuts = [Cut(of_request=10_000), Cut(before_answer=True), Cut(of_request=0)]

    def fault(request):
        return cuts.pop() if cuts and request.operation == "PUT block" else None

    proxy.fault = fault
    put(repository, content=content)
    assert get(repository) == content
    assert proxy.count("PUT block") == 6


def test_slow_line(repository, proxy):
    """A block that takes longer than a connection may take to be made is sent, and sent once."""
    proxy.bytes_per_s = BLOCK / 16
    content = os.urandom(BLOCK)
    put(repository, content=content)
    assert proxy.count("PUT block") == 1
    assert get(repository) == content


def test_lost_answer_of_a_commit(repository, proxy):
    """A commit that nobody heard of is repeated."""
    content = os.urandom(2 * BLOCK)
    cuts = [Cut(before_answer=True)]
    proxy.fault = lambda each: cuts.pop() if cuts and each.operation == "PUT blocklist" else None
    put(repository, content=content)
    assert get(repository) == content


def test_connection_cut_in_a_download(repository, proxy):
    """A range whose connection breaks is asked for again."""
    content = os.urandom(3 * BLOCK)
    put(repository, content=content)
    cuts = [Cut(of_answer=1_000_000), Cut(of_answer=0), Cut(before_answer=True)]
    proxy.fault = lambda each: cuts.pop() if cuts and each.method == "GET" else None
    assert get(repository) == content
    assert not cuts


def test_server_gone_and_back(container, monkeypatch):
    """While nobody listens it says so after the wait; later the same object works again."""
    monkeypatch.setenv("MLFLOW_WORKSPACE_WAIT", "1")
    with azurite() as server:
        name = server.container("other").container_name
        monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", server.connection_string)
        repository = AzureRepository(parse(f"azure://devstoreaccount1/{name}"), LOCATION)
        put(repository)
        server.stop()
        with pytest.raises(HubUnreachableError, match=r"cannot be reached at http://127.0.0.1"):
            put(repository, "b.bin")
        server.start()
        put(repository, "b.bin")
        assert get(repository) == b"content"


def test_no_secret_is_shown(repository, proxy, container, azurite_server, monkeypatch, caplog):
    """Neither a log of any level nor an error with all its causes holds a key or a signature."""
    caplog.set_level(logging.DEBUG)
    token = sas(container.container_name)
    signature = token.partition("sig=")[2].partition("&")[0]
    shown = []

    def provoke(fault, **options) -> None:
        proxy.fault = fault
        try:
            put(repository, **options)
        except MlflowException as raised:
            shown.extend([repr(raised), *traceback.format_exception(raised)])
            cause = raised
            while cause := cause.__cause__ or cause.__context__:
                shown.append(repr(cause))

    for secret in ("key", "sas"):
        if secret == "sas":
            use_sas(monkeypatch, proxy, token)
        put(repository)
        provoke(lambda _: error(403, "AuthenticationFailed"))
        provoke(lambda _: Cut(of_request=0))
        provoke(lambda _: error(503, "ServerBusy"))
        proxy.fault = lambda _: None
    use_sas(monkeypatch, proxy, token)
    monkeypatch.setenv(
        "AZURE_STORAGE_CONNECTION_STRING",
        f"BlobEndpoint=http://127.0.0.1:1/devstoreaccount1;SharedAccessSignature={token}",
    )
    provoke(lambda _: None)
    assert len(shown) > 7
    everything = "\n".join(shown) + caplog.text + repr(repository)
    assert KEY not in everything
    assert signature not in everything


def test_proxy_of_the_environment(monkeypatch):
    """The variables that other programs go by say through which proxy requests go."""
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("MLFLOW_WORKSPACE_WAIT", "0")
    host = "http://storage.example"
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", connection_string(f"{host}/{ACCOUNT}"))
    asked = []

    def answer(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection:
            asked.append(connection.recv(2**16).split(b"\r\n")[0])
            connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{listening.getsockname()[1]}")
        thread = threading.Thread(target=answer, args=(listening,))
        thread.start()
        repository = AzureRepository(parse(f"azure://{ACCOUNT}/some-container"), LOCATION)
        with pytest.raises(HubNotWritableError):
            repository.list_artifacts()
        thread.join()
    assert asked[0].startswith(f"GET {host}/{ACCOUNT}/some-container?".encode())
