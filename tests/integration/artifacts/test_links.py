"""Links in a hub, and rows that name other places: neither is followed, in or out."""

import json
import os
import stat
from pathlib import Path

import mlflow
import pytest
from click.testing import CliRunner
from mlflow.exceptions import MlflowException

from mlflow_workspace_plugin import Experiment, Workspace
from mlflow_workspace_plugin.cli import main
from mlflow_workspace_plugin.errors import ForeignFileError, HubError, UnsafeArtifactPathError
from mlflow_workspace_plugin.hub.hub import create_hub
from tests.integration.hub.test_hub import execute

pytestmark = [pytest.mark.databases, pytest.mark.folder, pytest.mark.alike]


@pytest.fixture
def outside(tmp_path) -> Path:
    """A folder of the user's, beside the hub."""
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / "key").write_text("SECRET")
    (folder / "key").chmod(0o600)
    return folder


@pytest.fixture
def kept(outside):
    """Check at the end that all outside is as it was."""

    def state():
        return {
            str(path): (path.stat().st_mode, path.read_bytes() if path.is_file() else b"")
            for path in (outside, *outside.rglob("*"))
        }

    before = state()
    yield outside
    assert state() == before


@pytest.fixture
def run(workspace):
    return Experiment(workspace, "experiment").start_logging(snapshot_directory=None)


@pytest.fixture
def folder(run, hub_path) -> Path:
    """Where the files of the run are."""
    path = hub_path / f"artifacts/workspaces/team-a/{run.experiment.id}/{run.id}/artifacts"
    path.mkdir(parents=True)
    return path


def command(*arguments, status=0) -> str:
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == status, done.output
    return done.output


def run_of(client, name):
    return client.create_run(client.create_experiment(name)).info.run_id


def test_files_are_stored_in_place_of_links(workspace, run, folder, kept, tmp_path):
    """By each call that stores one; a folder that is a link refuses."""
    client = workspace.client
    source = tmp_path / "source"
    (source / "sub").mkdir(parents=True)
    for name in ("a", "b", "c", "d", "sub/e"):
        (source / name).write_text("new")
    for name in ("a", "b", "c", "d"):
        (folder / name).symlink_to(kept / "key")
    client.log_artifacts(run.id, str(source))
    client.log_text(run.id, "new", "b")
    run.upload_file("c", str(source / "c"))
    client.log_artifact(run.id, str(source / "d"))
    assert [(folder / name).read_text() for name in "abcd"] == ["new"] * 4
    (folder / "sub/e").unlink()
    (folder / "sub").rmdir()
    (folder / "sub").symlink_to(kept)
    for call in (
        lambda: client.log_artifacts(run.id, str(source)),
        lambda: client.log_artifact(run.id, str(source / "a"), "sub"),
        lambda: client.log_text(run.id, "new", "sub/key"),
        lambda: run.upload_file("sub/key", str(source / "a")),
        lambda: client.list_artifacts(run.id, "sub"),
        lambda: client.download_artifacts(run.id, "sub/key"),
        lambda: run.download_file("sub/key", str(tmp_path / "copy")),
    ):
        with pytest.raises(MlflowException):
            call()
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize("mode", [0o700, 0o2777])
def test_reading_leaves_links_out(workspace, hub_path, run, folder, kept, tmp_path, mode):
    """Of folders too, with and without a place for the copy; a shared hub is copied from."""
    run.upload_file("real/file", __file__)
    for path in (hub_path, *hub_path.rglob("*")):
        if path.is_dir():
            path.chmod(mode)
    client = workspace.client
    in_place = run._repository().download_artifacts("real/file")
    assert in_place.startswith(str(hub_path)) is (mode == 0o700)
    (folder / "real/link").symlink_to(kept)
    (folder / "link").symlink_to(kept / "key")
    assert run.get_file_names() == ["real/file"]
    assert [each.path for each in client.list_artifacts(run.id)] == ["real"]
    for place in (None, str(tmp_path / "copy")):
        if place:
            Path(place).mkdir()
        found = Path(client.download_artifacts(run.id, "", place))
        assert not any(path.is_symlink() for path in found.rglob("*"))
        assert (found / "real/file").read_text() == Path(__file__).read_text()
    for name in ("link", "real/link/key"):
        with pytest.raises(MlflowException):
            client.download_artifacts(run.id, name)
        with pytest.raises(MlflowException):
            run.download_file(name, str(tmp_path / "copied"))


