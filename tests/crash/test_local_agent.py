"""kill -9 of whoever has to do with jobs on this machine: each job runs once, and in its order.

``KILLS`` says how often an agent is killed, in each of two tests.
"""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.crash.processes import fork, moment
from tests.local_jobs import (
    WAIT,
    agents,
    kill,
    kill_agents,
    kill_all,
    kind,
    lines,
    local_engine,
    note_started,
    pid_of,
    spool,
    submit_shell,
    wait_for,
)
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(1800)

KILLS = int(os.environ.get("KILLS", "40"))
JOBS = max(200, KILLS)
SAY = 'echo "$0" >> "$1"'


@pytest.fixture(autouse=True)
def no_process_left():
    yield
    kill_all()


@pytest.fixture
def said(tmp_path):
    return tmp_path / "said"


@pytest.fixture
def go(tmp_path):
    return tmp_path / "go"


@pytest.fixture
def boot_id(tmp_path, monkeypatch):
    """A file with the id of this machine's start."""
    file = tmp_path / "boot_id"
    file.write_text("first")
    monkeypatch.setenv("_MLFLOW_WORKSPACE_BOOT_ID_FILE", str(file))
    return file


@pytest.mark.parametrize("slots", [1, 4])
def test_agents(said, slots, monkeypatch):
    """Whenever agents are killed, all jobs run once each; with one slot in their order, too."""
    monkeypatch.setenv("MLFLOW_WORKSPACE_SLOTS", str(slots))
    engine = local_engine()
    runs = [f"r{number:05}" for number in range(JOBS)]
    handles = [submit_shell(engine, run_id, SAY, said) for run_id in runs]
    for _ in range(KILLS):
        time.sleep(moment(0.2))
        kill(agents())
        # Whoever asks starts another one.
        engine.state(runs[-1], handles[-1])
    for run_id, handle in zip(runs, handles, strict=True):
        wait_for(engine, run_id, handle, "gone", 600)
    found = lines(said)
    assert (found if slots == 1 else sorted(found)) == runs


def test_process_before_it_is_the_job(said, go, boot_id, monkeypatch):
    """A job goes back to where it waited if what an agent made of it ended too early.

    But not if that was before the machine was restarted: what it did last may not be on disk.
    """
    monkeypatch.setenv("MLFLOW_WORKSPACE_SLOTS", "1")
    engine = local_engine()
    first = submit_shell(engine, "first", WAIT, said, go)
    wait_for(engine, "first", first, "running")
    runs = ["second", "third", "fourth"]
    handles = {each: submit_shell(engine, each, SAY, said) for each in runs}
    kill_agents()
    second, third, _ = spool().names_waiting()
    process = spool().started("first")
    for name, boot in ((second, "first"), (third, "another")):
        spool().note_claimed(name.partition("-")[2], process._replace(boot=boot))
        spool().claim(name)
    go.touch()
    for each in runs:
        wait_for(engine, each, handles[each], "gone")
    assert lines(said) == ["first", "second", "fourth"]
    assert "was restarted" in engine.state("third", handles["third"]).reason


def test_submitters(said, monkeypatch):
    """A submitter that is killed in a call: the jobs of those before run once, that one at most."""
    monkeypatch.setenv("MLFLOW_WORKSPACE_SLOTS", "2")
    engine = local_engine()
    told = []
    for trial in range(20):

        def submit_on(tell, trial=trial):
            for number in range(1000):
                submit_shell(engine, f"t{trial}-{number}", SAY, said)
                tell(number)

        done = fork(submit_on).kill(moment(0.1))
        told.extend(f"t{trial}-{number}" for number in done)
    last = submit_shell(engine, "last", SAY, said)
    wait_for(engine, "last", last, "gone", 120)
    wait_until(lambda: not spool().names_running())
    found = lines(said)
    assert len(found) == len(set(found))
    assert set(found) >= {*told, "last"}
    assert len(found) <= len(told) + 1 + 20


def test_agent_beside_a_job(said, go, monkeypatch):
    """A job goes on, and holds its slot against the next agent, which frees it at its end."""
    monkeypatch.setenv("MLFLOW_WORKSPACE_SLOTS", "1")
    engine = local_engine()
    first = submit_shell(engine, "first", WAIT, said, go)
    wait_for(engine, "first", first, "running")
    second = submit_shell(engine, "second", WAIT, said, go)
    for _ in range(3):
        kill_agents()
        assert kind(engine, "first", first) == "running"
        assert kind(engine, "second", second) == "waiting"
        wait_until(agents)
    time.sleep(1.5)
    assert lines(said) == ["first"]
    go.touch()
    wait_for(engine, "second", second, "gone", 10)
    assert "how, nobody has seen" in engine.state("first", first).reason
    assert "exit code 0" in engine.state("second", second).reason


