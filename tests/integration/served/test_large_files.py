"""Large files through the server of a hub in a folder: killed, full, asked by two at a time."""

import errno
import hashlib
import os
import shutil
import signal
import threading
import time
from functools import partial
from pathlib import Path
from subprocess import PIPE

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from mlflow_workspace_plugin import uris
from mlflow_workspace_plugin.app.hub_api.files import contents, reading, receiving
from mlflow_workspace_plugin.app.served.routes.table import mlflow_lines
from mlflow_workspace_plugin.artifacts import uploads
from mlflow_workspace_plugin.artifacts.folder_repository import FolderRepository
from mlflow_workspace_plugin.artifacts.paths import location_of
from mlflow_workspace_plugin.artifacts.staging.repository import StagingRepository
from mlflow_workspace_plugin.artifacts.staging.sender import FileSender
from mlflow_workspace_plugin.artifacts.staging.staged_files import StagedFiles
from mlflow_workspace_plugin.errors import ArtifactRefusedError, HubBusyError
from mlflow_workspace_plugin.hub.files.tree import OpenFolder
from mlflow_workspace_plugin.journal.files.folder import JournalFolder
from mlflow_workspace_plugin.protocol.files import PIECE
from mlflow_workspace_plugin.remote.files import calls, through_hub
from mlflow_workspace_plugin.remote.files.calls import FileCalls
from mlflow_workspace_plugin.remote.files.repository import ServedRepository
from mlflow_workspace_plugin.remote.http import HubHttp
from tests import python_processes
from tests.hub_api import hub_api_server
from tests.servers import free_port
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.sqlite,
    pytest.mark.skipif(
        mlflow_lines(mlflow.__version__) is None, reason="MLflow before 3.17 is not served."
    ),
]
ROOT = Path(__file__).parents[3]
SIZE = 2 * PIECE + 17


@pytest.fixture(scope="module")
def hub(sqlite_template, tmp_path_factory):
    """A hub with a workspace, and where the files of a run in it are."""
    from mlflow_workspace_plugin import Workspace

    path = shutil.copytree(sqlite_template, tmp_path_factory.mktemp("large") / "hub")
    uri = Workspace.create("team-a", hub=path).get_mlflow_tracking_uri()
    client = MlflowClient(uri, uri)
    run = client.create_run(client.create_experiment("experiment"))
    return path, location_of(run.info.artifact_uri, "team-a")


@pytest.fixture(scope="module")
def api(hub):
    """The hub, served by this process."""
    with hub_api_server(hub[0]) as api:
        api.add_user("alice", "team-a", "member")
        yield api


@pytest.fixture
def file(tmp_path):
    """A file of three pieces."""
    (tmp_path / "big").write_bytes(os.urandom(SIZE))
    return tmp_path / "big"


@pytest.fixture
def sent(monkeypatch):
    """The sizes of the pieces that are sent."""
    sizes, store = [], FileCalls.store

    def watched(self, location, piece, **options):
        sizes.append(len(piece))
        return store(self, location, piece, **options)

    monkeypatch.setattr(FileCalls, "store", watched)
    return sizes


@pytest.fixture
def open_at(hub, request, monkeypatch):
    """Opens a folder of the test's own, as a script at a server sees it."""
    folder = hashlib.sha256(request.node.name.encode()).hexdigest()[:8]

    def opened(api, patience_s=20.0, port=None, *, asks_once=False):
        uri = f"workspace://127.0.0.1:{port or api.address.rpartition(':')[2]}/team-a"
        from mlflow_workspace_plugin.accounts.tokens import Tokens

        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", Tokens(api.hub).issue("alice").access)
        http = api.http("alice") if asks_once else HubHttp(uris.parse(uri))
        return ServedRepository(
            http, "team-a", hub[1] / folder, patience_s=patience_s, is_quiet=True
        )

    return opened


def staging(repository, tmp_path):
    """Return a repository whose files may wait, and what sends these."""
    name = hashlib.sha256(str(tmp_path).encode()).hexdigest()[:12]
    staged = StagedFiles(JournalFolder(f"workspace://large/{name}"))
    sender = FileSender(staged, lambda _: repository)
    return StagingRepository(repository, repository, repository._base, sender), sender


def check_stored(repository, file, path="big"):
    """Check that a file is stored as it is, and that nothing of it is left over."""
    repository.fetch(path, file.with_name("copy"))
    assert file.with_name("copy").read_bytes() == file.read_bytes()