@pytest.mark.parametrize("level", ["file", "values", ".mlflow-workspace", "artifacts", "run"])
def test_values_wait_for_a_link_to_go(workspace, run, folder, kept, level):
    """And nothing else does: numbers, and what is logged to other runs, are stored at once."""
    places = {
        "file": folder / ".mlflow-workspace/values",
        "values": folder / ".mlflow-workspace/values",
        ".mlflow-workspace": folder / ".mlflow-workspace",
        "artifacts": folder,
        "run": folder.parent,
    }
    if level == "file":
        run.log("text", "first")
        assert workspace.tracking_store.flush(20)
        (link,) = places[level].iterdir()
        link.rename(link.with_name(f"{link.name}.moved"))
        link.symlink_to(kept / "key")
    else:
        link = places[level]
        if link == folder:
            folder.rmdir()
        elif link == folder.parent:
            folder.rmdir()
            link.rmdir()
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(kept)
    other = Experiment(workspace, "other").start_logging(snapshot_directory=None)
    run.log("text", "exactly this")
    run.log("number", 1.0)
    other.log("text", "of another run")
    workspace.tracking_store.flush(1)
    assert other.get_metrics() == {"text": "of another run"}
    assert workspace.client.get_run(run.id).data.metrics["number"] == 1.0
    (status,) = json.loads(command("sync", "--status", "--json"))
    # Beside a link that is a file there is room for another file.
    assert status["waiting files"] == (level != "file")
    assert status["refused"] == 0
    link.unlink()
    (sent,) = json.loads(command("sync", "--json"))
    assert sent["refused"] == 0
    values = run.get_metrics()["text"]
    assert values == (["first", "exactly this"] if level == "file" else "exactly this")


def test_deleted_workspace_takes_only_its_link(workspace, hub_path, kept):
    """With content, and without."""
    for name, with_content in (("one", True), ("two", False)):
        other = Workspace.create(name, hub=hub_path)
        link = hub_path / "artifacts/workspaces" / name
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(kept)
        other.delete(delete_dependent_resources=with_content)
        assert not link.is_symlink()


def test_linked_folder_of_a_workspace(workspace, hub_path, tmp_path):
    """It is followed once the user has registered it, to where it led then, and is freed, too."""
    disk, other = tmp_path / "disk", tmp_path / "other"
    for each in (disk, other):
        each.mkdir()
    link = hub_path / "artifacts/workspaces/team-a"
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(disk)
    client = workspace.client
    run_id = run_of(client, "experiment")
    with pytest.raises(ForeignFileError, match="hub link NAME FOLDER"):
        client.log_text(run_id, "x", "x.txt")
    hub = ("--hub", str(hub_path))
    assert str(disk) in command("hub", "link", "team-a", str(disk), *hub)
    client.log_text(run_id, "x", "x.txt")
    assert [each.name for each in disk.rglob("*.txt")] == ["x.txt"]
    assert Path(client.download_artifacts(run_id, "x.txt")).read_text() == "x"
    record = Path(os.environ["MLFLOW_WORKSPACE_LINKS_FILE"])
    assert stat.S_IMODE(record.stat().st_mode) == 0o600

    link.unlink()
    link.symlink_to(other)
    with pytest.raises(ForeignFileError):
        client.log_text(run_id, "x", "y.txt")
    command("hub", "link", "TEAM-A", str(disk), *hub)
    for mode in (0o640, 0o666):
        record.chmod(mode)
        with pytest.raises(HubError, match="others may read or write it"):
            client.log_text(run_id, "x", "y.txt")
    record.chmod(0o600)
    (disk / "planted").symlink_to(other)
    (other / "file").touch()
    workspace.delete(delete_dependent_resources=True)
    assert list(disk.iterdir()) == []
    assert list(other.iterdir()) == [other / "file"]
    assert not link.is_symlink()


