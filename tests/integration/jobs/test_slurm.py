"""Jobs on a real Slurm of one node, as its engine sees them."""

import os
import signal
import sys
import uuid
from pathlib import Path

import pytest

from mlflow_workspace_plugin.errors import ComputeTargetException
from mlflow_workspace_plugin.jobs.engines.engine import Compute
from mlflow_workspace_plugin.jobs.engines.find import engine_of
from mlflow_workspace_plugin.jobs.liveness import settle
from mlflow_workspace_plugin.stores.jobs import states
from tests.engine_jobs import (
    COPIES,
    copied_data,
    fails_as_its_node_does_not_see_the_hub,
    is_copied,
    python,
    submit,
    wait_for,
)
from tests.jobs import TELL, is_alive, until
from tests.processes import of_folder
from tests.slurm import NODE, slurm
from tests.waiting import wait_until

BUSY = "import time; time.sleep(600)"
TELLS_OF_SIGTERM = """
import signal, sys, time
def told(*_):
    open(sys.argv[1], "w").write("told")
    raise SystemExit(1)
signal.signal(signal.SIGTERM, told)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def cluster():
    with slurm() as started:
        yield started


@pytest.fixture
def engine(cluster, monkeypatch, tmp_path):
    monkeypatch.setenv("SLURM_CONF", str(cluster.configuration))
    # Where a runner keeps its folders, which has the environment of the node's user.
    monkeypatch.setenv("HOME", str(tmp_path))
    yield engine_of(Compute("cluster", "slurm"))
    cluster.run("scancel", "--user=root", "--signal=KILL", "--full", check=False)
    cluster.run("scancel", "--user=root", check=False)
    wait_until(lambda: "idle" in cluster.run("sinfo", "-h", "-o", "%t"), 60)


def test_a_job_is_started_once_and_no_secret_of_the_submitter_leaves_it(
    engine, tmp_path, monkeypatch
):
    """A run's id is a job's: it runs once, with its node's profile, and nothing of who submits."""
    (tmp_path / ".profile").write_text("export OF_THE_PROFILE=yes\n")
    for name in ("PASSWORD_OF_DATABASE", "MLFLOW_RUN_ID", "SBATCH_ARRAY_INX", "SLURM_NTASKS"):
        monkeypatch.setenv(name, "7")
    code = (
        "import os, sys\n"
        "with open(sys.argv[1], 'a') as file:\n"
        "    print(os.getcwd(), [os.environ.get(each) for each in sys.argv[2:]], file=file)"
    )
    names = ("OF_THE_PROFILE", "SAID", "PASSWORD_OF_DATABASE", "MLFLOW_RUN_ID", "SLURM_NTASKS")
    command = python(code, tmp_path / "it's here", *names)
    run_id, handle = submit(engine, command, variables={"SAID": "a 'b' $c\n#SBATCH --array=1-9"})
    assert engine.submit(run_id, command, variables={}, gpus=0) == handle
    wait_for(engine, "gone", run_id, handle)
    assert engine.submit(run_id, command, variables={}, gpus=0) == handle
    said = ["yes", "a 'b' $c\n#SBATCH --array=1-9", None, None, "1"]
    assert (tmp_path / "it's here").read_text() == f"/ {said}\n"


def test_reasons(engine, tmp_path, monkeypatch):
    """Why a runner did not come is what it said last, if that can be read, and what Slurm says."""
    word = "cannot reach /hub from node-7: there is no hub"
    command = python(f"import sys; print({word!r}); sys.exit(80)")
    run_id, handle = submit(engine, command)
    no_python, its_handle = submit(engine, ["/no/such/python", "-m", "runner"])
    assert wait_for(engine, "gone", run_id, handle).reason == word
    reason = wait_for(engine, "gone", no_python, its_handle).reason
    assert "exit code 127" in reason
    assert "/no/such/python" in reason
    # Where the nodes do not share the folder of what jobs print.
    (tmp_path / "no folder").write_text("")
    monkeypatch.setenv("MLFLOW_WORKSPACE_SLURM_OUTPUT_DIR", str(tmp_path / "no folder"))
    run_id, handle = submit(engine, command)
    assert "exit code 80" in wait_for(engine, "gone", run_id, handle).reason


