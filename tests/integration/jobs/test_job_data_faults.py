"""Data of jobs where something goes wrong: kills, cancels, an account that is away, odd folders.

The runners are real processes; what a job's data is when all goes well is told by test_job_data.
"""

import os
import re
import shlex
import signal
from contextlib import suppress
from pathlib import Path

import pytest
from click.testing import CliRunner

from mlflow_workspace_plugin.cli import main
from mlflow_workspace_plugin.data.delivery.inputs import DataInput
from mlflow_workspace_plugin.data.delivery.outputs import DataOutput
from mlflow_workspace_plugin.errors import UserErrorException
from mlflow_workspace_plugin.jobs.ended import jobs_folder
from mlflow_workspace_plugin.runner.folder import remove_unused
from mlflow_workspace_plugin.sdk.data.datasets.dataset import Dataset
from mlflow_workspace_plugin.sdk.data.datastores.datastore import Datastore
from tests.azurite import ACCOUNT, KEY, connection_string
from tests.fault_proxy import error
from tests.jobs import TELL, is_alive, jobs_of, until

# What differs between databases is the stores'.
pytestmark = pytest.mark.sqlite

OWN = "workspaceblobstore"


def put(workspace, folder, files, target="w"):
    """Store files, by path, in a folder of the workspace's own datastore."""
    for path, text in files.items():
        place = folder / "to-store" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    datastore = workspace.get_default_datastore()
    datastore.upload(str(folder / "to-store"), target, overwrite=True, show_progress=False)
    return datastore


def stored(workspace, path) -> list[str]:
    """Return the names of the files below a path of the workspace's own datastore."""
    found = workspace.get_default_datastore()._storage.files(path)
    return [each.path[len(path) + 1 :] for each in found]


def reads(name="files", mode="mount", **how):
    return DataInput(name, mode, datastore=OWN, path="w", **how).to_json()


def makes(name="made", mode="upload", **how):
    return DataOutput(name, mode, path="made", **how).to_json()


def test_nothing_stays_mounted_when_a_runner_is_killed(new_job, workspace, tmp_path):
    """Its folder can be removed then, and with it none of the files that it showed."""
    put(workspace, tmp_path, {"a.csv": "x\n", "b/c.csv": "y\n"})
    place = tmp_path / "elsewhere"
    job = new_job(
        TELL + 'print(sorted(os.listdir(os.environ["files"])));'
        'assert sorted(os.listdir(FOLDER + "/elsewhere")) == ["a.csv", "b"]\n'
        'tell("pid")\ntime.sleep(600)\n',
        inputs=[reads(), reads("other", path_on_compute=str(place))],
    ).start()
    pid = job.pid("pid")
    # Nobody else sees them.
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()
    job.kill()
    job.wait()
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    until(lambda: not is_alive(pid))
    folder = jobs_folder() / job.id
    until(lambda: remove_unused(folder))
    mounts = Path("/proc/self/mountinfo").read_text()
    assert str(folder) not in mounts
    assert str(tmp_path) not in mounts
    assert not folder.exists()
    assert stored(workspace, "w") == ["a.csv", "b/c.csv"]


@pytest.mark.skipif(os.geteuid() != 0, reason="To others nothing is mounted.")
def test_what_outlives_a_job_leaves_its_mounts(tmp_path, run_python):
    """The agent that a job starts sees what all others see, and keeps none of the job's mounts."""
    for name in ("shown", "at"):
        (tmp_path / name).mkdir()
    (tmp_path / "shown" / "a.csv").touch()
    code = f"""
import os, subprocess, sys
from pathlib import Path
from mlflow_workspace_plugin.data.files import views
from mlflow_workspace_plugin.jobs.engines.local import start
at = {str(tmp_path / "at")!r}
os.environ[start.MOUNTS] = views.keep_to_oneself()
assert views.open_view(Path({str(tmp_path / "shown")!r}), Path(at))
tell = f"import os; print(os.listdir({{at!r}}))"
for before in ("", start._code().removesuffix(start._CODE)):
    subprocess.run([sys.executable, "-I", "-S", "-c", before + tell], check=True)
"""
    assert run_python("-c", code).stdout == "['a.csv']\n[]\n"


def test_cancel_while_data_is_brought(azure_workspace, tmp_path, proxy, monkeypatch):
    """It is heeded at once, however long the copies would have taken, and none of them is kept."""
    put(azure_workspace, tmp_path, {"large": "x" * 5_000_000})
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", connection_string(proxy.endpoint))
    for job in jobs_of(azure_workspace, tmp_path):
        slow = job("pass", inputs=[reads(mode="download")])
        # Hours.
        proxy.bytes_per_s = 500
        slow.start()
        until(
            lambda: any(
                each.operation == "GET" and "large" in each.target for each in proxy.requests
            )
        )
        azure_workspace.get_run(slow.id).cancel()
        assert slow.wait() == 1
        assert slow.state == "Canceled"
        break