def left(hub):
    """Return the uploads that are not done."""
    folder = hub[0] / "uploads"
    return [each.name for each in folder.glob("*") if not each.name.startswith("stored-")]


def failing_once(monkeypatch, fault):
    """Let what stores a received file fail once; return the list of what failed."""
    failed = []
    for name in ("take", "log_artifact_from_stream"):
        real = getattr(FolderRepository, name, None)

        def store(self, *args, real=real, **options):
            if not failed:
                failed.append(self)
                raise fault
            return real(self, *args, **options)

        monkeypatch.setattr(FolderRepository, name, store, raising=False)
    return failed


def test_a_file_that_was_received_and_not_stored(hub, api, open_at, file, sent, monkeypatch):
    """The hub's disk was full as it was to be stored: it is stored later, and not sent again."""
    failed = failing_once(monkeypatch, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    repository = open_at(api, asks_once=True)
    with pytest.raises(MlflowException, match="disk or quota is full"):
        repository.log_artifact(str(file))
    assert failed
    repository.log_artifact(str(file))
    check_stored(repository, file)
    assert sum(sent) == SIZE
    assert not left(hub)


def test_two_that_log_the_same(hub, api, open_at, file, sent, monkeypatch):
    """While the one's is stored, the other waits: neither is refused, nor sends what is there."""
    held, released = threading.Event(), threading.Event()
    take = FolderRepository.take

    def hold(self, *args, **options):
        held.set()
        assert released.wait(60)
        return take(self, *args, **options)

    monkeypatch.setattr(FolderRepository, "take", hold)
    asked = []
    real = FileCalls.find
    monkeypatch.setattr(FileCalls, "find", lambda *args: asked.append(args) or real(*args))
    raised = []

    def log(repository):
        try:
            repository.log_artifact(str(file))
        except Exception as error:  # noqa: BLE001  told of below
            raised.append(error)

    repository = open_at(api)
    threads = [threading.Thread(target=log, args=(repository,), daemon=True) for _ in range(2)]
    threads[0].start()
    assert held.wait(60)
    threads[1].start()
    wait_until(lambda: 0 in sent, 30)
    released.set()
    for each in threads:
        each.join(60)
    assert not raised
    check_stored(repository, file)
    assert sum(sent) == SIZE
    assert not left(hub)


def test_threads_do_not_wait_for_an_upload_that_another_has(hub, api, open_at, file):
    """A request about it is answered, and asked to come again, as soon as that is known."""
    repository = open_at(api)
    asked = partial(
        api.http("alice").request,
        "POST",
        "/hub/v1/workspaces/team-a/files/content",
        params={
            "location": f"{repository._base}/big",
            "offset": 0,
            "size": SIZE,
            "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        },
        data=file.read_bytes()[:PIECE],
    )
    name = uploads.name_of(
        repository._base / "big", SIZE, hashlib.sha256(file.read_bytes()).hexdigest()
    )
    with uploads.Uploads(api.hub.folder)._opened(name), pytest.raises(MlflowException) as busy:
        asked()
    assert busy.value.error_code == "REQUEST_LIMIT_EXCEEDED"
    assert asked().json() == {"stored": None, "staged": PIECE}
    repository.log_artifact(str(file))
    assert not left(hub)


def test_few_large_files_are_copied_at_a_time(api, open_at, file, sent, monkeypatch):
    """Others are asked to come again, so that threads are left for what is short."""
    monkeypatch.setattr(FolderRepository, "take", lambda *_, **__: None)
    monkeypatch.setattr(receiving, "_COPYING", threading.BoundedSemaphore(1))
    repository = open_at(api, asks_once=True)
    with receiving._COPYING, pytest.raises(MlflowException, match="too many large files to copy"):
        repository.log_artifact(str(file))
    repository.log_artifact(str(file))
    check_stored(repository, file)
    assert sum(sent) == SIZE


def test_what_cannot_be_compared_now_is_kept(hub, api, open_at, file, monkeypatch):
    """Where others are being read, what was received of a file is not sent again."""
    repository = open_at(api, asks_once=True)
    (repository_file := file.parent / "there" / "big").parent.mkdir()
    repository_file.write_bytes(bytes(SIZE))
    repository.log_artifact(str(repository_file))
    content = file.read_bytes()
    sending = FileCalls(api.http("alice"), "team-a", patience_s=0)
    monkeypatch.setattr(contents, "_TURN_S", 0.01)
    monkeypatch.setattr(contents, "became", lambda *_: False)

    def send(offset):
        return sending.store(
            f"{repository._base}/big",
            content[offset : offset + PIECE],
            offset=offset,
            size=SIZE,
            sha256=hashlib.sha256(content).hexdigest(),
            kind="new",
        )

    for offset in (0, PIECE):
        send(offset)
    with contents._HASHING, contents._HASHING, pytest.raises(MlflowException, match="to read"):
        send(2 * PIECE)
    assert [(hub[0] / "uploads" / each).stat().st_size for each in left(hub)] == [SIZE]
    # Another is there by that name, and stays.
    assert send(SIZE) == {"stored": False, "staged": SIZE}
    assert not left(hub)


def test_a_disk_that_is_full_within_a_piece(hub, api, open_at, file, sent, monkeypatch):
    """What was written of the piece is taken back, and the piece is sent again."""
    write, failed = uploads._write, []

    def full(stream, piece):
        if failed or len(piece) == PIECE:
            write(stream, piece)
            return
        failed.append(piece)
        write(stream, piece[:3])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(uploads, "_write", full)
    repository = open_at(api, asks_once=True)
    with pytest.raises(MlflowException, match="disk or quota is full"):
        repository.log_artifact(str(file))
    assert [(hub[0] / "uploads" / each).stat().st_size for each in left(hub)] == [2 * PIECE]
    repository.log_artifact(str(file))
    check_stored(repository, file)
    assert sum(sent) == SIZE + SIZE % PIECE
    assert not left(hub)


@pytest.mark.parametrize("kind", ["artifact", "data"])
def test_a_folder_of_the_name(hub, api, open_at, file, sent, kind):
    """A large file is refused for what is in its way, each time, and is stored when that is gone.

    So is a small one.
    """
    repository = open_at(api)
    (file.parent / "below").write_text("below")
    repository.log_artifact(str(file.parent / "below"), "big")

    def store():
        if kind == "artifact":
            repository.log_artifact(str(file))
        else:
            repository.put_files([(file, "big")], lambda *_: None)

    for _ in range(2):
        with pytest.raises(ArtifactRefusedError, match="A folder has its name"):
            store()
    assert sum(sent) == SIZE + len("below")
    FolderRepository(api.hub.folder, repository._base).delete_artifacts("big")
    store()
    check_stored(repository, file)
    assert sum(sent) == SIZE + len("below")
    mode = (hub[0] / "artifacts" / repository._base / "big").stat().st_mode
    assert bool(mode & 0o200) == (kind == "artifact")
    assert not left(hub)
    (file.parent / "below").unlink()
    (file.parent / "big").write_text("small")
    if kind == "artifact":
        (file.parent / "in").mkdir()
        (file.parent / "in" / "file").write_text("x")
        repository.log_artifact(str(file.parent / "in" / "file"), "folder")
        (file.parent / "folder").write_text("small")
        with pytest.raises(ArtifactRefusedError, match="A folder has its name"):
            repository.log_artifact(str(file.parent / "folder"))


def test_answers_that_come_late_from_another_disk(
    hub, api, open_at, file, sent, monkeypatch, tmp_path
):
    """A whole that is copied may take longer than a call waits else: nothing is kept to be sent."""

    def on_another_disk(*_, **__):
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    slow = FolderRepository.log_artifact_from_stream

    def copy(*args, **options):
        time.sleep(5)
        slow(*args, **options)

    monkeypatch.setattr(OpenFolder, "take", on_another_disk)
    monkeypatch.setattr(FolderRepository, "log_artifact_from_stream", copy)
    monkeypatch.setattr(calls, "_LARGE", SIZE)
    monkeypatch.setattr(calls, "_LEAST_SPEED", SIZE / 30)
    repository = open_at(api, patience_s=3)
    waiting, sender = staging(repository, tmp_path)
    waiting.log_artifact(str(file))
    assert not sender.files.names()
    check_stored(repository, file)
    assert sum(sent) == SIZE
    assert not left(hub)


@pytest.mark.parametrize("is_on_another_disk", [False, True])
def test_a_lost_answer_about_a_file_that_is_too_large_to_be_read(
    hub, api, open_at, file, sent, monkeypatch, is_on_another_disk
):
    """Who asks again is told that it is stored, though nobody reads it: it is not sent again."""
    for module in (contents, reading):
        monkeypatch.setattr(module, "HASHED_AT_ONCE", 0)
    if is_on_another_disk:
        monkeypatch.setattr(FolderRepository, "take", lambda *_, **__: None)
    lost = []
    put = receiving._put_received

    def store_and_lose(*args):
        stored = put(*args)
        if not lost:
            lost.append(stored)
            raise OSError(errno.EIO, "The answer is lost")
        return stored

    monkeypatch.setattr(receiving, "_put_received", store_and_lose)
    repository = open_at(api)
    with pytest.raises(MlflowException):
        repository.log_artifact(str(file))
    assert lost == [True]
    repository.log_artifact(str(file))
    check_stored(repository, file)
    assert sum(sent) == SIZE
    # What another has stored there since is no file of ours.
    other = file.with_name("other") / "big"
    other.parent.mkdir()
    other.write_bytes(os.urandom(SIZE))
    repository.log_artifact(str(other))
    repository.log_artifact(str(file))
    check_stored(repository, file)
    assert sum(sent) == 3 * SIZE
    assert not left(hub)


def test_a_file_that_is_read_once_more_in_turns(hub, api, open_at, file, sent, monkeypatch):
    """A server that was started again has read nothing of it: each request reads a part."""
    failing_once(monkeypatch, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    repository = open_at(api, asks_once=True)
    with pytest.raises(MlflowException):
        repository.log_artifact(str(file))
    uploads._begun.clear()
    monkeypatch.setattr(uploads, "_TURN_S", -1)
    repository.log_artifact(str(file))
    check_stored(repository, file)
    assert sum(sent) == SIZE
    assert sent.count(0) == -(-SIZE // 2**20)
    assert not left(hub)


CLIENT = """
import os
import signal
import sys
from pathlib import PurePosixPath

from mlflow_workspace_plugin import uris
from mlflow_workspace_plugin.remote.files.calls import FileCalls
from mlflow_workspace_plugin.remote.files.repository import ServedRepository
from mlflow_workspace_plugin.remote.http import HubHttp

store = FileCalls.store


def dying(self, location, piece, *, offset, **options):
    answer = store(self, location, piece, offset=offset, **options)
    if offset:
        os.kill(os.getpid(), signal.SIGKILL)
    return answer


FileCalls.store = dying
http = HubHttp(uris.parse(os.environ["MLFLOW_TRACKING_URI"]))
ServedRepository(http, "team-a", PurePosixPath(sys.argv[1])).log_artifact(sys.argv[2])
"""


def test_a_client_that_is_killed(hub, api, open_at, file, sent):
    """Another process goes on with what it has sent."""
    repository = open_at(api)
    arguments = ["-c", CLIENT, str(repository._base), str(file)]
    assert python_processes.run(arguments).returncode == -signal.SIGKILL
    repository.log_artifact(str(file))
    check_stored(repository, file)
    assert sum(sent) == SIZE - 2 * PIECE
    assert not left(hub)


SERVER = """
import os
import signal
import sys

sys.path.insert(0, sys.argv[1])
from pathlib import Path

from mlflow_workspace_plugin.artifacts import uploads
from mlflow_workspace_plugin.artifacts.folder_repository import FolderRepository
from mlflow_workspace_plugin.hub.files.tree import OpenFolder
from tests.hub_api import hub_api_server


def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)


def dying(owner, name, is_after, is_meant=lambda *_: True):
    real = getattr(owner, name)

    def call(*args, **options):
        if not is_meant(*args):
            return real(*args, **options)
        if is_after:
            real(*args, **options)
        die()

    setattr(owner, name, call)


def half_written(file, piece):
    os.write(file.fileno(), piece[: len(piece) // 2])
    die()


step = sys.argv[4]
if step == "in the last piece":
    write = uploads._write
    uploads._write = lambda file, piece: (write if len(piece) > 100 else half_written)(file, piece)
elif step == "noted":
    dying(OpenFolder, "take", False)
elif step == "linked":
    dying(os, "unlink", False, lambda name, *_: len(str(name)) == 64)
elif step == "moved":
    dying(OpenFolder, "take", True)
elif step == "in the copy":
    FolderRepository.take = lambda *_, **__: None
    dying(OpenFolder, "rename", False, lambda _, old, new: not new.startswith("stored-"))
with hub_api_server(Path(sys.argv[2]), port=int(sys.argv[3])):
    print("ready", flush=True)
    sys.stdin.read()
"""

STEPS = ["in the last piece", "noted", "linked", "moved", "in the copy"]


@pytest.mark.parametrize("step", STEPS)
def test_a_server_that_is_killed(hub, api, open_at, file, sent, step):
    """Whatever it was about: the file is stored once it is back, and no part is sent over again."""
    port = free_port()

    def start(step):
        command = ["-c", SERVER, str(ROOT), str(hub[0]), str(port), step]
        server = python_processes.Popen(command, stdin=PIPE, stdout=PIPE)
        assert server.stdout.readline() == b"ready\n"
        return server

    repository = open_at(api, port=port)
    raised = []

    def log():
        try:
            if step == "linked":
                repository.put_files([(file, "big")], lambda *_: None, overwrite=False)
            else:
                repository.log_artifact(str(file))
        except Exception as error:  # noqa: BLE001  told of below
            raised.append(error)

    thread = threading.Thread(target=log, daemon=True)
    with start(step) as server:
        thread.start()
        assert server.wait(60) == -signal.SIGKILL
        server.stdin.close()
    with start("") as server:
        thread.join(60)
        check_stored(repository, file)
        # Of a piece whose writing was cut off what was not written is sent.
        assert sum(sent) <= SIZE + PIECE
        log()
        assert sum(sent) <= SIZE + PIECE
        server.kill()
    assert not raised
    assert not left(hub)


@pytest.mark.parametrize("size", [10, SIZE])
def test_a_hub_that_fails_once(hub, api, open_at, file, monkeypatch, tmp_path, size):
    """Its disk fails at a file: the script goes on, and the file is sent once more."""
    file.write_bytes(os.urandom(size))
    failed = failing_once(monkeypatch, OSError(errno.EIO, os.strerror(errno.EIO)))
    repository = open_at(api)
    waiting, sender = staging(repository, tmp_path)
    waiting.log_artifact(str(file))
    assert failed
    assert sender.flush_all(30)
    check_stored(repository, file)
    assert not left(hub)


@pytest.fixture
def read_in_parts(monkeypatch):
    """A hub that reads a piece at most for one request."""
    monkeypatch.setattr(contents, "HASHED_AT_ONCE", PIECE)
    monkeypatch.setattr(reading, "HASHED_AT_ONCE", PIECE)
    monkeypatch.setattr(through_hub, "HASHED_AT_ONCE", PIECE)


@pytest.mark.parametrize("is_other", [False, True])
def test_a_large_log_that_grows_while_it_is_fetched(
    api, open_at, file, monkeypatch, read_in_parts, is_other
):
    """One that the hub does not read for one request is compared in parts, and is what it was.

    What was changed beside that is found.
    """
    repository = open_at(api)
    content = file.read_bytes()
    repository.append("log", content, goes_on=True)
    stored = api.hub.folder.artifacts / repository._base / "log"
    get = FileCalls.content

    def grown(self, location, start, *args, **options):
        answer = get(self, location, start, *args, **options)
        if start < SIZE - PIECE:
            repository.append("log", b"more\n", goes_on=True)
            if is_other:
                with stored.open("r+b") as log:
                    log.seek(start + 9)
                    log.write(os.urandom(9))
        return answer

    monkeypatch.setattr(FileCalls, "content", grown)
    monkeypatch.setattr(through_hub, "_BUSY_S", 0.01)
    if is_other:
        with pytest.raises(HubBusyError, match="replaced 3 times"):
            repository.fetch("log", file.with_name("copy"))
        return
    repository.fetch("log", file.with_name("copy"))
    assert file.with_name("copy").read_bytes() == content
    assert stored.stat().st_size > SIZE


def test_what_is_large_and_there_is_not_sent(api, open_at, file, sent, read_in_parts):
    """It is compared in parts, whoever stored it; what differs at its end is sent."""
    repository = open_at(api)
    repository.append("big", file.read_bytes(), goes_on=True)
    repository.log_artifact(str(file))
    repository.put_files([(file, "big")], lambda *_: None, overwrite=False)
    assert not sent
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    repository.log_artifact(str(file))
    check_stored(repository, file)
    assert sum(sent) == SIZE
