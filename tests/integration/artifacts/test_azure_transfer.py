"""How files get into a container and out of it: in blocks, whole, checked, and only once."""

import hashlib
import io
import os
import re
import signal
import subprocess
import sys
import threading
from functools import partialmethod
from pathlib import Path, PurePosixPath

import pytest
from azure.storage.blob import BlobBlock
from hypothesis import HealthCheck, given, settings
from mlflow.exceptions import MlflowException

from mlflow_workspace_plugin.artifacts.azure_blob.connection.container import BLOCK
from mlflow_workspace_plugin.errors import (
    AzureMLException,
    HubBusyError,
    HubUnreachableError,
    UnsafeArtifactPathError,
)
from tests.conftest import LOCATION
from tests.fault_proxy import Cut, error
from tests.file_transfers import BOTH, store_and_fetch, trees, write_tree

TRANSFER = """
import sys
from pathlib import Path, PurePosixPath
from mlflow_workspace_plugin.artifacts.azure_blob.repository import AzureRepository
from mlflow_workspace_plugin.hub.azure import parse
repository = AzureRepository(parse(sys.argv[1]), PurePosixPath(sys.argv[2]))
if sys.argv[3] == "upload":
    repository.log_artifact(sys.argv[4])
else:
    repository.fetch("big.bin", Path(sys.argv[4]))
"""


@pytest.fixture
def big(tmp_path) -> Path:
    """A file of several blocks, and a bit."""
    file = tmp_path / "big.bin"
    file.write_bytes(os.urandom(12 * BLOCK + 1234))
    return file


def blob(container, name: str = "big.bin"):
    return container.get_blob_client(f"some/prefix/{LOCATION}/{name}")


def killed(proxy, root: str, verb: str, file: Path, operation: str, after: int) -> None:
    """Transfer in a process that is killed when it sends so many requests of a kind."""
    process = subprocess.Popen([sys.executable, "-c", TRANSFER, root, str(LOCATION), verb, file])
    seen = []

    def fault(request) -> None:
        if request.operation == operation:
            seen.append(request)
            if len(seen) == after:
                process.kill()

    proxy.fault = fault
    assert process.wait(120) == -signal.SIGKILL
    proxy.fault = lambda _: None


@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK])
def test_any_size_comes_back(repository, container, tmp_path, size):
    """Files and streams of each size come back, with the hash of their content."""
    content = store_and_fetch(repository, tmp_path, size)
    for name in BOTH:
        metadata = blob(container, name).get_blob_properties().metadata
        assert metadata["sha256"] == hashlib.sha256(content).hexdigest()
    assert {each.name for each in tmp_path.iterdir()} <= {"file", "copy", "journal"}