def test_account_is_away_when_a_script_has_ended(azure_workspace, tmp_path, proxy, monkeypatch):
    """What it made is stored when the account is back, and only then the job has completed."""
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", connection_string(proxy.endpoint))
    code = (
        TELL
        + """
open(os.environ["made"] + "/a.csv", "w").write("x")
open(os.environ["made"] + "/b.csv", "w").write("y")
tell("done")
while not os.path.exists(FOLDER + "/go"):
    time.sleep(0.05)
"""
    )
    for new in jobs_of(azure_workspace, tmp_path):
        job = new(code, outputs=[makes(register_as="results")]).start()
        job.pid("done")
        # The second file is not taken.
        proxy.fault = lambda request: (
            error(503, "ServerBusy") if "made/b.csv" in request.target else None
        )
        (tmp_path / "go").touch()
        until(lambda: any("made/b.csv" in each.target for each in proxy.requests))
        assert job.state in ("Running", "Finalizing")
        assert "results" not in azure_workspace.datasets
        proxy.fault = lambda _: None
        assert job.wait() == 0, job.said
        assert stored(azure_workspace, "made") == ["a.csv", "b.csv"]
        assert azure_workspace.datasets["results"].version == 1
        break


@pytest.mark.parametrize("comes_back", [True, False])
def test_storage_of_a_datastore_is_away_when_a_script_has_ended(
    new_job, workspace, tmp_path, container, proxy, monkeypatch, comes_back
):
    """It is waited for, with a limit; then the job has failed and says where its output is."""
    monkeypatch.setenv("AZURE_KEY_OF_TEST", KEY)
    monkeypatch.setenv("MLFLOW_WORKSPACE_ALLOWED_LOCATIONS", proxy.endpoint)
    monkeypatch.setenv("MLFLOW_WORKSPACE_END_WAIT", "600" if comes_back else "1")
    datastore = Datastore.register_azure_blob_container(
        workspace,
        "Mine",
        container.container_name,
        ACCOUNT,
        account_key="${AZURE_KEY_OF_TEST}",
        endpoint=proxy.endpoint,
    )
    assert list(datastore._storage.files()) == []
    job = new_job(
        TELL
        + """
open(os.environ["made"] + "/a.csv", "w").write("x")
tell("done")
while not os.path.exists(FOLDER + "/go"):
    time.sleep(0.05)
""",
        outputs=[makes(datastore="Mine", register_as="results")],
    ).start()
    job.pid("done")
    # Which Azure's own client does not send again for a minute.
    proxy.fault = lambda _: error(429, "TooManyRequests")
    before = len(proxy.requests)
    (tmp_path / "go").touch()
    until(lambda: len(proxy.requests) > before)
    if comes_back:
        assert job.state in ("Running", "Finalizing")
        until(lambda: "waits for a datastore" in job.said)
        proxy.fault = lambda _: None
        assert job.wait() == 0, job.said
        assert workspace.datasets["results"].to_path() == ["/a.csv"]
        return
    assert job.wait() == 1
    assert job.state == "Failed"
    [command] = re.findall(r"mlflow-workspace (data upload .+) stores it", job.row.cause)
    assert job.id in command
    proxy.fault = lambda _: None
    done = CliRunner().invoke(main, shlex.split(command))
    assert done.exit_code == 0, done.output
    assert [each.path for each in datastore._storage.files()] == ["made/a.csv"]


def test_output_that_is_of_another_kind_than_its_dataset(new_job, workspace, tmp_path):
    """The script is not run for hours first."""
    datastore = put(workspace, tmp_path, {"a.csv": "x\n1\n"})
    Dataset.Tabular.from_delimited_files((datastore, "w")).register(workspace, "rows")
    job = new_job("print('it runs')", outputs=[makes(register_as="rows")])
    assert job.run() == 1
    assert job.state == "Failed"
    assert "Dataset 'rows' is a dataset of rows" in job.row.cause
    assert "it runs" not in job.said


def test_files_that_a_script_could_not_store_in_a_datastore(
    azure_workspace, tmp_path, container, proxy, monkeypatch
):
    """They are stored at the end of its job, for nobody else comes by on that node."""
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", connection_string(proxy.endpoint))
    code = (
        TELL
        + """
from azureml.core import Run
open("a.csv", "w").close()
datastore = Run.get_context().experiment.workspace.get_default_datastore()
datastore.upload_files(["a.csv"], target_path="own", overwrite=True)
tell("done")
while not os.path.exists(FOLDER + "/go"):
    time.sleep(0.05)
os._exit(0)
"""
    )
    proxy.fault = lambda request: error(503, "ServerBusy") if "/own/" in request.target else None
    for new in jobs_of(azure_workspace, tmp_path):
        job = new(code).start()
        pid = job.pid("done")
        (tmp_path / "go").touch()
        until(lambda pid=pid: not is_alive(pid))
        proxy.fault = lambda _: None
        assert job.wait() == 0, job.said
        # Whoever asks the workspace sends what waits on this machine.
        assert any(each.name.endswith("/own/a.csv") for each in container.list_blobs())
        break


