"""Whatever of a job is killed: its status becomes true, and no process of it is left."""

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from mlflow_workspace_plugin.jobs import machine
from mlflow_workspace_plugin.jobs.engines.engine import EngineState
from mlflow_workspace_plugin.jobs.liveness import settle
from mlflow_workspace_plugin.jobs.marked_processes import MARK
from mlflow_workspace_plugin.jobs.watch import JobWatch
from tests import python_processes
from tests.jobs import RUNNER, TELL, is_alive, until

pytestmark = pytest.mark.sqlite

GOES_ON = (
    TELL
    + """
import subprocess
detached = "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);" \\
    f"open('{FOLDER}/detached.part', 'w').write(str(os.getpid()));" \\
    f"os.rename('{FOLDER}/detached.part', '{FOLDER}/detached'); time.sleep(300)"
subprocess.Popen([sys.executable, "-c", detached], start_new_session=True)
while not os.path.exists(f"{FOLDER}/detached"):
    time.sleep(0.02)
open("outputs/model", "w").close()
tell("guardian", os.getppid())
print("up", flush=True)
tell("command")
"""
)


@pytest.fixture
def running(new_job):
    """A job whose command, and a process that it has detached from itself, go on."""
    job = new_job(GOES_ON + "time.sleep(300)").start()
    job.pids = [job.pid(name) for name in ("command", "detached")]
    job.until_printed("up")
    return job


def nothing_is_left(job):
    until(lambda: not any(map(is_alive, job.pids)), seconds=20)


def settled(job):
    """What the next reader on this machine finds out."""
    return until(lambda: (found := settle(job.store, job.row)).stored_state == "Failed" and found)


def test_runner(running):
    """Its command dies with it, detached processes, too. The next reader fails the job."""
    running.kill()
    running.wait()
    nothing_is_left(running)
    found = settled(running)
    assert found.cause.startswith("Its runner was killed.")
    assert (running.status, found.exit_code) == ("FAILED", None)
    assert running.workspace.get_run(running.id).reason == found.cause
    assert running.log().startswith("up\n")


def test_runner_before_nothing_of_it_is_left(running):
    """As long as a process of it lives, no reader says that the job has failed."""
    guardian = running.pid("guardian")
    os.kill(guardian, signal.SIGSTOP)
    running.kill()
    running.wait()
    assert settle(running.store, running.row).stored_state == "Running"
    os.kill(guardian, signal.SIGCONT)
    nothing_is_left(running)
    settled(running)


def test_command(running):
    """The run has failed, by that signal; what was left is ended; its files are there."""
    os.kill(running.pids[0], signal.SIGKILL)
    assert running.wait() == 1
    nothing_is_left(running)
    assert (running.state, running.row.exit_code) == ("Failed", 137)
    assert "was ended by SIGKILL (9)." in running.row.cause
    assert "outputs/model" in running.files
    assert running.log() == "up\n"


def test_detached_process(new_job):
    """A command whose detached process was killed goes on, and counts."""
    job = new_job(GOES_ON + "time.sleep(1)").start()
    job.pids = [job.pid(name) for name in ("command", "detached")]
    os.kill(job.pids[1], signal.SIGKILL)
    assert job.wait() == 0
    nothing_is_left(job)
    assert job.state == "Completed"


def test_command_that_ends_before_what_it_detached(new_job):
    """That is ended, though it ignores SIGTERM, and the job completes."""
    job = new_job(GOES_ON).start()
    job.pids = [job.pid(name) for name in ("command", "detached")]
    assert job.wait() == 0
    nothing_is_left(job)
    assert job.state == "Completed"
    assert "outputs/model" in job.files


def test_guardian(running):
    """The process between runner and command takes the command along, and the runner sees it."""
    os.kill(running.pid("guardian"), signal.SIGKILL)
    assert running.wait() == 1
    nothing_is_left(running)
    assert (running.state, running.row.exit_code) == ("Failed", 137)
    assert "outputs/model" in running.files


def test_runner_and_guardian(running):
    """Of both at once the command is killed by the kernel; the next reader fails the job.

    It ends what has detached itself, and nothing that has the variable by which that is found, but
    another value.
    """
    (mark,) = _environment(running.pids[1], MARK)
    other = subprocess.Popen(["sleep", "300"], env={MARK: f"{mark}0"})
    os.kill(running.runner.pid, signal.SIGSTOP)
    os.kill(running.pid("guardian"), signal.SIGKILL)
    running.kill()
    running.wait()
    until(lambda: not is_alive(running.pids[0]), seconds=20)
    assert is_alive(running.pids[1])
    settled(running)
    nothing_is_left(running)
    assert other.poll() is None
    other.kill()
    other.wait()


def _environment(pid, name):
    entries = Path(f"/proc/{pid}/environ").read_text().split("\0")
    return [each.partition("=")[2] for each in entries if each.startswith(f"{name}=")]


def test_submitter(new_job, tmp_path):
    """A job outlives the process that has started its runner."""
    job = new_job(TELL + "tell('command'); time.sleep(1); print('done')")
    command = [sys.executable, *RUNNER, job.uri, job.id]
    code = f"import subprocess, time; subprocess.Popen({command}); time.sleep(300)"
    submitter = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    job.pid("command")
    submitter.kill()
    submitter.wait()
    job.until_state("Completed")
    assert job.log() == "done\n"