def test_folder_with_files_is_not_linked_over(workspace, hub_path, tmp_path):
    """They would be out of sight."""
    client = workspace.client
    client.log_text(run_of(client, "experiment"), "x", "x.txt")
    hub = ("--hub", str(hub_path))
    (tmp_path / "disk").mkdir()
    assert "move there what is in" in command(
        "hub", "link", "team-a", str(tmp_path / "disk"), *hub, status=1
    )
    assert "Make that folder" in command("hub", "link", "team-a", "missing", *hub, status=1)
    assert list(hub_path.rglob("x.txt"))


@pytest.mark.sqlite
def test_new_hub_in_a_folder_with_planted_links(tmp_path, kept):
    """Of every name that is used on the way."""
    hub = tmp_path / "hub"
    hub.mkdir()
    hub.chmod(0o2777)
    for name in ("hub.toml.unfinished", "hub.db.unfinished", "hub.toml", "hub.db-wal"):
        if name != "hub.toml":
            (hub / name).symlink_to(kept / "key")
    (hub / "hub.lock").symlink_to(kept / "key")
    with pytest.raises(ForeignFileError, match=r"hub\.lock"):
        create_hub(hub, journal_mode="delete")
    (hub / "hub.lock").unlink()
    create_hub(hub, journal_mode="delete")
    assert "delete" in (hub / "hub.toml").read_text()
    (hub / "hub.toml").unlink()
    (hub / "hub.toml").symlink_to(kept / "key")
    with pytest.raises(ForeignFileError, match=r"hub\.toml"):
        Workspace.get("default", hub=hub)


@pytest.mark.sqlite
@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_folders_of_ours_are_private(tmp_path, monkeypatch, umask):
    """Those of a new hub, of the journal, and what is above them, whatever the umask."""
    monkeypatch.setenv("MLFLOW_WORKSPACE_JOURNAL_DIR", str(tmp_path / "state/deep/journal"))
    before = os.umask(umask)
    try:
        workspace = Workspace.create("team-a", hub=tmp_path / "data/hub")
        run_id = run_of(workspace.client, "experiment")
        workspace.client.log_metric(run_id, "m", 1.0)
        workspace.client.log_text(run_id, "x", "a/x.txt")
    finally:
        os.umask(before)
    made = [
        path
        for top in (tmp_path / "state", tmp_path / "data")
        for path in (top, *top.rglob("*"))
        if path.is_dir()
    ]
    assert {stat.S_IMODE(path.stat().st_mode) for path in made} == {0o700}


ELSEWHERE = [
    *("file://{home}", "{home}", "FILE:{home}", "file://localhost{home}", "../home"),
    *("mlflow-artifacts:/workspaces/team-a/../../../../home", "mlflow-artifacts:/../../home"),
    *("mlflow-artifacts:/workspaces/team-b", "mlflow-artifacts:/workspaces", "mlflow-artifacts:/"),
    *("mlflow-artifacts://127.0.0.1:1/x", "http://127.0.0.1:1/x", "s3://bucket/x", "dbfs:/x"),
    *("workspace://{hub}/team-a", "http://[", "mlflow-artifacts:/workspaces/team-a/%2e%2e/team-b"),
]