class TestOutputs:
    def test_folders_as_scripts_leave_them(self, new_job, workspace, tmp_path):
        """Links are followed but in circles; pipes and what leads nowhere are no files."""
        (tmp_path / "linked").mkdir()
        (tmp_path / "linked" / "far.csv").write_text("far")
        job = new_job(
            """
os.chdir(os.environ["made"])
os.makedirs("a/b")
for name in ("a/b/c.csv", "a/é #%20 [1].csv", "left.tmp"):
    open(name, "w").write(name)
os.symlink(FOLDER + "/linked", "linked")
os.symlink("..", "a/up")
os.symlink("nowhere", "gone")
os.mkfifo("pipe")
os.mkdir("empty")
""",
            outputs=[makes(globs=("**/*.csv",)), DataOutput("all", source="outputs").to_json()],
        )
        assert job.run() == 0, job.said
        files = ["a/b/c.csv", "a/é #%20 [1].csv", "linked/far.csv"]
        assert stored(workspace, "made") == files

    def test_of_a_canceled_job(self, new_job, workspace, tmp_path):
        """What is mounted is stored, and an upload is not; neither is registered."""
        job = new_job(
            TELL
            + """
for name in ("kept", "made"):
    open(os.environ[name] + "/a.csv", "w").write("x")
tell("done")
time.sleep(600)
""",
            outputs=[
                makes(register_as="made"),
                DataOutput("kept", "mount", path="kept", register_as="kept").to_json(),
            ],
        ).start()
        job.pid("done")
        workspace.get_run(job.id).cancel()
        assert job.wait() == 1
        assert job.state == "Canceled"
        assert stored(workspace, "kept") == ["a.csv"]
        assert stored(workspace, "made") == []
        assert not [*workspace.datasets]

    def test_that_cannot_be_stored(self, new_job, workspace):
        """The job has failed then, and says which; what it made is left in its folder."""
        job = new_job(
            'open(os.environ["made"] + "/a.csv", "w").close()\n',
            outputs=[makes(datastore="nowhere")],
        )
        assert job.run() == 1
        assert job.state == "Failed"
        assert "no datastore 'nowhere'" in job.row.cause
        assert (jobs_folder() / job.id / "data" / "outputs" / "made" / "a.csv").exists()


class TestInputs:
    def test_variables_of_programs_stay(self, new_job, workspace, tmp_path):
        """An input named as one of them is told by SDK v1's other variables."""
        put(workspace, tmp_path, {"a.csv": "x\n"})
        job = new_job(
            'import subprocess\nsubprocess.run(["true"], check=True)\n'
            'assert "a.csv" in os.listdir(os.environ["AZUREML_DATAREFERENCE_path"])\n'
            'assert "a.csv" in os.listdir(os.environ["AZURE_ML_INPUT_PATH"])\n',
            inputs=[reads("PATH"), reads("path")],
        )
        assert job.run() == 0, job.said

    def test_places_that_are_taken(self, new_job, workspace, tmp_path):
        """What is there already is not touched, and the job says what is in the way."""
        put(workspace, tmp_path, {"a.csv": "x\n"})
        place = tmp_path / "place"
        place.mkdir()
        (place / "a.csv").write_text("mine")
        for mode in ("mount", "download"):
            job = new_job("pass", inputs=[reads(mode=mode, path_on_compute=str(place))])
            assert job.run() == 1
            assert str(place) in job.row.cause
        assert [each.name for each in place.iterdir()] == ["a.csv"]
        assert (place / "a.csv").read_text() == "mine"
        empty = tmp_path / "mine"
        empty.mkdir()
        job = new_job(
            'assert os.listdir(FOLDER + "/mine")', inputs=[reads(path_on_compute=str(empty))]
        )
        assert job.run() == 0, job.said
        assert [*empty.iterdir()] == []

    def test_within_the_folder_of_outputs(self, new_job, workspace, tmp_path):
        """A dataset that is shown there is the run's files, too, as all that is there."""
        put(workspace, tmp_path, {"a.csv": "x\n"})
        job = new_job("pass", inputs=[reads(path_on_compute="outputs/in")])
        assert job.run() == 0, job.said
        assert "outputs/in/a.csv" in job.files
        assert stored(workspace, "w") == ["a.csv"]

    def test_names_that_are_none(self):
        """No folder is called after them."""
        with pytest.raises(UserErrorException, match=r"'\.\./up' cannot be the name"):
            DataInput("../up", "mount")
        with pytest.raises(UserErrorException, match="cannot be the name"):
            DataOutput("a/b")
