"""Files that are logged while the hub's storage account is away."""

import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from functools import partial
from pathlib import PurePosixPath

import mlflow
import pytest
from click.testing import CliRunner
from mlflow import MlflowClient

from mlflow_workspace_plugin import Experiment, Run
from mlflow_workspace_plugin.artifacts.azure_blob.connection.container import BLOCK
from mlflow_workspace_plugin.artifacts.azure_blob.transfer import upload
from mlflow_workspace_plugin.artifacts.paths import location_of, workspace_root
from mlflow_workspace_plugin.artifacts.repository import (
    open_repository,
    open_to_send,
    staged_files_of,
)
from mlflow_workspace_plugin.artifacts.staging.sender import FileSender, _accepting
from mlflow_workspace_plugin.artifacts.staging.sending import send
from mlflow_workspace_plugin.artifacts.staging.staged_files import StagedFiles
from mlflow_workspace_plugin.cli import main
from mlflow_workspace_plugin.errors import (
    HubNotWritableError,
    HubSettingsError,
    HubUnreachableError,
    NoAnswerError,
    StagingFullError,
)
from mlflow_workspace_plugin.hub.hub import open_hub
from mlflow_workspace_plugin.journal.end_wait import EndWait
from mlflow_workspace_plugin.stores.build import open_workspace_store
from tests.azurite import ACCOUNT, azurite, connection_string, sas
from tests.fault_proxy import Cut, Late, fault_proxy
from tests.integration.artifacts.test_azure_credentials import OTHERS_KEY


@pytest.fixture
def azurite_server():
    """A server of the test's own, to be stopped."""
    with azurite() as started:
        yield started


@pytest.fixture(autouse=True)
def nothing_waits_afterwards(tmp_path):
    """The process of the tests goes on, and would send what a test left for ever."""
    yield
    for folder in (tmp_path / "journal").glob("*/files"):
        shutil.rmtree(folder)


@pytest.fixture
def uri(azure_workspace) -> str:
    return azure_workspace.get_mlflow_tracking_uri()


@pytest.fixture
def client(uri) -> MlflowClient:
    return MlflowClient(uri)


@pytest.fixture
def run_id(client) -> str:
    experiment = client.create_experiment("e")
    return client.create_run(experiment).info.run_id


@pytest.fixture
def files(azure_workspace, tmp_path):
    """What waits on this machine."""
    return staged_files_of(open_hub(tmp_path / "hub"), azure_workspace.name)


def log(client, run_id: str, path: str, content: bytes) -> None:
    folder, _, name = path.rpartition("/")
    repository = open_repository(client.get_run(run_id).info.artifact_uri, client.tracking_uri)
    repository.log_artifact_from_stream(io.BytesIO(content), name, folder or None)


def stored(client, run_id: str, tmp_path) -> dict[str, bytes]:
    folder = tmp_path / f"downloaded-{time.time_ns()}"
    folder.mkdir()
    client.download_artifacts(run_id, "", str(folder))
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def sync(*arguments: str):
    done = CliRunner().invoke(main, ["sync", "--json", *arguments])
    return json.loads(done.stdout), done.exit_code


TRAINING = """
import sys, time
from pathlib import Path
import mlflow

mlflow.set_tracking_uri(sys.argv[1])
mlflow.set_experiment("e")
with mlflow.start_run() as run:
    print(run.info.run_id, flush=True)
    for epoch in range(int(sys.argv[2])):
        mlflow.log_metric("loss", 1 / (epoch + 1), step=epoch)
        Path("model.ckpt").write_bytes(bytes([epoch]) * (9 << 20 if epoch % 4 == 0 else 1000))
        mlflow.log_artifact("model.ckpt", f"checkpoints/{epoch}")
        Path("last.ckpt").write_text(str(epoch))
        mlflow.log_artifact("last.ckpt")
        print("epoch", epoch, flush=True)
        time.sleep(float(sys.argv[3]))
"""