SUBMITS = """
import sys, time
from mlflow_workspace_plugin.jobs.submitter import seen_to_live
from mlflow_workspace_plugin.stores.build import open_workspace_store

store = open_workspace_store(sys.argv[1])
with seen_to_live() as submitter:
    created = store.create_job(
        sys.argv[2], run_name=None, tags=[], definition={}, compute="local", engine="local",
        submitter=submitter,
    )
    print(created.info.run_id, flush=True)
    time.sleep(300)
"""


def test_submitter_before_any_engine_has_the_job(new_job):
    """While it lives the job waits; once it is killed the next reader fails it, and says why."""
    other = new_job("")
    command = ["-c", SUBMITS, other.uri, other.row.experiment_id]
    submitter = python_processes.Popen(command, stdout=subprocess.PIPE, text=True)
    run_id = submitter.stdout.readline().strip()
    watch = JobWatch(other.store, run_id)
    assert watch.read().state == "NotStarted"
    submitter.kill()
    submitter.wait()
    # Another engine may have been told, as long as it does not answer.
    elsewhere = replace(other.store.job(run_id), engine="ray")
    assert settle(other.store, elsewhere, EngineState("unknown")).state == "NotStarted"
    found = watch.read()
    assert found.state == "Failed"
    assert "was killed before" in found.cause


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signal_to_the_runner(running, number):
    """As of a cluster that stops it: handed on, then killed; the job is canceled, and says why."""
    running.kill(number)
    assert running.wait() == 1
    nothing_is_left(running)
    assert (running.state, running.status) == ("Canceled", "KILLED")
    assert running.row.cause.startswith("Stopped by ")
    assert "outputs/model" in running.files


def test_reboot(running):
    """A changed boot id on the same machine is proof; on another machine it says nothing."""
    running.kill()
    running.wait()
    nothing_is_left(running)
    here = running.row.runner
    _record(running, here | {"boot": "another", "host": "another"})
    assert settle(running.store, running.row).stored_state == "Running"
    _record(running, here | {"boot": "another"})
    found = settled(running)
    assert "was started again" in found.cause
    assert (running.state, running.status) == ("Failed", "FAILED")
    assert "outputs/model" in running.files


@pytest.mark.parametrize(
    "changed", [{"lock": "/no/such/file"}, {"inode": 1}, {"device": 1}, {"host_id": "0"}, {}]
)
def test_what_proves_nothing(running, changed):
    """A lock file that is gone, or is another one, or of another machine; a runner that hangs."""
    running.kill(signal.SIGSTOP)
    _record(running, running.row.runner | changed)
    with running.store.engine.begin() as connection:
        connection.execute(
            text("UPDATE workspace_plugin_jobs SET beat_at = beat_at - 600000, beat = beat + 1")
        )
    assert running.row.state == "NotResponding"
    assert settle(running.store, running.row).stored_state == "Running"
    running.kill(signal.SIGCONT)
    until(lambda: running.row.state == "Running")
    running.store.cancel_job(running.id)
    running.wait()
    nothing_is_left(running)
    assert running.state == "Canceled"


def test_engine_that_lost_a_waiting_job(new_job):
    """It failed, never started, and its runner, should it come, runs nothing."""
    job = new_job(TELL + "tell('ran')")
    for kind in ("waiting", "running", "unknown"):
        assert settle(job.store, job.row, EngineState(kind)).stored_state == "Queued"
    found = settle(job.store, job.row, EngineState("gone", "404"))
    assert found.stored_state == "Failed"
    assert "never started" in found.cause
    assert "404" in found.cause
    assert job.run() == 81
    assert not (job.folder / "ran").exists()


def test_engine_that_lost_a_job_that_was_taken_meanwhile(running):
    """What an engine says of a job that a runner has counts for nothing."""
    seen = running.row
    assert settle(running.store, seen, EngineState("gone", "404")).stored_state == "Running"


def test_memory(new_job):
    """Where the kernel says so, the cause is that memory ran out."""
    with _small_group(600 << 20) as enter:
        job = new_job("""
print("up", flush=True)
held = []
while True:
    held.append(bytearray(b"x" * (16 << 20)))
""")
        command = f"echo $$ > {enter}; exec {sys.executable} -m mlflow_workspace_plugin.runner"
        subprocess.run(
            ["/bin/sh", "-c", f"{command} {job.uri} {job.id}"],
            check=False,
            env={**os.environ, "_MLFLOW_WORKSPACE_BEAT_S": "1"},
        )
    assert (job.state, job.row.exit_code) == ("Failed", 137)
    assert "Memory ran out: the kernel killed a process of it." in job.row.cause
    assert job.log() == "up\n"


@contextmanager
def _small_group(size):
    """Yield the file by which a process enters a control group with little memory."""
    v1 = Path("/sys/fs/cgroup/memory")
    own = Path(f"/sys/fs/cgroup/mlflow-workspace-{os.getpid()}")
    limit = "memory.max"
    if v1.is_dir():
        own, limit = v1 / own.name, "memory.limit_in_bytes"
    try:
        own.mkdir()
        (own / limit).write_text(str(size))
    except OSError as error:
        pytest.skip(f"No control group can be made here: {error}")
    try:
        yield own / "cgroup.procs"
    finally:
        own.rmdir()


def _record(job, runner):
    with job.store.engine.begin() as connection:
        connection.execute(
            text("UPDATE workspace_plugin_jobs SET runner = :runner"),
            {"runner": json.dumps(runner)},
        )


def test_this_machine_is_known():
    """By the same id and boot as long as it runs."""
    assert machine.boot_id() == machine.boot_id() is not None