def test_room(engine, cluster):
    """Who finds no CPU free waits; canceled, it is not started, and who runs is told to stop."""
    large = engine_of(Compute("large", "slurm", None, {"options": {"cpus-per-task": "2"}}))
    busy, handle = submit(large, python(BUSY))
    wait_for(large, "running", busy, handle)
    assert engine.capacity()[:2] == (2, 2)
    assert large.capacity()[:2] == (1, 1)
    waiting, its_handle = submit(engine, python(BUSY))
    wait_until(lambda: "Resources" in engine.state(waiting, its_handle).reason, 30)
    assert engine.state(waiting, its_handle)[::2] == ("waiting", 0)
    behind, last_handle = submit(engine, python(BUSY))
    fresh = engine_of(Compute("cluster", "slurm"))
    assert fresh.state(behind, last_handle)[::2] == ("waiting", 1)
    # Who waits for something else is in nobody's way.
    cluster.run("scontrol", "hold", f"jobname=mlflow-{waiting}")
    fresh = engine_of(Compute("cluster", "slurm"))
    assert fresh.state(behind, last_handle)[::2] == ("waiting", 0)
    assert fresh.state(waiting, its_handle)[::2] == ("waiting", None)
    assert engine.capacity().waiting == 2
    engine.cancel(behind, last_handle)
    for _ in range(2):
        engine.cancel(waiting, its_handle)
        large.cancel(busy, handle)
    assert "canceled it on Slurm" in wait_for(engine, "gone", waiting, its_handle).reason
    assert "canceled it on Slurm" in wait_for(large, "gone", busy, handle).reason
    assert engine.runs_here


def test_what_ends_a_job(engine, cluster, tmp_path):
    """A runner that is killed, and one whose node goes down, is gone, and Slurm says so."""
    marks = [f"--mark={uuid.uuid4().hex}" for _ in range(2)]
    jobs = [submit(engine, python(BUSY, mark)) for mark in marks]
    for job in jobs:
        wait_for(engine, "running", *job)
    wait_until(lambda: of_folder(Path(sys.executable), marks[0]), 30)
    os.kill(of_folder(Path(sys.executable), marks[0])[0], signal.SIGKILL)
    assert "signal 9" in wait_for(engine, "gone", *jobs[0]).reason
    cluster.run("scontrol", "update", f"nodename={NODE}", "state=down", "reason=test")
    assert "node" in wait_for(engine, "gone", *jobs[1]).reason
    # It may have come back by itself.
    cluster.run("scontrol", "update", f"nodename={NODE}", "state=resume", check=False)
    wait_for(engine, "running", *submit(engine, python(BUSY)))


def test_a_runner_knows_that_its_time_ends(cluster, monkeypatch, tmp_path):
    """Before its time is over the runner itself, and not a shell around it, gets SIGTERM."""
    monkeypatch.setenv("SLURM_CONF", str(cluster.configuration))
    engine = engine_of(Compute("short", "slurm", None, {"options": {"time": "1"}}))
    run_id, handle = submit(engine, python(TELLS_OF_SIGTERM, tmp_path / "told"))
    state = wait_for(engine, "gone", run_id, handle, timeout_s=150)
    assert (tmp_path / "told").read_text() == "told"
    assert "exit code 1" in state.reason


def test_the_controller_is_killed_and_started_again(engine, cluster):
    """While Slurm does not answer nothing is known, and nothing is taken for gone; then it is."""
    run_id, handle = submit(engine, python(BUSY))
    wait_for(engine, "running", run_id, handle)
    # It writes down what it knows every few seconds.
    saved = cluster.folder / "state" / "job_state"
    wait_until(lambda: saved.exists() and run_id.encode() in saved.read_bytes(), 60)
    cluster.kill("slurmctld")
    try:
        assert engine.state(run_id, handle).kind == "unknown"
        with pytest.raises(ComputeTargetException, match="Slurm, does not do it"):
            submit(engine, python(BUSY))
    finally:
        cluster.start("slurmctld")
    assert wait_for(engine, "running", run_id, handle).reason == ""


def test_others_jobs(engine, monkeypatch):
    """What another user or another Slurm has, or a machine without Slurm sees, is not known."""
    cluster, user, _ = engine.submit("3" * 32, python(""), variables={}, gpus=0).split()
    assert engine.state("4" * 32, f"{cluster} {user} 1").kind == "gone"
    assert engine.state("4" * 32, f"{cluster} 65534 1").kind == "unknown"
    assert engine.state("4" * 32, f"elsewhere {user} 1").kind == "unknown"
    with pytest.raises(ComputeTargetException, match="another Slurm"):
        engine.cancel("4" * 32, f"elsewhere {user} 1")
    with monkeypatch.context() as patch:
        patch.setenv("PATH", "/nowhere")
        assert engine.state("4" * 32, f"{cluster} {user} 1").kind == "unknown"
        with pytest.raises(ComputeTargetException, match=r"no scontrol.*login node"):
            submit(engine_of(Compute("cluster", "slurm")), ["python"])