def start_training(tmp_path, uri: str, epochs: int, pause_s: float) -> "subprocess.Popen[str]":
    (tmp_path / "training").mkdir()
    return subprocess.Popen(
        [sys.executable, "-c", TRAINING, uri, str(epochs), str(pause_s)],
        cwd=tmp_path / "training",
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def read_until(training, text: str) -> str:
    for line in training.stdout:
        if text in line:
            return line
    raise AssertionError(training.stderr.read()[-4000:])


def check_all(client, run_id: str, epochs: int, tmp_path) -> None:
    found = stored(client, run_id, tmp_path)
    assert found.pop("last.ckpt") == str(epochs - 1).encode()
    expected = {
        f"checkpoints/{epoch}/model.ckpt": bytes([epoch]) * (9 << 20 if epoch % 4 == 0 else 1000)
        for epoch in range(epochs)
    }
    assert {name: hashlib.sha256(content).hexdigest() for name, content in found.items()} == {
        name: hashlib.sha256(content).hexdigest() for name, content in expected.items()
    }
    assert len(client.get_metric_history(run_id, "loss")) == epochs


def test_stopped_during_a_training(client, uri, azurite_server, tmp_path, files):
    """It ends well, and every file is there, each with its last content."""
    training = start_training(tmp_path, uri, 12, 1.0)
    run_id = training.stdout.readline().strip()
    read_until(training, "epoch 2")
    azurite_server.stop()
    read_until(training, "epoch 7")
    assert files.names()
    azurite_server.start()
    _, errors = training.communicate(timeout=120)
    assert training.returncode == 0, errors
    assert "cannot be reached" in errors
    assert not files.names()
    check_all(client, run_id, 12, tmp_path)


def test_away_until_after_the_end(client, uri, azurite_server, tmp_path, monkeypatch):
    """The process says what is left and how to send it; ``sync`` sends it."""
    monkeypatch.setenv("MLFLOW_WORKSPACE_EXIT_WAIT", "2")
    client.get_experiment("0")
    azurite_server.stop()
    training = start_training(tmp_path, uri, 5, 0)
    output, errors = training.communicate(timeout=120)
    assert training.returncode == 0, errors
    assert "10 files for workspace://" in errors
    assert "mlflow-workspace sync" in errors
    (status,), _ = sync("--status")
    assert status["waiting files"] == 10
    (row,), code = sync()
    assert (row["sent files"], code) == (0, 1)
    assert "cannot be reached" in row["problem"]
    azurite_server.start()
    (row,), code = sync()
    assert (row["sent files"], row["problem"], code) == (10, None, 0)
    check_all(client, output.split()[0], 5, tmp_path)


def test_killed_while_files_wait(client, uri, azurite_server, tmp_path, files, monkeypatch):
    """What its calls returned for is sent by the next process that logs there."""
    azurite_server.stop()
    training = start_training(tmp_path, uri, 8, 0.2)
    run_id = training.stdout.readline().strip()
    read_until(training, "epoch 4")
    training.send_signal(signal.SIGKILL)
    training.communicate()
    azurite_server.start()
    log(client, run_id, "notes.txt", b"resumed")
    found = stored(client, run_id, tmp_path)
    assert {f"checkpoints/{epoch}/model.ckpt" for epoch in range(5)} < set(found)
    assert found["notes.txt"] == b"resumed"
    assert not files.names()


def test_killed_while_a_file_is_copied(client, run_id, azurite_server, files):
    """Nothing of it is sent, and what it left is removed."""
    read, write = os.pipe()
    azurite_server.stop()
    child = os.fork()
    if not child:
        os.close(write)
        files.add(PurePosixPath("workspaces/team-a/1/r/artifacts"), "a", os.fdopen(read, "rb"))
    os.close(read)
    os.write(write, bytes(4096))
    deadline = time.monotonic() + 60
    while not list(files.path.glob("*.part/content")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    files.remove_unfinished()
    assert list(files.path.glob("*.part")), "its writer lives"
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(write)
    azurite_server.start()
    log(client, run_id, "a.txt", b"a")
    assert not files.names()
    files.remove_unfinished()
    assert not list(files.path.iterdir())


def test_order_is_kept(client, run_id, azurite_server, tmp_path):
    """Of several files of one name the one that was logged last is there."""
    log(client, run_id, "a.txt", b"0")
    azurite_server.stop()
    for number in range(1, 20):
        log(client, run_id, "a.txt", str(number).encode())
    azurite_server.start()
    for number in range(20, 40):
        log(client, run_id, "a.txt", str(number).encode())
    assert stored(client, run_id, tmp_path) == {"a.txt": b"39"}


def test_clock_that_is_set_back(client, run_id, azurite_server, tmp_path, files, monkeypatch):
    """The file that was logged last is there all the same."""
    location = location_of(client.get_run(run_id).info.artifact_uri, "team-a")
    files.add(location, "a.txt", io.BytesIO(b"older"))
    with monkeypatch.context() as patch:
        patch.setattr(time, "time_ns", lambda: 0)
        files.add(location, "a.txt", io.BytesIO(b"newer"))
    assert stored(client, run_id, tmp_path) == {"a.txt": b"newer"}


def test_files_of_another_machine(client, run_id, tmp_path, files):
    """Of one that shares the folder they are sent only when that is asked for."""
    location = location_of(client.get_run(run_id).info.artifact_uri, "team-a")
    other = StagedFiles(files.journal, "0123abcd")
    other.add(location, "a.txt", io.BytesIO(b"a"))
    part = other.path / "1-0123abcd-copied-there.part"
    part.mkdir()
    files.remove_unfinished()
    assert part.exists()
    (row,), code = sync()
    assert (row["sent files"], code) == (0, 0)
    (row,), _ = sync("--status")
    assert row["waiting files"] == 1
    (row,), code = sync("--all-machines")
    assert (row["sent files"], code) == (1, 0)
    assert stored(client, run_id, tmp_path) == {"a.txt": b"a"}


def test_text_keeps_nothing_back(azure_workspace, azurite_server, uri):
    """What is a line of a file waits as a file; numbers and params are stored meanwhile."""
    run = Experiment(azure_workspace, "sdk").start_logging(snapshot_directory=None)
    direct = open_workspace_store(uri)
    run.log("text", "before")
    run.flush()
    azurite_server.stop()
    for number in range(3):
        run.log("text", f"away {number}")
        run.log("number", number)
    MlflowClient(uri).log_param(run.id, "param", "value")
    deadline = time.monotonic() + 60
    while not (found := direct.get_run(run.id).data).params:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert found.metrics["number"] == 2
    run.flush(timeout_seconds=1)
    assert staged_files_of(azure_workspace._hub, azure_workspace.name).names()
    azurite_server.start()
    run.log("text", "after")
    run.flush()
    assert not staged_files_of(azure_workspace._hub, azure_workspace.name).names()
    found = run.get_metrics()
    assert found["text"] == ["before", "away 0", "away 1", "away 2", "after"]
    assert found["number"] == [0, 1, 2]


def test_text_while_the_secret_has_expired(
    azure_workspace, azurite_server, container, uri, monkeypatch
):
    """As nobody can be told at the call, it waits, and numbers are stored; then the new is used."""
    good = azurite_server.connection_string
    run = Experiment(azure_workspace, "sdk").start_logging(snapshot_directory=None)
    expired = sas(container.container_name, hours=-1)
    monkeypatch.setenv(
        "AZURE_STORAGE_CONNECTION_STRING",
        f"BlobEndpoint={azurite_server.endpoint};SharedAccessSignature={expired}",
    )
    run.log("text", "value")
    run.log("number", 1)
    deadline = time.monotonic() + 60
    while "number" not in open_workspace_store(uri).get_run(run.id).data.metrics:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", good)
    assert run.get_metrics() == {"text": "value", "number": 1}


def test_text_that_waits_at_the_end(azure_workspace, azurite_server, tmp_path, run_python):
    """It is sent by ``sync``; the process says that it waits."""
    azurite_server.stop()
    code = """
        import sys
        from mlflow_workspace_plugin import Experiment, Workspace

        run = Experiment(Workspace.get("team-a", hub=sys.argv[1]), "sdk").start_logging(
            snapshot_directory=None
        )
        run.log("text", "value")
        run.log("number", 1)
        print(run.id)
    """
    hub = str(tmp_path / "hub")
    done = run_python("-c", textwrap.dedent(code), hub, MLFLOW_WORKSPACE_EXIT_WAIT="15")
    assert "1 files" in done.stderr
    assert "mlflow-workspace sync" in done.stderr
    azurite_server.start()
    (row,), code = sync()
    assert (row["sent files"], row["problem"], code) == (1, None, 0)
    run = Run(Experiment(azure_workspace, "sdk"), done.stdout.strip())
    assert run.get_metrics() == {"text": "value", "number": 1}


def test_copy_is_what_was_logged(client, run_id, azurite_server, tmp_path):
    """What a training does to its file after the call does not reach the hub."""
    azurite_server.stop()
    file = tmp_path / "model.ckpt"
    file.write_text("as logged")
    client.log_artifact(run_id, str(file), "models")
    file.write_text("overwritten")
    folder = tmp_path / "folder" / "below"
    folder.mkdir(parents=True)
    (folder / "b.txt").write_text("b")
    client.log_artifacts(run_id, str(folder.parent), "all")
    client.log_artifacts(run_id, str(folder.parent))
    (folder / "b.txt").unlink()
    azurite_server.start()
    assert stored(client, run_id, tmp_path) == {
        "models/model.ckpt": b"as logged",
        "all/below/b.txt": b"b",
        "below/b.txt": b"b",
    }


def test_reads_come_after_what_waits(client, run_id, azurite_server, monkeypatch):
    """While it cannot be sent they say so; afterwards they see it."""
    monkeypatch.setenv("MLFLOW_WORKSPACE_WAIT", "1")
    azurite_server.stop()
    log(client, run_id, "a.txt", b"a")
    with pytest.raises(NoAnswerError, match="mlflow-workspace sync"):
        client.list_artifacts(run_id)
    azurite_server.start()
    monkeypatch.setenv("MLFLOW_WORKSPACE_WAIT", "60")
    assert [each.path for each in client.list_artifacts(run_id)] == ["a.txt"]


def test_reads_say_why_files_wait(
    client, run_id, azurite_server, container, files, monkeypatch, tmp_path
):
    """Where what waits is refused, that is the error, and not that it takes long."""
    monkeypatch.setenv("MLFLOW_WORKSPACE_WAIT", "600")
    good = azurite_server.connection_string
    location = location_of(client.get_run(run_id).info.artifact_uri, "team-a")
    files.add(location, "a.txt", io.BytesIO(b"a"))
    expired = sas(container.container_name, hours=-1)
    monkeypatch.setenv(
        "AZURE_STORAGE_CONNECTION_STRING",
        f"BlobEndpoint={azurite_server.endpoint};SharedAccessSignature={expired}",
    )
    with pytest.raises(HubNotWritableError, match="expired"):
        client.list_artifacts(run_id)
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", good)
    assert stored(client, run_id, tmp_path) == {"a.txt": b"a"}


@pytest.mark.parametrize("how", ["expired", "other account's key", "unset"])
def test_credential_that_is_refused_later(
    client, run_id, azurite_server, container, files, monkeypatch, tmp_path, caplog, how
):
    """After it was good in this process: as away, with its name; before, it is an error."""
    good = azurite_server.connection_string
    variable = "AZURE_STORAGE_CONNECTION_STRING"
    expired = sas(container.container_name, hours=-1)
    bad, said = {
        "expired": (
            f"BlobEndpoint={azurite_server.endpoint};SharedAccessSignature={expired}",
            f"the SAS in {variable}, which expired at",
        ),
        "other account's key": (connection_string(azurite_server.endpoint, OTHERS_KEY), variable),
        "unset": (f"AccountName={ACCOUNT}", f"{variable} is a connection string without"),
    }[how]
    # At the first use of the process.
    _accepting.clear()
    monkeypatch.setenv(variable, bad)
    with pytest.raises((HubNotWritableError, HubSettingsError), match=variable):
        log(client, run_id, "first.txt", b"first")
    assert not files.names()
    monkeypatch.setenv(variable, good)
    log(client, run_id, "good.txt", b"good")
    monkeypatch.setenv(variable, bad)
    log(client, run_id, "later.txt", b"later")
    log(client, run_id, "latest.txt", b"latest")
    assert len(files.names()) == 2
    assert said in caplog.text
    assert "mlflow-workspace sync" in caplog.text
    monkeypatch.setenv("MLFLOW_WORKSPACE_STRICT", "1")
    with pytest.raises((HubNotWritableError, HubSettingsError), match=variable):
        log(client, run_id, "strict.txt", b"strict")
    monkeypatch.delenv("MLFLOW_WORKSPACE_STRICT")
    monkeypatch.setenv(variable, good)
    assert stored(client, run_id, tmp_path) == {
        "good.txt": b"good",
        "later.txt": b"later",
        "latest.txt": b"latest",
    }


def test_full(client, run_id, azurite_server, tmp_path, monkeypatch, files):
    """The call says what is full and what to do; what waits is kept, and sent."""
    monkeypatch.setenv("MLFLOW_WORKSPACE_STAGED_GB", "0.001")
    azurite_server.stop()
    log(client, run_id, "a.bin", bytes(600_000))
    with pytest.raises(StagingFullError, match=r"MLFLOW_WORKSPACE_STAGED_GB=0\.001"):
        log(client, run_id, "b.bin", bytes(600_000))
    assert len(files.names()) == 1
    assert not list(files.path.glob("*.part"))
    azurite_server.start()
    assert stored(client, run_id, tmp_path) == {"a.bin": bytes(600_000)}


def test_full_for_a_file_and_back(client, run_id, azurite_server, tmp_path, monkeypatch):
    """When nothing waits, as the only file had no room, the next call asks the account again."""
    monkeypatch.setenv("MLFLOW_WORKSPACE_STAGED_GB", "0.001")
    azurite_server.stop()
    with pytest.raises(StagingFullError):
        log(client, run_id, "a.bin", bytes(2_000_000))
    azurite_server.start()
    log(client, run_id, "a.bin", bytes(2_000_000))
    assert stored(client, run_id, tmp_path) == {"a.bin": bytes(2_000_000)}


def test_all_workspaces_of_the_machine_share_the_room(files, tmp_path, monkeypatch):
    """With what others copy just now."""
    monkeypatch.setenv("MLFLOW_WORKSPACE_STAGED_GB", "0.001")
    location = PurePosixPath("workspaces/team-b/1/run/artifacts")
    of_other = staged_files_of(open_hub(tmp_path / "hub"), "team-b")
    of_other.add(location, "a.bin", io.BytesIO(bytes(300_000)))
    part = of_other.path / f"1-{of_other.host}-copied.part"
    part.mkdir()
    (part / "content").write_bytes(bytes(300_000))
    with pytest.raises(StagingFullError, match=r"0\.6 GB|0\.0 GB"):
        files.add(location, "b.bin", io.BytesIO(bytes(600_000)))
    files.add(location, "b.bin", io.BytesIO(bytes(300_000)))


def test_one_process_sends_at_a_time(client, run_id, azurite_server, tmp_path, files, monkeypatch):
    """Of two, one could store an older file over a newer one."""
    monkeypatch.setenv("MLFLOW_WORKSPACE_WAIT", "1")
    location = location_of(client.get_run(run_id).info.artifact_uri, "team-a")
    files.add(location, "a.txt", io.BytesIO(b"a"))
    with files.sending(0) as is_ours:
        assert is_ours
        (row,), code = sync()
        assert (row["sent files"], code) == (0, 1)
        assert "Another process" in row["problem"]
    (row,), code = sync()
    assert (row["sent files"], row["problem"], code) == (1, None, 0)


def test_fork_while_files_are_sent(client, run_id, files):
    """The child, however long it lives, keeps nobody from sending."""
    sender = FileSender(files, lambda _: None)
    files.add(PurePosixPath("workspaces/team-a/1/run/artifacts"), "a.txt", io.BytesIO(b"a"))
    with sender.files.sending(0) as is_ours:
        assert is_ours
        child = os.fork()
        if not child:
            time.sleep(600)
            os._exit(0)
    try:
        deadline = time.monotonic() + 60
        while True:
            with files.sending(0) as is_ours:
                if is_ours:
                    break
            assert time.monotonic() < deadline
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


ENDING = """
import sys
import mlflow

mlflow.set_tracking_uri(sys.argv[1])
mlflow.MlflowClient().log_text(sys.argv[2], "t" * int(sys.argv[3]), "a.txt")
print("logged", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("size", [4, 3 * BLOCK])
def test_end_does_not_wait_for_what_is_slow(
    client, uri, run_id, azurite_server, files, tmp_path, monkeypatch, size
):
    """After the time that it may take the process ends; what is under way waits for the next."""
    with fault_proxy(azurite_server.port) as proxy:
        uploads, ended = threading.Event(), threading.Event()

        def slow(request) -> None:
            if request.operation.startswith("PUT"):
                uploads.set()
                ended.wait(60)

        proxy.fault = lambda _: Cut(0)
        monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", connection_string(proxy.endpoint))
        monkeypatch.setenv("MLFLOW_WORKSPACE_EXIT_WAIT", "1")
        ending = subprocess.Popen(
            [sys.executable, "-c", ENDING, uri, run_id, str(size)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        read_until(ending, "logged")
        proxy.fault = slow
        assert uploads.wait(60)
        # Less than the time after which a request that nobody answers is given up.
        _, errors = ending.communicate(timeout=25)
        ended.set()
        assert ending.returncode == 0, errors
        assert len(files.names()) == 1
        assert "mlflow-workspace sync" in errors
        proxy.fault = lambda _: None
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", azurite_server.connection_string)
    assert stored(client, run_id, tmp_path) == {"a.txt": b"t" * size}


def test_end_waits_for_what_is_on_its_way(
    client, run_id, azurite_server, files, tmp_path, monkeypatch
):
    """A place that was away is back once it takes a part of a large file."""
    monkeypatch.setattr(upload, "BLOCK", 2**16)
    location = location_of(client.get_run(run_id).info.artifact_uri, "team-a")
    content = os.urandom(64 * 2**16)
    wait = EndWait()
    wait.patience_s = 3
    with fault_proxy(azurite_server.port) as proxy:
        monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", connection_string(proxy.endpoint))
        sender = FileSender(files, partial(open_to_send, open_hub(tmp_path / "hub")))
        sender.note_away(HubUnreachableError("It does not answer."))
        proxy.fault = lambda request: Late(0.6) if request.operation == "PUT block" else None
        sender.add(location, "large", io.BytesIO(content))
        assert sender.close(wait).waiting == 0
        assert not sender.away
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", azurite_server.connection_string)
    assert stored(client, run_id, tmp_path) == {"large": content}


def test_damaged_while_it_waits(client, run_id, tmp_path, files, caplog):
    """It is not sent but kept aside, and keeps no other back."""
    location = location_of(client.get_run(run_id).info.artifact_uri, "team-a")
    first, second, _ = (
        files.add(location, f"{name}.txt", io.BytesIO(name.encode())) for name in "abc"
    )
    (files.path / first / "content").write_bytes(b"changed")
    (files.path / second / "entry.json").write_text("{")
    log(client, run_id, "d.txt", b"d")
    assert stored(client, run_id, tmp_path) == {"c.txt": b"c", "d.txt": b"d"}
    assert {path.name for path in files.journal.damaged.iterdir()} == {first, second}
    assert "was changed by somebody" in caplog.text


def test_damaged_beside_one_whose_place_is_away(client, run_id, azurite_server, files, monkeypatch):
    """It is told of all the same, as it waits no more."""
    monkeypatch.setattr("mlflow_workspace_plugin.artifacts.repository._SENDING_PATIENCE_S", 1.0)
    location = location_of(client.get_run(run_id).info.artifact_uri, "team-a")
    first, second = (files.add(location, f"{name}.txt", io.BytesIO(b"x")) for name in "ab")
    (files.path / first / "content").write_bytes(b"changed")
    azurite_server.stop()
    (row,), code = sync()
    assert "was changed by somebody" in row["problem"]
    assert (row["sent files"], code) == (0, 1)
    assert files.names() == [second]


def test_unsafe_path_is_refused_at_the_call(client, run_id, azurite_server, files, tmp_path):
    """As it would be while the account is there; so is a folder that is not."""
    azurite_server.stop()
    log(client, run_id, "a.txt", b"a")
    with pytest.raises(mlflow.MlflowException, match="leads out"):
        log(client, run_id, "../../b.txt", b"b")
    with pytest.raises(mlflow.MlflowException, match="backslash"):
        log(client, run_id, "a\\b.txt", b"b")
    with pytest.raises(FileNotFoundError):
        client.log_artifacts(run_id, str(tmp_path / "missing"))
    assert len(files.names()) == 1


def test_workspace_that_was_deleted_meanwhile(
    azure_workspace, client, run_id, azurite_server, files, tmp_path
):
    """What waited for it is kept aside, and nothing is stored where another one may be made."""
    hub = azure_workspace._hub
    location = location_of(client.get_run(run_id).info.artifact_uri, "team-a")
    files.add(location, "a.txt", io.BytesIO(b"a"))
    azure_workspace.delete(delete_dependent_resources=True)
    [outcome] = send(files, partial(open_to_send, hub))
    assert outcome.is_aside
    assert "deleted before it could be stored" in str(outcome.error)
    assert not files.names()
    root = open_root(tmp_path)
    below = root.blob(workspace_root("team-a"))
    assert not list(azurite_server.container(root.container).list_blobs(name_starts_with=below))


def test_what_is_never_taken_keeps_nothing_back(client, run_id, azurite_server, tmp_path, files):
    """It is kept aside: a blob of another kind has its name."""
    container = azurite_server.container(open_root(tmp_path).container)
    location = location_of(client.get_run(run_id).info.artifact_uri, "team-a")
    name = open_root(tmp_path).blob(location / "a.txt")
    container.get_blob_client(name).create_append_blob()
    azurite_server.stop()
    log(client, run_id, "a.txt", b"a")
    log(client, run_id, "b.txt", b"b")
    azurite_server.start()
    assert stored(client, run_id, tmp_path)["b.txt"] == b"b"
    assert not files.names()


def open_root(tmp_path):
    return open_hub(tmp_path / "hub").settings.artifact_root


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MLFLOW_WORKSPACE_STRICT", "1"),
        ("MLFLOW_WORKSPACE_JOURNAL", "off"),
        ("_MLFLOW_SERVER_FILE_STORE", "somewhere"),
    ],
)
def test_where_each_call_waits(client, run_id, azurite_server, files, monkeypatch, name, value):
    """Nothing is kept: the call raises."""
    monkeypatch.setenv("MLFLOW_WORKSPACE_WAIT", "1")
    azurite_server.stop()
    monkeypatch.setenv(name, value)
    with pytest.raises(HubUnreachableError):
        log(client, run_id, "a.txt", b"a")
    assert not files.names()


def test_sdk_v1_run(azure_workspace, azurite_server, tmp_path):
    """``upload_file``, images and ``outputs`` wait as well."""
    run = Experiment(azure_workspace, "sdk").start_logging()
    azurite_server.stop()
    (tmp_path / "outputs" / "model.txt").write_text("model")
    (tmp_path / "a.txt").write_text("a")
    run.upload_file("a.txt", str(tmp_path / "a.txt"))
    run.complete()
    assert run.get_status() == "Completed"
    azurite_server.start()
    again = Run(Experiment(azure_workspace, "sdk"), run.id)
    assert {"a.txt", "outputs/model.txt"} <= set(again.get_file_names())


def test_forked_child(client, run_id, azurite_server, tmp_path):
    """What a child logged, and what its parent did, are both there."""
    azurite_server.stop()
    log(client, run_id, "parent.txt", b"parent")
    child = os.fork()
    if not child:
        try:
            log(client, run_id, "child.txt", b"child")
        finally:
            os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    azurite_server.start()
    assert stored(client, run_id, tmp_path) == {"parent.txt": b"parent", "child.txt": b"child"}


def test_many_threads(client, run_id, azurite_server, tmp_path):
    """All of what they log while the account goes and comes back is there."""

    def work(thread: int) -> None:
        for number in range(20):
            log(client, run_id, f"{thread}/{number}", f"{thread} {number}".encode())

    threads = [threading.Thread(target=work, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    azurite_server.stop()
    time.sleep(1)
    azurite_server.start()
    for thread in threads:
        thread.join()
    assert stored(client, run_id, tmp_path) == {
        f"{thread}/{number}": f"{thread} {number}".encode()
        for thread in range(4)
        for number in range(20)
    }