@pytest.mark.parametrize("location", ELSEWHERE)
def test_row_that_names_another_place(workspace, other_workspace, hub_path, kept, location):
    """Is not followed by a client, by the shim or by gc, which keeps and lists it."""
    client = workspace.client
    others = run_of(other_workspace.client, "of-b")
    other_workspace.client.log_text(others, "x", "x.txt")
    named = location.format(home=kept, hub=hub_path)
    run_id = run_of(client, "experiment")
    execute(hub_path, f"UPDATE runs SET artifact_uri = '{named}' WHERE run_uuid = '{run_id}'")
    run = workspace.get_run(run_id)
    for call in (
        lambda: client.list_artifacts(run_id),
        lambda: client.log_text(run_id, "x", "x.txt"),
        lambda: client.download_artifacts(run_id, "key"),
        lambda: mlflow.artifacts.download_artifacts(
            artifact_uri=client.get_run(run_id).info.artifact_uri,
            tracking_uri=workspace.get_mlflow_tracking_uri(),
        ),
        run.get_file_names,
        lambda: run.upload_file("x", __file__),
    ):
        with pytest.raises(UnsafeArtifactPathError):
            call()
    client.delete_run(run_id)
    freed = json.loads(command("gc", "-w", "team-a", "--hub", str(hub_path), "--json"))
    assert freed["kept"] == [{"id": run_id, "location": named.rstrip("/")}]
    assert freed["workspaces"][0]["kept"] == 1
    assert other_workspace.get_run(others).get_file_names() == ["x.txt"]


def test_row_that_names_the_files_of_another_run(workspace, hub_path, run):
    """Frees nothing of it, though they are in the hub."""
    run.upload_file("x", __file__)
    client = workspace.client
    theirs = client.get_run(run.id).info.artifact_uri
    for location in (theirs, theirs.removesuffix("/artifacts"), theirs.rpartition("/" + run.id)[0]):
        run_id = client.create_run(run.experiment.id).info.run_id
        change = f"UPDATE runs SET artifact_uri = '{location}' WHERE run_uuid = '{run_id}'"
        execute(hub_path, change)
        client.delete_run(run_id)
    freed = json.loads(command("gc", "-w", "team-a", "--hub", str(hub_path), "--json"))
    assert len(freed["kept"]) == 3
    assert run.get_file_names() == ["x"]


def test_rows_of_models_experiments_and_traces(workspace, hub_path, kept):
    """Name no other place either: for reading, for what is logged below, and for freeing."""
    client, uri = workspace.client, workspace.get_mlflow_tracking_uri()
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    experiment_id = client.create_experiment("experiment")
    model = client.create_logged_model(experiment_id, "model")
    mlflow.set_experiment(experiment_id=experiment_id)
    with mlflow.start_span("span") as span:
        pass
    mlflow.flush_trace_async_logging()
    for change in (
        f"logged_models SET artifact_location = '{kept}'",
        f"experiments SET artifact_location = 'file://{kept}' WHERE name = 'experiment'",
        f"trace_tags SET value = '{kept}' WHERE key = 'mlflow.artifactLocation'",
    ):
        execute(hub_path, f"UPDATE {change}")
    rows = (
        ("mlflow.trace.archiveLocation", str(kept)),
        ("mlflow.trace.spansLocation", "ARCHIVE_REPO"),
    )
    for key, value in rows:
        execute(
            hub_path,
            f"DELETE FROM trace_tags WHERE key = '{key}' AND request_id = '{span.trace_id}'",
        )
        execute(hub_path, f"INSERT INTO trace_tags VALUES ('{key}', '{value}', '{span.trace_id}')")
    (kept / "traces.pb").write_text("not a trace")
    client.create_registered_model("registered")
    client.create_model_version("registered", f"{kept}-registered")
    run_id = client.create_run(experiment_id).info.run_id
    for call in (
        lambda: mlflow.artifacts.list_artifacts(f"models:/{model.model_id}"),
        lambda: mlflow.artifacts.download_artifacts(f"models:/{model.model_id}"),
        lambda: client.log_model_artifact(model.model_id, __file__),
        lambda: mlflow.artifacts.download_artifacts("models:/registered/1"),
        lambda: client.log_text(run_id, "x", "x.txt"),
    ):
        with pytest.raises(MlflowException, match="not below the hub's own root"):
            call()
    client.delete_traces(experiment_id, trace_ids=[span.trace_id])
    client.delete_logged_model(model.model_id)
    client.delete_run(run_id)
    client.delete_experiment(experiment_id)
    freed = json.loads(command("gc", "-w", "team-a", "--hub", str(hub_path), "--json"))
    assert {each["id"] for each in freed["kept"]} == {model.model_id, run_id, experiment_id}
    (kept / "traces.pb").unlink()