def test_refusals(engine):
    """What Slurm's engine does not take is refused at once, and what Slurm refuses is said."""
    with pytest.raises(ComputeTargetException, match="no address"):
        engine_of(Compute("cluster", "slurm", "http://head:8265"))
    for options in ({"wrap": "id"}, {"output": "/x"}, {"cpus-per-task": "-1"}):
        with pytest.raises(ComputeTargetException, match=next(iter(options))):
            engine_of(Compute("cluster", "slurm", None, {"options": options}))
    with pytest.raises(ComputeTargetException, match="letters, digits"):
        engine.submit("--wrap=id", ["python"], variables={}, gpus=0)
    nowhere = engine_of(Compute("cluster", "slurm", None, {"options": {"partition": "--wrap=id"}}))
    with pytest.raises(ComputeTargetException, match="invalid partition"):
        submit(nowhere, ["python"])


class TestRunner:
    """What the runner and the engine say together is true."""

    def test_a_job_completes(self, engine, new_job, workspace, tmp_path):
        """What it prints, logs and leaves is the run's, whatever the profile says of another.

        It gets the data that it was given, and what it makes of it becomes a dataset.
        """
        (tmp_path / ".profile").write_text("export MLFLOW_RUN_ID=other AZUREML_RUN_ID=other")
        job = new_job(
            "import mlflow; mlflow.log_metric('m', 2); print(mlflow.active_run().info.run_id)\n"
            f"open('outputs/model', 'w').write('x')\n{COPIES}",
            **copied_data(workspace, tmp_path),
        )
        handle = job.hand_to(engine)
        assert job.until_state(*states.LAST) == "Completed", job.row.cause
        assert job.log().strip() == job.id
        assert "outputs/model" in job.files
        assert job.store.get_run(job.id).data.metrics == {"m": 2}
        assert is_copied(workspace)
        assert "has ended" in wait_for(engine, "gone", job.id, handle).reason

    def test_scancel(self, engine, cluster, new_job):
        """The script is told, what it leaves is kept, and the job says who stopped it."""
        job = new_job("open('outputs/kept', 'w').close(); print('up'); time.sleep(600)")
        handle = job.hand_to(engine)
        job.until_printed("up")
        cluster.run("scancel", f"--name=mlflow-{job.id}")
        assert job.until_state(*states.LAST) in ("Canceled", "Failed")
        assert "SIGTERM" in job.row.cause
        assert "outputs/kept" in job.files
        wait_for(engine, "gone", job.id, handle)

    def test_its_time_is_over(self, cluster, engine, new_job):
        """The runner learns of it before, so that the outputs are kept."""
        job = new_job("open('outputs/kept', 'w').close(); print('up'); time.sleep(600)")
        # Slurm tells it half a minute before: on a busy machine too the runner is to be up by then.
        job.hand_to(engine_of(Compute("short", "slurm", None, {"options": {"time": "2"}})))
        until(lambda: job.state in ("Canceled", "Failed"), 400)
        assert "SIGTERM" in job.row.cause
        assert "outputs/kept" in job.files

    def test_the_runner_is_killed(self, engine, new_job):
        """Its command goes with it, and the next reader on that machine has the proof."""
        job = new_job(TELL + "tell('command'); print('up'); time.sleep(600)")
        handle = job.hand_to(engine)
        command = job.pid("command")
        job.until_printed("up")
        os.kill(job.row.runner["pid"], signal.SIGKILL)
        wait_for(engine, "gone", job.id, handle)
        until(lambda: not is_alive(command), 30)
        until(lambda: settle(job.store, job.row).stored_state != "Running", 30)
        assert (job.state, job.status) == ("Failed", "FAILED")
        assert "killed" in job.row.cause
        assert job.log() == "up\n"

    def test_a_hub_that_the_node_does_not_see(self, engine, workspace, tmp_path):
        """The job fails with what the node says, wherever somebody looks."""
        fails_as_its_node_does_not_see_the_hub(workspace, tmp_path, "--type", "slurm")

    def test_scancel_of_a_waiting_job(self, engine, cluster, new_job):
        """It has failed, never started, with what Slurm says, as soon as somebody looks."""
        large = engine_of(Compute("large", "slurm", None, {"options": {"cpus-per-task": "2"}}))
        wait_for(large, "running", *submit(large, python(BUSY)))
        job = new_job("print('up')")
        handle = job.hand_to(engine)
        assert settle(job.store, job.row, engine.state(job.id, handle)).stored_state == "Queued"
        cluster.run("scancel", f"--name=mlflow-{job.id}")
        state = wait_for(engine, "gone", job.id, handle)
        found = settle(job.store, job.row, state)
        assert (found.stored_state, job.status) == ("Failed", "FAILED")
        assert "never started" in found.cause
        assert "canceled it on Slurm" in found.cause