@settings(
    max_examples=int(os.environ.get("TREES", "40")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(tree=trees())
def test_any_tree_comes_back(repository, tmp_path_factory, tree):
    """Files of any names, in folders of any names, come back as they were, and are listed."""
    source, target = (tmp_path_factory.mktemp(each) for each in ("source", "target"))
    write_tree(tree, source)
    repository.delete_artifacts("tree")
    repository.log_artifacts(str(source), "tree")
    copy = Path(repository.download_artifacts("tree", str(target))) if tree else target
    found = {
        PurePosixPath(path.relative_to(copy)): path.read_bytes()
        for path in copy.rglob("*")
        if path.is_file()
    }
    assert found == tree
    top = {(f"tree/{path.parts[0]}", len(path.parts) > 1) for path in tree}
    assert {(each.path, each.is_dir) for each in repository.list_artifacts("tree")} == top


@pytest.mark.parametrize("name", ["\\", "..\\x", "C:x", "%2e%2e", "a\\b"])
def test_refused_names(repository, tmp_path, name):
    """Names that lead elsewhere on any system are refused when they are stored, and named."""
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / name).write_text("x")
    for store in (
        lambda: repository.log_artifacts(str(folder)),
        lambda: repository.log_artifact(str(folder / name)),
    ):
        with pytest.raises(UnsafeArtifactPathError, match=re.escape(repr(name))):
            store()
    assert repository.list_artifacts() == []


def test_missing_folder(repository, tmp_path):
    """A folder that cannot be read is an error, and not an empty one."""
    with pytest.raises(FileNotFoundError):
        repository.log_artifacts(str(tmp_path / "missing"))


def test_unchanged_files_are_not_sent(repository, proxy, big, tmp_path):
    """What is there with the same hash is left alone; of the same size and time, it is sent."""
    folder = tmp_path / "folder"
    folder.mkdir()
    for number in range(20):
        (folder / f"{number}.txt").write_text(f"{number:100}")
    repository.log_artifact(str(big))
    repository.log_artifacts(str(folder), "folder")
    proxy.forget()
    repository.log_artifact(str(big))
    repository.log_artifacts(str(folder), "folder")
    assert proxy.sent == 0
    assert [each.operation for each in proxy.requests] == ["HEAD", "GET list"]
    for file in (folder / "7.txt", big):
        status = file.stat()
        with file.open("r+b") as stream:
            stream.write(b"changed")
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    repository.log_artifacts(str(folder), "folder")
    repository.log_artifact(str(big))
    assert proxy.count("PUT block") == 1
    for name, file in (("folder/7.txt", folder / "7.txt"), ("big.bin", big)):
        repository.fetch(name, tmp_path / "copy")
        assert (tmp_path / "copy").read_bytes() == file.read_bytes()


def test_killed_upload_goes_on(repository, proxy, azure_root, container, big, tmp_path):
    """After a kill nothing is visible, and what was staged is not sent again."""
    killed(proxy, azure_root, "upload", big, "PUT block", after=9)
    assert not blob(container).exists()
    _, staged = blob(container).get_block_list("all")
    assert staged
    proxy.forget()
    repository.log_artifact(str(big))
    # A block that was on its way at the kill may have been staged since.
    assert proxy.count("PUT block") <= 13 - len(staged)
    repository.fetch("big.bin", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == big.read_bytes()


def test_killed_download_goes_on(repository, proxy, azure_root, big, tmp_path):
    """After a kill there is no file, and ranges that came are not asked for again."""
    repository.log_artifact(str(big))
    target = tmp_path / "target" / "copy.bin"
    target.parent.mkdir()
    killed(proxy, azure_root, "download", target, "GET", after=10)
    assert not target.exists()
    (listed,) = target.parent.glob("*.parts")
    there = listed.stat().st_size // 4
    assert there > 1
    proxy.forget()
    repository.fetch("big.bin", target)
    # The first range comes with the question.
    assert proxy.count("GET") <= 13 - there + 1
    assert target.read_bytes() == big.read_bytes()
    assert [each.name for each in target.parent.iterdir()] == ["copy.bin"]


def test_list_of_a_finished_download(repository, proxy, big, tmp_path):
    """What a process left that was killed after its download was complete misleads nobody."""
    repository.log_artifact(str(big))
    target = tmp_path / "target" / "copy.bin"
    target.parent.mkdir()
    replace, kept = Path.replace, {}

    def keep_the_list(self, place):
        if self.name.startswith(".download-"):
            listed = self.with_name(f"{self.name}.parts")
            kept[listed] = listed.read_bytes()
        return replace(self, place)

    Path.replace = keep_the_list
    try:
        repository.fetch("big.bin", target)
    finally:
        Path.replace = replace
    for listed, content in kept.items():
        listed.write_bytes(content)
    target.unlink()
    proxy.forget()
    repository.fetch("big.bin", target)
    assert target.read_bytes() == big.read_bytes()
    assert [each.name for each in target.parent.iterdir()] == ["copy.bin"]
    assert proxy.count("GET") == 13


def test_failed_transfer_ends_early(repository, proxy, big, tmp_path, monkeypatch):
    """After a block failed for good no others are begun, in either direction."""
    repository.log_artifact(str(big))
    monkeypatch.setenv("MLFLOW_WORKSPACE_WAIT", "0.5")
    asked = set()

    def fault(request):
        if "x-ms-range" in request.headers or request.operation == "PUT block":
            asked.add(request.headers.get("x-ms-range", request.target))
            first = request.headers.get("x-ms-range", "").startswith("bytes=0-")
            return None if first else error(503, "ServerBusy")
        return None

    proxy.fault = fault
    with pytest.raises(HubUnreachableError):
        repository.fetch("big.bin", tmp_path / "copy")
    assert 1 < len(asked) < 13
    asked.clear()
    big.write_bytes(os.urandom(12 * BLOCK))
    with pytest.raises(HubUnreachableError):
        repository.log_artifact(str(big))
    assert 1 < len(asked) < 12
    assert not (tmp_path / "copy").exists()


def test_the_loser_stages_again(repository, proxy, container, big, tmp_path):
    """Whose staged blocks another's commit discarded sends them again, and replaces the other's."""
    others = [b"another's"]

    def fault(request) -> None:
        if request.operation == "PUT blocklist" and others:
            blob(container).stage_block("o" * 48, others.pop())
            blob(container).commit_block_list([BlobBlock("o" * 48)])

    proxy.fault = fault
    repository.log_artifact(str(big))
    assert proxy.count("PUT block") == 2 * 13
    repository.fetch("big.bin", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == big.read_bytes()


def test_unfinished_uploads_of_other_programs(repository, container, big, tmp_path):
    """Blocks that another program left, with ids of its own length, are not in the way."""
    blob(container).stage_block("a" * 30, b"left")
    repository.log_artifact(str(big))
    repository.fetch("big.bin", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == big.read_bytes()
    blob(container, "short").stage_block("short", b"left")
    with pytest.raises(HubBusyError, match="another program"):
        repository.log_artifact_from_stream(io.BytesIO(bytes(2 * BLOCK)), "short")


def test_writers_of_one_name(repository, tmp_path):
    """Of several writers at once, one's file is there in the end, as a whole."""
    contents = [os.urandom(3 * BLOCK) for _ in range(3)]
    writers = [
        threading.Thread(
            target=repository.log_artifact_from_stream, args=(io.BytesIO(content), "shared")
        )
        for content in contents
    ]
    for each in writers:
        each.start()
    for each in writers:
        each.join()
    repository.fetch("shared", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() in contents


@pytest.mark.parametrize(("first", "second"), [("a", "a/b"), ("a/b", "a")])
def test_file_and_folder_of_one_name(repository, tmp_path, first, second):
    """Both may be stored; each is read, and both at once are a clear error."""
    for path in (first, second):
        folder, _, name = path.rpartition("/")
        repository.log_artifact_from_stream(io.BytesIO(path.encode()), name, folder or None)
    assert [each.path for each in repository.list_artifacts()] == ["a", "a"]
    for path in (first, second):
        repository.fetch(path, tmp_path / "copy")
        assert (tmp_path / "copy").read_text() == path
    with pytest.raises(MlflowException, match="no disk takes a file and a folder of one name"):
        repository.download_artifacts("", str(tmp_path))


def test_replaced_while_it_is_read(repository, proxy, container, big, tmp_path):
    """A file that is replaced in the middle of a download comes as it is then, not as a mixture."""
    repository.log_artifact(str(big))
    new = os.urandom(2 * BLOCK)
    later = [new]

    def fault(request) -> None:
        if "x-ms-range" in request.headers and later and proxy.count("GET") > 2:
            metadata = {"sha256": hashlib.sha256(new).hexdigest()}
            blob(container).upload_blob(later.pop(), overwrite=True, metadata=metadata)

    proxy.fault = fault
    repository.fetch("big.bin", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == new


def add_to_blocks(container, content):
    """Store a blob with a block behind those that it has."""
    client = blob(container, "log")
    committed, _ = client.get_block_list("committed")
    ids = [each.id for each in committed] + [f"{len(committed):048}"]
    client.stage_block(ids[-1], b"more\n")
    metadata = {"sha256": hashlib.sha256(content).hexdigest()}
    client.commit_block_list([BlobBlock(each) for each in ids], metadata=metadata)


@pytest.mark.parametrize("is_appended", [False, True])
def test_log_that_grows_while_it_is_copied(repository, proxy, container, tmp_path, is_appended):
    """With each request: the copy is what was there first."""
    log = tmp_path / "log"
    content = b"".join(b"epoch %08d loss 0.12345678\n" % each for each in range(600_000))
    if is_appended:
        repository.append("log", content)
    else:
        log.write_bytes(content)
        with log.open("rb") as source:
            repository.grow("log", source)
    stored = [content]

    def fault(request) -> None:
        if "x-ms-range" in request.headers:
            stored.append(stored[-1] + b"more\n")
            if is_appended:
                blob(container, "log").append_block(b"more\n")
            else:
                add_to_blocks(container, stored[-1])

    proxy.fault = fault
    repository.fetch("log", tmp_path / "copy")
    assert len(stored) > 2
    assert (tmp_path / "copy").read_bytes() in stored[:2]
    assert not list(tmp_path.glob(".download-*"))


def test_replaced_by_what_begins_alike(repository, proxy, container, tmp_path):
    """It is no log that grows: the copy is the new file, and not a mixture."""
    file, old = tmp_path / "big.bin", os.urandom(2 * BLOCK)
    file.write_bytes(old)
    repository.log_artifact(str(file))
    new = old[:BLOCK] + os.urandom(BLOCK + 1)
    later = [new]

    def fault(request) -> None:
        first = request.headers.get("x-ms-range", "").startswith("bytes=0-")
        if "x-ms-range" in request.headers and not first and later:
            metadata = {"sha256": hashlib.sha256(new).hexdigest()}
            blob(container).upload_blob(later.pop(), overwrite=True, metadata=metadata)

    proxy.fault = fault
    repository.fetch("big.bin", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == new


def test_wrong_content_is_not_kept(repository, container, tmp_path):
    """A file whose content is not what its hash says is refused, and leaves no trace."""
    blob(container).upload_blob(b"damaged", metadata={"sha256": "0" * 64})
    target = tmp_path / "target" / "copy"
    target.parent.mkdir()
    target.write_text("before")
    with pytest.raises(AzureMLException, match="not what was stored"):
        repository.fetch("big.bin", target)
    assert [each.read_text() for each in target.parent.iterdir()] == ["before"]


def test_files_of_other_programs(repository, container, tmp_path):
    """What another program stored, without our hash, is read, too."""
    blob(container).upload_blob(b"theirs", metadata={"key": "value"})
    repository.fetch("big.bin", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"theirs"


def test_unverifiable_download_is_not_taken_over(repository, proxy, container, tmp_path):
    """Of a blob without a hash nothing is kept when its download fails."""
    blob(container).upload_blob(bytes(20 * BLOCK), max_concurrency=4)
    target = tmp_path / "target" / "copy"
    target.parent.mkdir()
    proxy.fault = lambda each: error(404, "BlobNotFound") if proxy.count("GET") > 5 else None
    with pytest.raises(MlflowException):
        repository.fetch("big.bin", target)
    assert list(target.parent.iterdir()) == []


def test_folders_of_other_programs(repository, container, tmp_path):
    """The empty blobs that stand for folders elsewhere are no files."""
    blob(container, "folder").upload_blob(b"", metadata={"hdi_isfolder": "true"})
    blob(container, "folder/deep").upload_blob(b"", metadata={"hdi_isfolder": "true"})
    blob(container, "folder/deep/file").upload_blob(b"x")
    assert [(each.path, each.is_dir) for each in repository.list_artifacts()] == [("folder", True)]
    copy = Path(repository.download_artifacts("", str(tmp_path)))
    assert (copy / "folder" / "deep" / "file").read_bytes() == b"x"
    (tmp_path / "by-name").mkdir()
    copy = Path(repository.download_artifacts("folder/deep", str(tmp_path / "by-name")))
    assert (copy / "file").read_bytes() == b"x"
    repository.delete_artifacts("folder")
    assert list(container.list_blobs()) == []


@pytest.mark.parametrize("size", [0, 2**16, 2**20 - 50, 3 * BLOCK])
def test_file_that_grows(repository, proxy, container, tmp_path, size):
    """Little more is sent than what was added, and stored once though answers get lost.

    When it is stored as a whole afterwards, what is there is compared, and nothing sent.
    """
    log, content = tmp_path / "log", os.urandom(size)
    broken = set()

    def lose_one_answer(request):
        if request.operation in broken:
            return None
        broken.add(request.operation)
        return Cut(before_answer=True)

    for number in range(4):
        content += os.urandom(10_000) if number < 3 else os.urandom(300_000)
        log.write_bytes(content)
        broken.clear()
        proxy.fault = lose_one_answer
        with log.open("rb") as source:
            sent = repository.grow("log", source)
        proxy.fault = lambda _: None
        assert number == 0 or sent < 2**20 + 2**17 + 300_000
        assert repository.read_from("log", 0, len(content) + 1) == content
    stored = repository.file_at("log")
    assert (stored.size, stored.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    proxy.forget()
    repository.log_artifact(str(log))
    assert proxy.sent == 0
    repository.fetch("log", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == content


def test_full_append_blob(repository, proxy, container):
    """When a blob takes no more appends, the next one goes on, and both are read."""
    repository.append("values/writer", b"one\n")
    proxy.fault = lambda request: (
        error(409, "BlockCountExceedsLimit")
        if request.operation == "PUT appendblock" and "/writer?" in request.target
        else None
    )
    repository.append("values/writer", b"two\n")
    repository.append("values/writer", b"three\n")
    read = []
    for each in repository.list_artifacts("values"):
        with repository.local(each.path) as file:
            read.append((each.path, file.read_text()))
    assert read == [("values/writer", "one\n"), ("values/writer.1", "two\nthree\n")]


def test_long_appends(repository):
    """More than the service takes at once is cut where lines end."""
    lines = b"".join(b"%d" % number * 100_000 + b"\n" for number in range(100))
    repository.append("values/writer", lines)
    with repository.local("values/writer") as file:
        assert file.read_bytes() == lines


@pytest.fixture
def small_pages(container, monkeypatch):
    """Pages of seven names, as nobody wants to store five thousand."""
    client = type(container)
    for name in ("walk_blobs", "list_blobs", "list_blob_names"):
        listed = getattr(client, name)
        monkeypatch.setattr(client, name, partialmethod(listed, results_per_page=7))


def test_listing_pages(repository, container, proxy, tmp_path, small_pages):
    """More names than a page holds are all listed, found unchanged, downloaded and deleted."""
    folder, target = tmp_path / "many", tmp_path / "target"
    folder.mkdir()
    target.mkdir()
    for number in range(30):
        (folder / f"{number:02}").write_text(str(number))
    repository.log_artifacts(str(folder), "many")
    proxy.forget()
    found = repository.list_artifacts("many")
    assert [each.path for each in found] == [f"many/{number:02}" for number in range(30)]
    assert proxy.count("GET list") == 5
    repository.log_artifacts(str(folder), "many")
    assert proxy.sent == 0
    repository.download_artifacts("many", str(target))
    assert len(list((target / "many").iterdir())) == 30
    repository.delete_artifacts("many")
    assert list(container.list_blobs()) == []