def test_runner(said, go, monkeypatch):
    """Its slot is free, and it is said that it was killed."""
    monkeypatch.setenv("MLFLOW_WORKSPACE_SLOTS", "1")
    engine = local_engine()
    first = submit_shell(engine, "first", WAIT, said, go)
    second = submit_shell(engine, "second", WAIT, said, go)
    wait_for(engine, "first", first, "running")
    os.kill(pid_of("first"), signal.SIGKILL)
    wait_for(engine, "second", second, "running", 10)
    assert "SIGKILL" in engine.state("first", first).reason


def test_runner_of_a_killed_agent(said, go, monkeypatch):
    """Its slot is free, though no process of ours was its parent."""
    monkeypatch.setenv("MLFLOW_WORKSPACE_SLOTS", "1")
    engine = local_engine()
    first = submit_shell(engine, "first", WAIT, said, go)
    second = submit_shell(engine, "second", WAIT, said, go)
    wait_for(engine, "first", first, "running")
    kill_agents()
    os.kill(pid_of("first"), signal.SIGKILL)
    wait_for(engine, "second", second, "running", 10)
    assert kind(engine, "first", first) == "gone"


def test_what_it_leaves(said, go, monkeypatch):
    """A process that a job leaves behind keeps the slot, until it is gone, too."""
    monkeypatch.setenv("MLFLOW_WORKSPACE_SLOTS", "1")
    engine = local_engine()
    leave = f'setsid sh -c \'{WAIT}\' left "$1" "$2" & echo $0 >> "$1"'
    first = submit_shell(engine, "first", leave, said, go)
    second = submit_shell(engine, "second", 'echo "$0" >> "$1"', said)
    wait_for(engine, "first", first, "gone")
    assert "exit code 0" in engine.state("first", first).reason
    time.sleep(1.5)
    assert kind(engine, "second", second) == "waiting"
    kill_agents()
    assert kind(engine, "second", second) == "waiting"
    time.sleep(1.5)
    assert sorted(lines(said)) == ["first", "left"]
    go.touch()
    wait_for(engine, "second", second, "gone", 10)


def test_restarted_machine(said, go, boot_id, monkeypatch):
    """What ran is gone, and said to be; what waited runs once; no process of today is signalled."""
    monkeypatch.setenv("MLFLOW_WORKSPACE_SLOTS", "2")
    engine = local_engine()
    runs = [f"r{number}" for number in range(8)]
    handles = {each: submit_shell(engine, each, WAIT, said, go) for each in runs}
    for each in runs[:2]:
        wait_for(engine, each, handles[each], "running")
    wait_until(lambda: len(lines(said)) == 2)
    pid = pid_of("r0")
    kill_all()
    wait_until(lambda: not Path(f"/proc/{pid}").exists())
    boot_id.write_text("second")
    go.touch()
    # The id of the process that ran is that of this one now.
    note_started("r0", pid=os.getpid())
    engine.cancel("r0", handles["r0"])
    for each in runs:
        wait_for(engine, each, handles[each], "gone")
    for each in runs[:2]:
        assert "was restarted while it ran" in engine.state(each, handles[each]).reason
    assert sorted(lines(said)) == runs


def test_thousand_that_wait(said, go, monkeypatch):
    """They take the agent no more than 30 MB, and have their positions."""
    # Each of them is looked at: they are all of a target that is full.
    monkeypatch.setenv("MLFLOW_WORKSPACE_SLOTS", "2")
    engine = local_engine("one", slots=1)
    first = submit_shell(engine, "first", WAIT, said, go)
    wait_for(engine, "first", first, "running")
    handles = [submit_shell(engine, f"r{number}", WAIT, said, go) for number in range(1000)]
    assert engine.state("r999", handles[999]).position == 999
    time.sleep(1.5)
    (agent,) = agents()
    status = Path(f"/proc/{agent}/status").read_text()
    highest_kb = next(int(line.split()[1]) for line in status.splitlines() if "VmHWM" in line)
    assert highest_kb <= 30 * 1024, highest_kb
