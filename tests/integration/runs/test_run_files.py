"""The files of SDK v1's Run: uploads, downloads, captured folders, snapshots."""

import inspect
import io
import logging
import os
import shutil
import socket
import tempfile
import time
import zipfile
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException

from mlflow_workspace_plugin import Experiment, Run
from mlflow_workspace_plugin.artifacts.paths import location_of
from mlflow_workspace_plugin.artifacts.repository import staged_files_of
from mlflow_workspace_plugin.errors import (
    AzureMLAggregatedException,
    AzureMLException,
    SnapshotException,
    UnsafeArtifactPathError,
    UserErrorException,
)
from mlflow_workspace_plugin.runs.files.artifact_names import artifact_uri
from mlflow_workspace_plugin.runs.files.captured_folders import CapturedOutputs, WatchedLogs
from tests.waiting import wait_until

pytestmark = [pytest.mark.hubs, pytest.mark.alike]

WAIT_S = 60
"""Of a machine that does much else."""


@pytest.fixture
def run(workspace):
    return Experiment(workspace, "experiment").start_logging()


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder that the script runs in."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def write(files: dict[str, str], folder: "Path | str" = ".") -> None:
    for name, text in files.items():
        file = Path(folder, name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def read(run, name: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        run.download_file(name, f"{folder}/copy")
        return Path(folder, "copy").read_text()


@pytest.mark.parametrize(
    ("method", "signature"),
    [
        ("upload_file", "name, path_or_stream, datastore_name=None"),
        ("upload_folder", "name, path, datastore_name=None"),
        (
            "upload_files",
            "names, paths, return_artifacts=False, timeout_seconds=None, datastore_name=None",
        ),
        ("get_file_names", ""),
        ("download_file", "name, output_file_path=None, _validate_checksum=False"),
        (
            "download_files",
            "prefix=None, output_directory=None, output_paths=None, batch_size=100, "
            "append_prefix=True, timeout_seconds=None",
        ),
        ("take_snapshot", "file_or_folder_path"),
        ("restore_snapshot", "snapshot_id=None, path=None"),
        ("get_snapshot_id", ""),
    ],
)
def test_signatures_are_sdk_v1s(method, signature):
    """Names, order and defaults."""
    found = inspect.signature(getattr(Run, method))
    plain = [each.replace(annotation=inspect.Parameter.empty) for each in found.parameters.values()]
    expected = f"(self, {signature})" if signature else "(self)"
    assert str(inspect.Signature(plain)) == expected


class TestUploadFile:
    def test_path_of_any_kind_is_taken(self, run, project):
        """Text, and a pathlib path, which SDK v1 refuses; under another name or its own."""
        write({"model.bin": "model"})
        run.upload_file("outputs/model.pkl", "model.bin")
        run.upload_file("model.bin", project / "model.bin")
        assert run.get_file_names() == ["model.bin", "outputs/model.pkl"]
        assert read(run, "outputs/model.pkl") == "model"

    def test_stream_is_read_from_where_it_stands_to_its_end(self, run):
        """And not closed."""
        stream = io.BytesIO(b"skipped, read")
        stream.seek(9)
        run.upload_file("stream.bin", stream)
        assert read(run, "stream.bin") == "read"
        assert not stream.closed

    def test_stream_is_never_read_as_a_whole(self, run):
        """It may be larger than the memory."""

        class Large(io.RawIOBase):
            left = 5 * 2**20

            def read(self, size=-1):
                assert 0 <= size <= 2**20
                size = min(size, self.left)
                self.left -= size
                return b"x" * size

        run.upload_file("large.bin", Large())
        assert len(read(run, "large.bin")) == 5 * 2**20

    def test_existing_name_is_replaced(self, run, project):
        """SDK v1 raises a resource conflict, which restarted jobs run into."""
        run.upload_file("x.txt", io.BytesIO(b"first, and longer"))
        run.upload_file("x.txt", io.BytesIO(b"second"))
        assert run.get_file_names() == ["x.txt"]
        assert read(run, "x.txt") == "second"

    @pytest.mark.parametrize("front", ["./", "/", "../", "./../.././/"])
    def test_what_leads_out_in_front_of_a_name_is_dropped(self, run, front):
        """A script that gives its local path as the name gets a sensible one."""
        run.upload_file(f"{front}img/a.jpg", io.BytesIO(b"a"))
        assert run.get_file_names() == ["img/a.jpg"]
        assert read(run, f"{front}img/a.jpg") == "a"

    @pytest.mark.parametrize(
        "name",
        [
            *("with space.txt", "100%.txt", "日本/語.txt", ".hidden", "a.b/c", " a", "a\nb"),
            # MLflow's own reading decodes or refuses these.
            *("run #1.txt", "50%25.txt", "folder #1/a%20b"),
        ],
    )
    def test_names_of_files_are_kept(self, run, name):
        """Letter by letter."""
        run.upload_file(name, io.BytesIO(b"x"))
        assert run.get_file_names() == [name]
        assert read(run, name) == "x"

    @pytest.mark.parametrize(
        ("name", "source", "expected"),
        [
            ("a/../../x", "local.bin", UnsafeArtifactPathError),
            ("..", "local.bin", UnsafeArtifactPathError),
            ("", "local.bin", UserErrorException),
            ("./", "local.bin", UserErrorException),
            ("outputs/", "local.bin", UserErrorException),
            ("x", 7, UserErrorException),
            ("x", io.StringIO("text"), UserErrorException),
            ("x", "missing.bin", FileNotFoundError),
            ("x", ".", FileNotFoundError),
        ],
    )
    def test_bad_upload_is_an_error_and_stores_nothing(self, run, project, name, source, expected):
        """At the call, with the reason."""
        write({"local.bin": "local"})
        with pytest.raises(expected):
            run.upload_file(name, source)
        assert run.get_file_names() == []

    def test_text_stream_that_is_no_text_io_is_an_error_too(self, run):
        """tempfile's wrappers are of no class that tells."""
        with tempfile.NamedTemporaryFile("w+") as stream, pytest.raises(UserErrorException):
            run.upload_file("x", stream)

    @pytest.mark.folder
    @pytest.mark.parametrize(("first", "second"), [("a", "a/b"), ("a/b", "a")])
    def test_file_and_folder_of_one_name_are_an_error(self, run, first, second):
        """What was there first stays."""
        run.upload_file(first, io.BytesIO(b"x"))
        with pytest.raises(UserErrorException, match="Choose another name"):
            run.upload_file(second, io.BytesIO(b"y"))
        assert run.get_file_names() == [first]

    def test_what_it_returns_names_the_stored_file(self, run):
        """``.artifacts[name]``, by the name as given."""
        stored = run.upload_file("./a/b.txt", io.BytesIO(b"x")).artifacts["./a/b.txt"]
        assert (stored.path, stored.origin) == ("a/b.txt", "ExperimentRun")
        assert stored.artifact_id == f"ExperimentRun/dcid.{run.id}/a/b.txt"


class TestUploadFiles:
    def test_each_path_gets_its_name(self, run, project):
        """Returned in order, and by name where asked for."""
        write({"1.txt": "one", "2.txt": "two"})
        returned = run.upload_files(["b.txt", "a.txt"], ["1.txt", "2.txt"])
        assert [each.path for each in returned] == ["b.txt", "a.txt"]
        by_name, in_order = run.upload_files(
            names=["c.txt"], paths=[Path("1.txt")], return_artifacts=True
        )
        assert by_name["c.txt"] == in_order[0]
        assert [read(run, name) for name in ("a.txt", "b.txt", "c.txt")] == ["two", "one", "one"]

    def test_unequal_lists_are_a_type_error(self, run, project):
        """SDK v1's."""
        with pytest.raises(TypeError, match="2 names and 1 paths"):
            run.upload_files(["a", "b"], ["1.txt"])

    def test_nothing_is_stored_when_one_source_is_missing(self, run, project):
        """SDK v1 leaves names without content."""
        write({"1.txt": "one"})
        with pytest.raises(FileNotFoundError, match="no file '2"):
            run.upload_files(["a", "b"], ["1.txt", "2.txt"])
        assert run.get_file_names() == []

    def test_name_given_twice_is_a_warning(self, run, project, caplog):
        """The last one is kept."""
        write({"1.txt": "one", "2.txt": "two"})
        run.upload_files(["a", "a"], ["1.txt", "2.txt"])
        assert "twice" in caplog.text
        assert read(run, "a") == "two"

    def test_time_is_up(self, run, project):
        """The error says how far it came."""
        write({"1.txt": "one"})
        with pytest.raises(AzureMLException, match="0 of 1 files were uploaded within 0 seconds"):
            run.upload_files(["a"], ["1.txt"], timeout_seconds=0)


class TestUploadFolder:
    @pytest.mark.parametrize("slash", ["", "/"])
    def test_files_lie_below_the_name(self, run, project, slash):
        """Hidden ones too; a slash at the end changes nothing, unlike in SDK v1."""
        write({"dir/file.txt": "x", "dir/.hidden": "h", "dir/sub/deep.txt": "d"})
        Path("dir/empty").mkdir()
        stored = run.upload_folder("name", f"dir{slash}").artifacts
        expected = ["name/.hidden", "name/file.txt", "name/sub/deep.txt"]
        assert run.get_file_names() == sorted(stored) == expected

    @pytest.mark.parametrize("path", ["missing", "file.txt"])
    def test_what_is_no_folder_is_an_error(self, run, project, path):
        """SDK v1's exception."""
        write({"file.txt": "x"})
        with pytest.raises(UserErrorException, match="no folder"):
            run.upload_folder("name", path)

    def test_links_are_followed_but_not_in_circles(self, run, project):
        """A linked folder is stored; one that leads back up is not."""
        write({"dir/file.txt": "x", "elsewhere/linked.txt": "l"})
        Path("dir/link").symlink_to(project / "elsewhere")
        Path("dir/up").symlink_to(project / "dir")
        run.upload_folder("n", "dir")
        assert run.get_file_names() == ["n/file.txt", "n/link/linked.txt"]


class TestDownloadFile:
    @pytest.fixture(autouse=True)
    def stored(self, run, project):
        run.upload_file("outputs/model.pkl", io.BytesIO(b"model"))

    @pytest.mark.parametrize(
        ("target", "written"),
        [
            (None, "model.pkl"),
            ("there", "there/model.pkl"),
            ("new/", "new/model.pkl"),
            ("new/deep/name.bin", "new/deep/name.bin"),
            (Path("name.bin"), "name.bin"),
        ],
    )
    def test_targets(self, run, target, written):
        """The working directory, an existing folder, a new one, a file in one to be made."""
        Path("there").mkdir()
        assert run.download_file("outputs/model.pkl", target) is None
        found = [path for path in Path().rglob("*") if path.is_file()]
        assert found == [Path(written)]
        assert Path(written).read_bytes() == b"model"

    def test_local_file_is_overwritten(self, run):
        """Silently, as in SDK v1."""
        write({"model.pkl": "something longer"})
        run.download_file("outputs/model.pkl")
        assert Path("model.pkl").read_bytes() == b"model"

    @pytest.mark.parametrize("name", ["missing", "outputs", "outputs/model.pkl/x"])
    def test_unknown_name_is_an_error_that_lists_the_files(self, run, name):
        """A folder's name is none."""
        run.upload_file("a.txt", io.BytesIO(b"a"))
        with pytest.raises(
            UserErrorException,
            match=rf"{name} was not found in run .*include: a.txt,outputs/model.pkl",
        ):
            run.download_file(name)
        assert list(Path().iterdir()) == []

    def test_aml_form_is_taken(self, run):
        """What get_metrics returns for an image names its file."""
        run.download_file(artifact_uri(run.id, "outputs/model.pkl"), "x")
        assert Path("x").read_bytes() == b"model"

    def test_aml_form_of_another_run_is_an_error(self, run):
        """Its files are its own."""
        with pytest.raises(UserErrorException, match="not a file of run"):
            run.download_file("aml://artifactId/ExperimentRun/dcid.other/outputs/model.pkl")

    @pytest.mark.folder
    def test_copy_is_compared_where_asked_for(self, run, monkeypatch):
        """A disk that loses the end of a file is found out, and nothing is left behind."""
        run.download_file("outputs/model.pkl", "good", _validate_checksum=True)

        def lose_the_end(source, target, *_):
            target.write(source.read()[:-1])

        monkeypatch.setattr(shutil, "copyfileobj", lose_the_end)
        with pytest.raises(AzureMLException, match="not what is stored"):
            run.download_file("outputs/model.pkl", "bad", _validate_checksum=True)
        assert list(Path().iterdir()) == [Path("good")]

    @pytest.mark.folder
    def test_copy_of_a_log_that_grows_is_compared(self, run, monkeypatch):
        """It is what the log begins with."""
        copy = shutil.copyfileobj

        def copy_and_grow(source, target, *of):
            copy(source, target, *of)
            run._repository().append("outputs/model.pkl", b"more", goes_on=True)

        monkeypatch.setattr(shutil, "copyfileobj", copy_and_grow)
        run.download_file("outputs/model.pkl", "x", _validate_checksum=True)
        assert Path("x").read_bytes() == b"model"


class TestDownloadFiles:
    @pytest.fixture(autouse=True)
    def stored(self, run, project):
        for name in ("outputs/a.txt", "outputs/sub/outputs/b.txt", "outputs2.txt"):
            run.upload_file(name, io.BytesIO(name.encode()))

    @pytest.mark.parametrize(
        ("arguments", "written"),
        [
            ({}, ["outputs/a.txt", "outputs/sub/outputs/b.txt", "outputs2.txt"]),
            ({"prefix": "outputs"}, ["outputs/a.txt", "outputs/sub/outputs/b.txt"]),
            ({"prefix": "./outputs/sub"}, ["outputs/sub/outputs/b.txt"]),
            ({"prefix": "outputs\\sub\\"}, ["outputs/sub/outputs/b.txt"]),
            ({"prefix": "outputs/sub", "append_prefix": False}, ["outputs/sub/outputs/b.txt"]),
            (
                {"prefix": "outputs", "output_directory": "D"},
                ["D/outputs/a.txt", "D/outputs/sub/outputs/b.txt"],
            ),
            (
                {"prefix": "outputs/", "output_directory": "D", "append_prefix": False},
                ["D/a.txt", "D/sub/outputs/b.txt"],
            ),
            (
                {"prefix": "outputs", "output_directory": "D", "output_paths": ["1", "x/2"]},
                ["D/1", "D/x/2"],
            ),
            ({"prefix": "outputs", "output_paths": ["1", "2"], "append_prefix": False}, ["1", "2"]),
        ],
    )
    def test_targets(self, run, arguments, written):
        """Where SDK v1 writes them."""
        assert run.download_files(**arguments) is None
        assert sorted(str(path) for path in Path().rglob("*") if path.is_file()) == written

    @pytest.mark.parametrize("paths", [["1"], ["1", "1"], []])
    def test_unfit_output_paths_are_a_warning(self, run, caplog, paths):
        """The files keep their own paths."""
        run.download_files("outputs", "D", output_paths=paths, append_prefix=False)
        assert "keep their own" in caplog.text
        assert Path("D/outputs/a.txt").read_text() == "outputs/a.txt"

    def test_unknown_prefix_is_an_error(self, run):
        """A file's name is no folder's either."""
        for prefix in ("nothing", "outputs2.txt"):
            with pytest.raises(UserErrorException, match="no file below"):
                run.download_files(prefix)

    def test_run_without_files_is_none(self, run):
        """All of nothing is nothing."""
        empty = run.experiment.start_logging()
        assert empty.get_file_names() == []
        empty.download_files()

    def test_time_is_up(self, run):
        """The error says how far it came."""
        with pytest.raises(AzureMLException, match="0 of 3 files were downloaded within 0"):
            run.download_files(timeout_seconds=0)


class TestCapturedOutputs:
    def test_files_get_the_names_that_users_see(self, run, project):
        """``./outputs`` is ``outputs``; SDK v1's own logs are left out."""
        outputs = CapturedOutputs(run, "./outputs")
        write({"outputs/m.pkl": "m", "outputs/sub/.x": "x", "outputs/1_azureml.log": "no"})
        outputs.upload()
        assert run.get_file_names() == ["outputs/m.pkl", "outputs/sub/.x"]

    def test_explicitly_uploaded_file_is_one_file(self, run, project):
        """With what it held at the end."""
        outputs = CapturedOutputs(run)
        write({"outputs/m.pkl": "before"})
        run.upload_file("outputs/m.pkl", "outputs/m.pkl")
        write({"outputs/m.pkl": "at the end"})
        outputs.upload()
        assert run.get_file_names() == ["outputs/m.pkl"]
        assert read(run, "outputs/m.pkl") == "at the end"

    def test_folder_is_that_of_the_start(self, run, project, tmp_path, monkeypatch):
        """Made when missing, and found wherever the script changes to."""
        outputs = CapturedOutputs(run, "results")
        write({"results/x": "x"})
        monkeypatch.chdir(tmp_path)
        outputs.upload()
        assert run.get_file_names() == ["results/x"]

    def test_missing_folder_is_skipped(self, run, project):
        """Removed, or never made because a file is in its place."""
        write({"file": "x"})
        in_the_way = CapturedOutputs(run, "file")
        removed = CapturedOutputs(run)
        Path("outputs").rmdir()
        for outputs in (in_the_way, removed):
            outputs.upload()
        assert run.get_file_names() == []

    def test_denied_names_are_left_out(self, run, project):
        """By patterns of stored names."""
        write({"outputs/a.tmp": "a", "outputs/b.txt": "b", "outputs/cache/c": "c"})
        CapturedOutputs(run, deny=["*.tmp", "outputs/cache/*"]).upload()
        assert run.get_file_names() == ["outputs/b.txt"]

    @pytest.mark.folder
    def test_all_errors_are_raised_together_after_the_rest_is_stored(self, run, project):
        """A line for each."""
        run.upload_file("outputs/a/taken", io.BytesIO(b"x"))
        run.upload_file("outputs/b/taken", io.BytesIO(b"x"))
        write({"outputs/a": "a", "outputs/b": "b", "outputs/c": "c"})
        with pytest.raises(AzureMLAggregatedException) as raised:
            CapturedOutputs(run).upload()
        assert [line.split(":")[0] for line in raised.value.message.splitlines()] == [
            "./outputs/a",
            "./outputs/b",
        ]
        assert read(run, "outputs/c") == "c"

    def test_pipes_and_sockets_are_no_files(self, run, project):
        """Reading one would wait for ever."""
        outputs = CapturedOutputs(run)
        os.mkfifo("outputs/pipe")
        Path("outputs/dangling").symlink_to("nowhere")
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind("outputs/socket")
            outputs.upload()
        assert run.get_file_names() == []


class TestWatchedLogs:
    def test_logs_are_stored_while_they_grow(self, run, project):
        """New ones and what is added to old ones; the folder may come later."""
        logs = WatchedLogs(run, "./logs", rescan_s=0.01)
        logs.start()
        write({"logs/a.txt": "one"})
        wait_until(lambda: run.get_file_names() == ["logs/a.txt"], WAIT_S)
        write({"logs/sub/b.txt": "two", "logs/a.txt": "one more"})
        wait_until(lambda: run.get_file_names() == ["logs/a.txt", "logs/sub/b.txt"], WAIT_S)
        wait_until(lambda: read(run, "logs/a.txt") == "one more", WAIT_S)
        logs.stop()

    def test_end_stores_what_is_there(self, run, project):
        """Without waiting for the next look; a second end changes nothing."""
        logs = WatchedLogs(run)
        logs.start()
        write({"logs/a.txt": "last words"})
        logs.stop()
        logs.stop()
        assert read(run, "logs/a.txt") == "last words"

    def test_hidden_files_are_left_out(self, run, project):
        """And those in hidden folders."""
        write({"logs/.a": "a", "logs/.git/b": "b", "logs/c": "c"})
        logs = WatchedLogs(run)
        logs.start()
        logs.stop()
        assert run.get_file_names() == ["logs/c"]

    def test_what_did_not_change_is_stored_once(self, run, project):
        """A file that was replaced among the run's stays replaced."""
        write({"logs/a": "a"})
        logs = WatchedLogs(run)
        logs.start()
        logs.stop()
        run.upload_file("logs/a", io.BytesIO(b"replaced"))
        logs.stop()
        assert read(run, "logs/a") == "replaced"

    def test_what_is_added_is_appended(self, run, project, monkeypatch):
        """A long log is not stored again for each line, but once more at the end, as it is then."""
        stored, store = [], run.upload_file
        monkeypatch.setattr(run, "upload_file", lambda *of: stored.append(of) or store(*of))
        content = "0123456789" * 100_000
        write({"logs/a": content})
        logs = WatchedLogs(run, rescan_s=0.01)
        logs.start()
        for number in range(10):
            content += f"\nline {number}"
            with Path("logs/a").open("a") as file:
                file.write(f"\nline {number}")
            wait_until(lambda: run.get_file_names() and read(run, "logs/a") == content, WAIT_S)  # noqa: B023
        assert len(stored) == 1
        logs.stop()
        assert len(stored) == 2
        assert read(run, "logs/a") == content

    def test_log_that_is_another_is_stored_as_a_whole(self, run, project):
        """It may be shorter, or longer, where it was rotated or written anew."""
        logs = WatchedLogs(run, rescan_s=0.01)
        logs.start()
        for content in ("one\n", "one\ntwo\n", "1\n", "another one\n", "", "x"):
            write({"logs/a": content})
            wait_until(lambda: run.get_file_names() and read(run, "logs/a") == content, WAIT_S)  # noqa: B023
        logs.stop()
        assert read(run, "logs/a") == "x"

    def test_end_stores_what_could_not_be_added(self, run, project, monkeypatch, caplog):
        """As a whole, which may go where adding to what is there does not."""
        write({"logs/a": "one\n"})
        logs = WatchedLogs(run)
        logs._store_what_grew()

        def fail(*_):
            raise MlflowException("x")

        monkeypatch.setattr(type(run._repository()), "grow", fail)
        write({"logs/a": "one\ntwo\n"})
        logs.stop()
        assert read(run, "logs/a") == "one\ntwo\n"
        assert "cannot be stored" not in caplog.text

    @pytest.mark.folder
    def test_few_copies_wait(self, run, project, workspace, monkeypatch):
        """While files wait for the run, a log is stored again at the end, and not each second."""
        location = location_of(run._artifact_uri, workspace.name)
        files = staged_files_of(workspace._hub, workspace.name)
        behind_link = workspace._hub.folder.artifacts / location / "link"
        behind_link.parent.mkdir(parents=True, exist_ok=True)
        behind_link.symlink_to(project)
        files.add(location, "link/a", io.BytesIO(b"waits"))
        stored, store = [], run.upload_file
        monkeypatch.setattr(run, "upload_file", lambda *of: stored.append(of) or store(*of))
        logs = WatchedLogs(run, rescan_s=0.01)
        try:
            logs.start()
            write({"logs/a": "0"})
            wait_until(lambda: stored, WAIT_S)
            for number in range(1, 20):
                write({"logs/a": "a" * number})
                time.sleep(0.02)
            logs.stop()
        finally:
            behind_link.unlink()
        assert len(stored) == 2
        assert read(run, "logs/a") == "a" * 19

    @pytest.mark.folder
    def test_error_is_said_once_and_does_not_reach_the_script(self, run, project, caplog):
        """The other logs are stored."""
        run.upload_file("logs/a/taken", io.BytesIO(b"x"))
        write({"logs/a": "a", "logs/b": "b"})
        logs = WatchedLogs(run)
        logs.start()
        logs.stop()
        logs.stop()
        said = [each.message for each in caplog.records if each.levelno >= logging.WARNING]
        assert len([each for each in said if "cannot be stored" in each]) == 1
        assert read(run, "logs/b") == "b"


class TestSnapshots:
    def content(self, run, **kwargs) -> dict[str, str]:
        with zipfile.ZipFile(run.restore_snapshot(**kwargs)) as archive:
            return {name: archive.read(name).decode() for name in archive.namelist()}

    def test_snapshot_is_what_the_folder_held(self, run, project):
        """Everything in it, ``.git`` and notebooks too; later changes are not in it."""
        write({"train.py": "1", "sub/x.ipynb": "2", ".git/HEAD": "3"})
        snapshot_id = run.take_snapshot(".")
        write({"train.py": "changed"})
        assert run.get_snapshot_id() == snapshot_id
        assert self.content(run) == {"train.py": "1", "sub/x.ipynb": "2", ".git/HEAD": "3"}

    def test_zip_is_named_by_the_id_in_the_folder_given(self, run, project):
        """The folder is made."""
        write({"train.py": "1"})
        snapshot_id = run.take_snapshot(project)
        expected = str(Path("new/folder", f"{snapshot_id}.zip"))
        assert run.restore_snapshot(path="new/folder") == expected
        assert zipfile.is_zipfile(expected)

    def test_single_file_is_a_snapshot(self, run, project):
        """As SDK v1 takes one."""
        write({"train.py": "1", "other.py": "2"})
        run.take_snapshot("train.py")
        assert self.content(run) == {"train.py": "1"}

    def test_snapshot_is_no_file_of_the_run(self, run, project):
        """get_file_names and download_files know nothing of it."""
        write({"train.py": "1"})
        run.take_snapshot(".")
        run.upload_file("x.txt", io.BytesIO(b"x"))
        assert run.get_file_names() == ["x.txt"]
        run.download_files(output_directory="D")
        assert [path.name for path in Path("D").iterdir()] == ["x.txt"]
        client = run.experiment.workspace.client
        assert [each.path for each in client.list_artifacts(run.id)] == ["x.txt"]

    def test_amlignore_wins_over_gitignore(self, run, project):
        """Entirely; the ignore file itself is kept."""
        write({"a.txt": "a", "b.txt": "b", "data/c.txt": "c", "sub/data/d.txt": "d"})
        write({".gitignore": "*.txt", ".amlignore": "# comment\n/data/\nb.txt\n"})
        run.take_snapshot(".")
        assert sorted(self.content(run)) == [".amlignore", ".gitignore", "a.txt", "sub/data/d.txt"]

    def test_gitignore_alone_is_used_and_nested_ones_are_not(self, run, project):
        """One at the top."""
        write({".gitignore": "*.log\n", "x.log": "", "sub/.gitignore": "*", "sub/y": "y"})
        run.take_snapshot(".")
        assert sorted(self.content(run)) == [".gitignore", "sub/.gitignore", "sub/y"]

    def test_pattern_may_take_back_what_another_leaves_out(self, run, project):
        """Only the scripts, wherever they are."""
        write({".amlignore": "*\n!*.py\n", "a.py": "a", "sub/b.py": "b", "sub/c.txt": "c"})
        run.take_snapshot(".")
        assert sorted(self.content(run)) == ["a.py", "sub/b.py"]

    def test_unusable_ignore_file_is_an_error(self, run, project):
        """Rather than a snapshot of everything."""
        write({"a.py": "a"})
        Path(".amlignore").write_bytes(b"\xff\xfe")
        with pytest.raises(SnapshotException, match="Correct or remove it"):
            run.take_snapshot(".")

    def test_second_snapshot_of_a_run_is_an_error(self, run, project):
        """SDK v1's; the first one stays."""
        write({"a.py": "a"})
        first = run.take_snapshot(".")
        with pytest.raises(SnapshotException, match=first):
            run.take_snapshot(".")
        assert run.get_snapshot_id() == first

    def test_equal_folders_have_one_id(self, run, project, workspace):
        """Whatever their times; another content or name has another."""
        write({"one/a.py": "a", "two/a.py": "a", "three/b.py": "a", "four/a.py": "b"})
        os.utime("two/a.py", (1, 1))
        ids = [
            run.experiment.start_logging().take_snapshot(each)
            for each in ("one", "two", "three", "four")
        ]
        assert ids[0] == ids[1]
        assert len(set(ids)) == 3

    def test_snapshot_of_another_run_is_restored_by_its_id(self, run, project, workspace):
        """From any experiment of the workspace."""
        write({"a.py": "a"})
        snapshot_id = run.take_snapshot(".")
        other = Experiment(workspace, "other").start_logging()
        assert self.content(other, snapshot_id=snapshot_id) == {"a.py": "a"}

    @pytest.mark.parametrize(
        "snapshot_id", [None, "x' OR 1=1", "00000000-0000-0000-0000-000000000000"]
    )
    def test_missing_snapshot_is_an_error(self, run, snapshot_id):
        """None taken, no id at all, and an id that nobody has."""
        assert run.get_snapshot_id() is None
        with pytest.raises(SnapshotException, match="snapshot"):
            run.restore_snapshot(snapshot_id)

    def test_missing_folder_is_an_error(self, run, project):
        """And leaves the run without a snapshot."""
        with pytest.raises(SnapshotException, match="snapshot_directory=None"):
            run.take_snapshot("missing")
        assert run.get_snapshot_id() is None

    def test_more_than_sdk_v1_takes_is_taken_with_a_warning(self, run, project, caplog):
        """Its limit was 2000 files."""
        for number in range(2001):
            Path(str(number)).touch()
        run.take_snapshot(".")
        assert "2,001 files" in caplog.text
        assert ".amlignore" in caplog.text
        assert len(self.content(run)) == 2001

    def test_large_files_are_a_warning_too(self, run, project, caplog):
        """Its limit was 300 MiB."""
        with Path("large.bin").open("wb") as file:
            file.truncate(301 * 2**20)
        run.take_snapshot(".")
        assert "1 files of 301 MiB" in caplog.text

    def test_hub_in_the_folder_is_left_out(self, run, tmp_path):
        """It would bring all snapshots before this one."""
        write({"train.py": "1"})
        run.take_snapshot(tmp_path)
        assert "train.py" in self.content(run)
        assert not [name for name in self.content(run) if name.startswith("hub/")]

    def test_links_in_circles_and_odd_files_do_not_stop_it(self, run, project):
        """Links are followed once; pipes are no files; names need not be text, nor times sane."""
        write({"a.py": "a"})
        Path("loop").symlink_to(project)
        os.mkfifo("pipe")
        Path(os.fsdecode(b"\xff.py")).touch()
        os.utime("a.py", (-(10**9), -(10**9)))
        run.take_snapshot(".")
        assert sorted(self.content(run)) == ["a.py", "\ufffd.py"]