def test_place_that_the_user_allows_is_followed_and_never_freed(
    workspace, hub_path, outside, monkeypatch
):
    """As MLflow follows it; what only begins like it is not."""
    client = workspace.client
    run_ids = [run_of(client, f"e{number}") for number in range(3)]
    places = (f"file://{outside}/runs", f"{outside}/runs/deep", f"{outside}/runs-of-others")
    for run_id, place in zip(run_ids, places, strict=True):
        execute(hub_path, f"UPDATE runs SET artifact_uri = '{place}' WHERE run_uuid = '{run_id}'")
    monkeypatch.setenv("MLFLOW_WORKSPACE_ALLOWED_LOCATIONS", f"s3://bucket {outside}/runs")
    for run_id in run_ids[:2]:
        client.log_text(run_id, "x", "x.txt")
        assert Path(client.download_artifacts(run_id, "x.txt")).read_text() == "x"
        client.delete_run(run_id)
    with pytest.raises(UnsafeArtifactPathError, match="MLFLOW_WORKSPACE_ALLOWED_LOCATIONS"):
        client.log_text(run_ids[2], "x", "x.txt")
    command("gc", "-w", "team-a", "--hub", str(hub_path))
    assert (outside / "runs/x.txt").exists()
    assert (outside / "runs/deep/x.txt").exists()


def test_gc_frees_what_is_beside_links(workspace, hub_path, run, folder, kept):
    """A link goes with its run; where one leads to the files of a run, that is kept and told."""
    client = workspace.client
    (folder / "link").symlink_to(kept)
    behind = run_of(client, "behind")
    experiment_id = client.get_run(behind).info.experiment_id
    (hub_path / "artifacts/workspaces/team-a" / experiment_id).symlink_to(kept)
    run.complete()
    for run_id in (run.id, behind):
        client.delete_run(run_id)
    client.delete_experiment(experiment_id)
    freed = json.loads(command("gc", "-w", "team-a", "--hub", str(hub_path), "--json"))
    assert not folder.parent.exists()
    assert {each["id"] for each in freed["kept"]} == {behind, experiment_id}
    assert freed["workspaces"][0]["runs"] == 1


ESCAPES = "\x1b]0;title\x07\x1b[31m\x9b31m\u202e"


def test_commands_show_escapes(workspace, hub_path):
    """In names of experiments, runs and metrics, values and errors, as tables and as JSON."""
    client = workspace.client
    client.create_experiment(f"e{ESCAPES}")
    run = workspace.experiments[f"e{ESCAPES}"].start_logging(
        display_name=f"[red]{ESCAPES}", snapshot_directory=None
    )
    run.log("text", ESCAPES)
    run.log_row("row", column=ESCAPES)
    run.complete()
    for arguments in (
        ("runs", "-w", "team-a"),
        ("runs", "-w", "team-a", "--json"),
        ("runs", "-w", "team-a", "-e", f"e{ESCAPES}"),
        ("runs", "-w", "team-a", "-e", f"no{ESCAPES}"),
        ("metrics", run.id, "-w", "team-a"),
        ("metrics", run.id, "text", "-w", "team-a"),
        ("metrics", run.id, "row", "-w", "team-a", "--json"),
        ("verify", run.id),
        ("verify", f"no{ESCAPES}"),
        ("show", f"no{ESCAPES}"),
        ("where", f"no{ESCAPES}"),
    ):
        done = CliRunner().invoke(main, [*arguments, "--hub", str(hub_path)])
        assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(done.output), arguments
    for shown in (repr(run.experiment), repr(run)):
        assert "\x1b" not in shown
    assert "[red]" in command("runs", "-w", "team-a", "--hub", str(hub_path))
