"""Jobs on this machine: the order, the slots, what a job is given, what is told of it."""

import ast
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import mlflow_workspace_plugin
from mlflow_workspace_plugin.errors import ComputeTargetException, UserErrorException
from mlflow_workspace_plugin.jobs.engines.engine import Capacity, EngineState
from mlflow_workspace_plugin.jobs.liveness import settle
from mlflow_workspace_plugin.stores.jobs import states
from tests.jobs import QUICK, TELL, is_alive
from tests.local_jobs import (
    ROOT,
    WAIT,
    agents,
    kill_agents,
    kill_all,
    kind,
    lines,
    local_engine,
    note_started,
    pid_of,
    spool,
    submit,
    submit_python,
    submit_shell,
    wait_for,
)
from tests.python_processes import WAIT_FOR_THE_OTHERS, run_at_once
from tests.waiting import wait_until


@pytest.fixture(autouse=True)
def no_process_left():
    yield
    kill_all()


@pytest.fixture(autouse=True)
def one_slot(monkeypatch):
    monkeypatch.setenv("MLFLOW_WORKSPACE_SLOTS", "1")


@pytest.fixture
def said(tmp_path):
    """What the jobs of a test write to."""
    return tmp_path / "said"


@pytest.fixture
def go(tmp_path):
    """What the jobs of a test wait for."""
    return tmp_path / "go"


class TestQueue:
    """First in, first out."""

    def test_positions(self, said, go):
        """A job that waits has a position, and the jobs are started one by one, in order."""
        engine = local_engine()
        handles = [submit_shell(engine, f"r{n}", WAIT, said, go) for n in range(4)]
        wait_for(engine, "r0", handles[0], "running")
        states = [engine.state(f"r{n}", handle) for n, handle in enumerate(handles)]
        assert states[0] == EngineState("running")
        assert states[1:] == [EngineState("waiting", position=n) for n in range(3)]
        assert engine.capacity() == Capacity(1, 1, 3)
        go.touch()
        wait_for(engine, "r3", handles[3], "gone")
        assert lines(said) == ["r0", "r1", "r2", "r3"]
        assert engine.capacity() == Capacity(1, 0, 0)

    def test_submitted_twice(self, said):
        """A second call with the run's id starts nothing: while it waits, runs, or after that."""
        engine = local_engine()
        handle = submit_shell(engine, "r", 'echo "$0" >> "$1"', said)
        assert submit_shell(engine, "r", 'echo "$0" >> "$1"', said) == handle
        wait_for(engine, "r", handle, "gone")
        assert submit_shell(engine, "r", 'echo "$0" >> "$1"', said) == handle
        later = submit_shell(engine, "later", 'echo "$0" >> "$1"', said)
        wait_for(engine, "later", later, "gone")
        assert lines(said) == ["r", "later"]

    def test_slots_of_a_target(self, said, go, monkeypatch):
        """A target runs as many jobs at once as it says, and does not keep others waiting."""
        monkeypatch.setenv("MLFLOW_WORKSPACE_SLOTS", "3")
        one, other = local_engine("one", slots=1), local_engine("other")
        handles = {
            run_id: submit_shell(engine, run_id, WAIT, said, go)
            for run_id, engine in (("a", one), ("b", one), ("c", other))
        }
        wait_for(other, "c", handles["c"], "running")
        wait_for(one, "a", handles["a"], "running")
        assert one.state("b", handles["b"]) == EngineState("waiting", position=0)
        assert (one.capacity().slots, other.capacity().slots) == (1, 3)
        go.touch()
        wait_for(one, "b", handles["b"], "gone")

    def test_default_slots(self, monkeypatch):
        """As many as there are CPUs, at least one, and as many as the target says."""
        monkeypatch.delenv("MLFLOW_WORKSPACE_SLOTS")
        assert local_engine().capacity().slots >= 1
        assert local_engine(slots=1000).capacity().slots == 1000

    def test_many_submitters(self, said):
        """Of many processes that submit to a new spool at once, one starts the one agent."""
        code = (
            WAIT_FOR_THE_OTHERS
            + f"""
sys.path.insert(0, {str(ROOT)!r})
from tests.local_jobs import local_engine, submit_shell
for number in range(3):
    submit_shell(local_engine(), f"{{sys.argv[1]}}-{{number}}", 'echo "$0" >> "$1"', sys.argv[2])
"""
        )
        run_at_once([["-c", code, f"p{number}", said] for number in range(12)])
        assert len(agents()) == 1
        wait_until(lambda: len(lines(said)) == 36, 60)
        assert sorted(lines(said)) == sorted(f"p{p}-{n}" for p in range(12) for n in range(3))
        for process in range(12):
            own = [line for line in lines(said) if line.startswith(f"p{process}-")]
            assert own == sorted(own)

    def test_one_that_cannot_start(self, said):
        """It is told why, and the next one runs."""
        engine = local_engine()
        handle = submit(engine, "r", "/no/such/program")
        later = submit_shell(engine, "later", 'echo "$0" >> "$1"', said)
        wait_for(engine, "later", later, "gone")
        assert "/no/such/program" in engine.state("r", handle).reason
        assert lines(said) == ["later"]

    def test_damaged_file(self, said, go):
        """A job whose file is not what was written is refused, with the reason; others go on."""
        engine = local_engine()
        first = submit_shell(engine, "first", WAIT, said, go)
        handles = {each: submit_shell(engine, each, WAIT, said, go) for each in "abcd"}
        wait_for(engine, "first", first, "running")
        files = [spool().waiting / name for name in spool().names_waiting()]
        files[0].write_bytes(files[0].read_bytes().replace(b"sleep", b"rm -f", 1))
        files[1].write_bytes(b"")
        files[2].unlink()
        files[2].symlink_to("/etc/passwd")
        go.touch()
        wait_for(engine, "d", handles["d"], "gone")
        for run_id in "abc":
            told = engine.state(run_id, handles[run_id])
            assert told.kind == "gone"
            assert "damaged" in told.reason
        assert lines(said) == ["first", "d"]


class TestGPUs:
    """Jobs that want GPUs are given some that no other has."""

    def test_each_has_its_own(self, tmp_path, monkeypatch):
        """Those that this process sees are shared, and a job sees its own only."""
        monkeypatch.setenv("MLFLOW_WORKSPACE_SLOTS", "8")
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,6")
        engine = local_engine()
        # Each makes a folder for each of its GPUs, which fails where another one has it.
        script = """
        for gpu in $(echo $CUDA_VISIBLE_DEVICES | tr , ' '); do mkdir "$1/$gpu" || exit 9; done
        echo "$0 $CUDA_VISIBLE_DEVICES" >> "$1/said"; sleep 0.1
        for gpu in $(echo $CUDA_VISIBLE_DEVICES | tr , ' '); do rmdir "$1/$gpu"; done"""
        wanted = [1, 1, 2, 1, 2, 1]
        handles = [
            submit_shell(engine, f"r{n}", script, tmp_path, gpus=gpus)
            for n, gpus in enumerate(wanted)
        ]
        for n, handle in enumerate(handles):
            assert "exit code 0" in wait_for(engine, f"r{n}", handle, "gone").reason
        given = dict(line.split() for line in lines(tmp_path / "said"))
        assert [len(given[f"r{n}"].split(",")) for n in range(6)] == wanted
        assert {given["r0"], given["r1"]} == {"5", "6"}

    def test_more_than_there_are(self, monkeypatch):
        """It is refused, and what says how many there are is named."""
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
        with pytest.raises(ComputeTargetException, match="MLFLOW_WORKSPACE_GPUS"):
            submit_shell(local_engine(), "r", "true", gpus=2)

    def test_of_a_child(self, said, go, tmp_path, monkeypatch):
        """A child has the GPU that its parent lends, which has it again after that."""
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
        engine = local_engine()
        parent = submit(
            engine,
            "parent",
            sys.executable,
            "-c",
            LENDING,
            said,
            go,
            gpus=1,
            PYTHONPATH=str(ROOT),
        )
        wait_until(lambda: lines(said))
        script = 'echo "$0 $CUDA_VISIBLE_DEVICES" >> "$1"; touch "$2"'
        submit_shell(engine, "child", script, said, go, gpus=1)
        wait_for(engine, "parent", parent, "gone")
        assert lines(said) == ["parent waits", "child 7", "parent goes on"]


LENDING = """
import sys, threading, time
from pathlib import Path
from mlflow_workspace_plugin.jobs.engines.local.lending import lend_slot

def say(line):
    with open(sys.argv[1], "a") as said:
        print(line, file=said, flush=True)

def wait(file):
    with lend_slot():
        say("parent waits")
        while not Path(file).exists():
            time.sleep(0.05)
    say("parent goes on")

# For several files, in as many threads.
threads = [threading.Thread(target=wait, args=[file]) for file in sys.argv[2:]]
for each in threads:
    each.start()
for each in threads:
    each.join()
"""


class TestLending:
    """A job that waits for another one lets it have its slot."""

    def test_child_runs(self, said, go):
        """Else the two would wait for each other for ever."""
        engine = local_engine()
        parent = submit_python(engine, "parent", LENDING, said, go)
        child = submit_shell(engine, "child", 'echo "$0" >> "$1"; touch "$2"', said, go)
        wait_for(engine, "child", child, "gone")
        wait_for(engine, "parent", parent, "gone")
        assert lines(said) == ["parent waits", "child", "parent goes on"]

    def test_comes_first_again(self, said, go, tmp_path):
        """It goes on when a slot is free, and before any job that waits."""
        engine = local_engine()
        parent = submit_python(engine, "parent", LENDING, said, go)
        script = 'echo "$0 starts" >> "$1"; touch "$2"; sleep 1; echo "$0 ends" >> "$1"'
        submit_shell(engine, "one", script, said, go)
        two = submit_shell(engine, "two", 'echo "$0" >> "$1"', said)
        wait_for(engine, "two", two, "gone")
        assert engine.state("parent", parent).kind == "gone"
        assert lines(said) == ["parent waits", "one starts", "one ends", "parent goes on", "two"]

    def test_of_a_killed_one(self, said, go, tmp_path):
        """A slot that nobody wants back is there once, as before."""
        engine = local_engine()
        submit_python(engine, "parent", LENDING, said, go)
        wait_until(lambda: lines(said))
        one = submit_shell(engine, "one", WAIT, said, go)
        wait_for(engine, "one", one, "running")
        os.kill(pid_of("parent"), 9)
        two = submit_shell(engine, "two", WAIT, said, go)
        wait_until(lambda: not list(spool().lent.iterdir()))
        assert kind(engine, "two", two) == "waiting"
        go.touch()
        wait_for(engine, "two", two, "gone")

    def test_by_several_threads(self, said, go, tmp_path):
        """It is lent once, as long as any of them waits."""
        engine = local_engine()
        other = tmp_path / "other"
        parent = submit_python(engine, "parent", LENDING, said, go, other)
        one = submit_shell(engine, "one", 'echo "$0" >> "$1"; touch "$2"', said, go)
        wait_for(engine, "one", one, "gone")
        two = submit_shell(engine, "two", 'echo "$0" >> "$1"; touch "$2"', said, other)
        wait_for(engine, "two", two, "gone")
        wait_for(engine, "parent", parent, "gone")
        assert lines(said)[2:5] in (
            ["one", "parent goes on", "two"],
            ["one", "two", "parent goes on"],
        )


class TestCancel:
    """Not started, or stopped."""

    def test_while_it_waits(self, said, go):
        """It is never started, and the others go on."""
        engine = local_engine()
        handles = {each: submit_shell(engine, each, WAIT, said, go) for each in "abc"}
        wait_for(engine, "a", handles["a"], "running")
        engine.cancel("b", handles["b"])
        assert engine.state("b", handles["b"]).kind == "gone"
        assert "canceled" in engine.state("b", handles["b"]).reason
        engine.cancel("b", handles["b"])
        go.touch()
        wait_for(engine, "c", handles["c"], "gone")
        assert lines(said) == ["a", "c"]

    def test_while_it_runs(self, said):
        """It is asked to end, and does what it does then; asked again, it has been asked."""
        engine = local_engine()
        script = """
        trap 'echo asked >> "$1"; sleep 0.5; exit 3' TERM
        echo "$0" >> "$1"
        sleep 60 & wait"""
        handle = submit_shell(engine, "r", script, said)
        wait_until(lambda: lines(said))
        engine.cancel("r", handle)
        assert kind(engine, "r", handle) == "running"
        assert "exit code 3" in wait_for(engine, "r", handle, "gone").reason
        assert lines(said) == ["r", "asked"]
        engine.cancel("r", handle)

    def test_what_does_not_heed_it(self, said, go):
        """It is killed when it had the time for it."""
        engine = local_engine()
        handle = submit_shell(engine, "r", f'trap "" TERM; {WAIT}', said, go)
        wait_until(lambda: lines(said))
        engine.cancel("r", handle)
        asked = spool().canceled / "r"
        time.sleep(1.5)
        assert kind(engine, "r", handle) == "running"
        noted = json.loads(asked.read_text())
        asked.write_text(json.dumps({**noted, "until": time.monotonic()}))
        assert "SIGKILL" in wait_for(engine, "r", handle, "gone").reason

    def test_a_process_of_the_same_id(self, said, go):
        """One that was given the id of a job's process later is sent nothing."""
        engine = local_engine()
        handle = submit_shell(engine, "r", WAIT, said, go)
        wait_for(engine, "r", handle, "running")
        with subprocess.Popen(["sleep", "60"]) as other:
            note_started("r", pid=other.pid)
            engine.cancel("r", handle)
            assert other.poll() is None
            other.kill()
        go.touch()
        wait_for(engine, "r", handle, "gone")


class TestWhatAJobIsGiven:
    """The environment of who submits, the streams, and who can see it."""

    def shown(self, said, **variables):
        show = "import os, sys; print([dict(os.environ), os.getcwd()], file=open(sys.argv[1], 'w'))"
        engine = local_engine()
        handle = submit(engine, "r", sys.executable, "-S", "-c", show, said, **variables)
        wait_for(engine, "r", handle, "gone")
        return ast.literal_eval(said.read_text())

    def test_environment(self, said, monkeypatch):
        """It has the submitter's variables, but none of its run; and what is set for it."""
        monkeypatch.setenv("PASSWORD_OF_HUB", "secret")
        monkeypatch.setenv("ODD", "a\nb\udcff")
        monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", "kept")
        monkeypatch.setenv("MLFLOW_WORKSPACE_JOURNAL_DIR", "relative/journal")
        monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
        for name in ("MLFLOW_RUN_ID", "MLFLOW_TRACKING_URI", "AZUREML_RUN_ID", "JPY_PARENT_PID"):
            monkeypatch.setenv(name, "of this run")
        here = Path.cwd()
        environment, folder = self.shown(said, SET="for it", PASSWORD_2="another")
        assert environment["PASSWORD_OF_HUB"] == "secret"
        assert environment["ODD"] == "a\nb\udcff"
        assert environment["MLFLOW_S3_ENDPOINT_URL"] == "kept"
        assert environment["MLFLOW_WORKSPACE_JOURNAL_DIR"] == f"{here}/relative/journal"
        assert environment["SET"] == "for it"
        assert "of this run" not in environment.values()
        assert "MPLBACKEND" not in environment
        assert folder == "/"

    def test_secrets(self, said, go, monkeypatch):
        """They are in a file of this user's only, on no command line, and gone with the job."""
        monkeypatch.setenv("PASSWORD_OF_HUB", "vErYsEcReT")
        engine = local_engine()
        handle = submit_shell(engine, "r", WAIT, said, go)
        wait_for(engine, "r", handle, "running")
        files = [path for path in spool().folder.rglob("*") if path.is_file()]
        assert any(b"vErYsEcReT" in path.read_bytes() for path in files)
        for path in (spool().folder, *spool().folder.rglob("*")):
            assert path.stat().st_mode & 0o077 == 0, path
        told = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
        assert "vErYsEcReT" not in told.stdout
        (agent,) = agents()
        assert b"vErYsEcReT" not in Path(f"/proc/{agent}/environ").read_bytes()
        go.touch()
        wait_for(engine, "r", handle, "gone")
        wait_until(lambda: not spool().names_running())
        files = [path for path in spool().folder.rglob("*") if path.is_file()]
        assert not any(b"vErYsEcReT" in path.read_bytes() for path in files)

    @pytest.mark.parametrize("mask", [0o002, 0o027])
    def test_umask(self, said, mask):
        """The files that it makes are for whom those of the submitter are."""
        before = os.umask(mask)
        try:
            self.shown(said)
        finally:
            os.umask(before)
        assert said.stat().st_mode & 0o777 == 0o666 & ~mask

    def test_signals(self, said):
        """It ignores none, whatever the agent and the submitter ignore."""
        engine = local_engine()
        script = "grep -E 'Sig(Ign|Blk)' /proc/self/status > $1"
        handle = submit_shell(engine, "r", script, said)
        wait_for(engine, "r", handle, "gone")
        assert {line.split()[1] for line in lines(said)} == {"0" * 16}

    def test_what_it_says_at_its_end(self):
        """The last line of a runner that ends is the reason."""
        engine = local_engine()
        script = 'echo first; echo "cannot reach /hub from here: no such folder" >&2; exit 80'
        handle = submit_shell(engine, "r", script)
        reason = wait_for(engine, "r", handle, "gone").reason
        assert reason == (
            "Its runner ended with exit code 80: cannot reach /hub from here: no such folder"
        )


class TestSpool:
    """Whose it is, and where."""

    def test_of_another_machine(self, said, tmp_path, monkeypatch):
        """What is not seen from here is not known: that proves nothing."""
        handle = submit_shell(local_engine(), "r", 'echo "$0" >> "$1"', said)
        wait_for(local_engine(), "r", handle, "gone")
        assert local_engine().state("other", handle).kind == "gone"
        assert local_engine().state("other", "").kind == "unknown"
        kill_all()
        monkeypatch.setenv("MLFLOW_WORKSPACE_QUEUE_DIR", str(tmp_path / "elsewhere"))
        assert local_engine().state("r", handle).kind == "unknown"
        submit_shell(local_engine(), "r2", "true")
        assert local_engine().state("r", handle).kind == "unknown"
        with pytest.raises(ComputeTargetException, match="not what is seen here"):
            local_engine().cancel("r", handle)

    @pytest.mark.parametrize("mode", [0o770, 0o702])
    def test_others_may_write(self, mode):
        """It is refused: commands in it are run."""
        spool().folder.mkdir(parents=True)
        spool().folder.chmod(mode)
        with pytest.raises(ComputeTargetException, match="can be written to by others"):
            submit_shell(local_engine(), "r", "true")

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
    def test_of_another_user(self):
        """It is refused, with the remedy."""
        spool().folder.mkdir(parents=True)
        os.chown(spool().folder, 12345, 12345)
        with pytest.raises(ComputeTargetException, match="belongs to another user"):
            submit_shell(local_engine(), "r", "true")

    def test_shared_with_other_machines(self, tmp_path, monkeypatch):
        """A network file system is refused, with the remedy."""
        assert shutil.which("bindfs"), "Install bindfs (Debian: apt-get install bindfs)."
        source, mounted = tmp_path / "source", tmp_path / "mounted"
        source.mkdir()
        mounted.mkdir()
        subprocess.run(["bindfs", str(source), str(mounted)], check=True)
        try:
            monkeypatch.setenv("MLFLOW_WORKSPACE_QUEUE_DIR", str(mounted / "queue"))
            with pytest.raises(ComputeTargetException, match="network file system"):
                submit_shell(local_engine(), "r", "true")
        finally:
            subprocess.run(["fusermount", "-u", "-z", str(mounted)], check=True)
        monkeypatch.setenv("MLFLOW_WORKSPACE_QUEUE_DIR", str(tmp_path / "queue"))

    def test_full_disk(self, tmp_path):
        """The job is refused with the remedy, and nothing is left of it; then there is room."""
        script = f"""
import os, sys
sys.path.insert(0, {str(ROOT)!r})
os.environ["MLFLOW_WORKSPACE_QUEUE_DIR"] = "/mnt/queue"
from tests.local_jobs import *
handle = submit_shell(local_engine(), "first", "true")
wait_for(local_engine(), "first", handle, "gone")
filler = os.open("/mnt/filler", os.O_WRONLY | os.O_CREAT)
try:
    while True:
        os.write(filler, bytes(4096))
except OSError:
    os.close(filler)
try:
    submit_shell(local_engine(), "r", "true")
except Exception as error:
    print(type(error).__name__, error)
assert spool().name_of("r") is None
os.remove("/mnt/filler")
handle = submit_shell(local_engine(), "r", "true")
print(wait_for(local_engine(), "r", handle, "gone").reason)
print(sorted(os.listdir(spool().folder)))
kill_all()
"""
        shell = f'mount -t tmpfs -o size=1m tmpfs /mnt && {sys.executable} -c "$SCRIPT"'
        unshare = ["unshare", "--mount"] if os.getuid() == 0 else ["unshare", "--mount", "-r"]
        told = subprocess.run(
            [*unshare, "sh", "-c", shell],
            env=os.environ | {"SCRIPT": script},
            capture_output=True,
            text=True,
            check=False,
        )
        assert told.returncode == 0, told.stderr
        refused, ran, left = told.stdout.splitlines()
        assert refused.startswith("ComputeTargetException The disk of '/mnt/queue")
        assert "exit code 0" in ran
        assert "new-" not in left

    @pytest.mark.parametrize("run_id", ["", "../r", "a/b", "a.b", "a b", "r" * 129])
    def test_odd_ids(self, run_id):
        """An id of a run that cannot name a file is refused."""
        with pytest.raises(UserErrorException, match="cannot be the id of a job"):
            submit_shell(local_engine(), run_id, "true")

    def test_long_path(self, tmp_path, monkeypatch, said):
        """No path is too long that the file system takes."""
        folder = tmp_path.joinpath(*["a" * 100] * 5)
        monkeypatch.setenv("MLFLOW_WORKSPACE_QUEUE_DIR", str(folder))
        handle = submit_shell(local_engine(), "r", 'echo "$0" >> "$1"', said)
        wait_for(local_engine(), "r", handle, "gone")
        assert lines(said) == ["r"]

    def test_old_records(self, said):
        """How a job ended is told for a week; then the agent removes what is left of it."""
        engine = local_engine()
        handle = submit_shell(engine, "old", "echo words")
        wait_for(engine, "old", handle, "gone")
        later = submit_shell(engine, "later", "true")
        wait_for(engine, "later", later, "gone")
        kill_all()
        long_ago = time.time() - 8 * 24 * 3600
        for path in (spool().ended / "old", spool().output / "old"):
            os.utime(path, (long_ago, long_ago))
        last = submit_shell(engine, "last", "true")
        wait_for(engine, "last", last, "gone")
        assert sorted(path.name for path in spool().ended.iterdir()) == ["last", "later"]
        assert not (spool().output / "old").exists()


class TestAgent:
    """The process that starts jobs."""

    def test_imports_the_standard_library_only(self):
        """It waits beside trainings: neither MLflow nor anything else that is installed."""
        code = (
            "import sys; sys.path.append(sys.argv[1])\n"
            "from mlflow_workspace_plugin.jobs.engines.local import agent\n"
            "tops = {each.partition('.')[0] for each in sys.modules}\n"
            "print(sorted(tops - set(sys.stdlib_module_names)))"
        )
        package = Path(mlflow_workspace_plugin.__file__).parent.parent
        told = subprocess.run(
            [sys.executable, "-I", "-S", "-c", code, package],
            capture_output=True,
            text=True,
            check=True,
        )
        assert ast.literal_eval(told.stdout) == ["__main__", "mlflow_workspace_plugin"]

    def test_ends_when_idle(self, said, monkeypatch):
        """After a while without a job it ends, and the next job starts another one."""
        monkeypatch.setenv("_MLFLOW_WORKSPACE_AGENT_IDLE_S", "0.5")
        engine = local_engine()
        for number in range(2):
            handle = submit_shell(engine, f"r{number}", 'echo "$0" >> "$1"', said)
            wait_for(engine, f"r{number}", handle, "gone")
            wait_until(lambda: not agents())
        assert lines(said) == ["r0", "r1"]

    def test_no_job_is_missed_at_its_end(self, said, monkeypatch):
        """A job that is submitted while the agent ends is started all the same."""
        monkeypatch.setenv("_MLFLOW_WORKSPACE_AGENT_IDLE_S", "0")
        engine = local_engine()
        for number in range(40):
            submit_shell(engine, f"r{number}", 'echo "$0" >> "$1"', said)
            # Nobody asks for its state, which would start an agent.
            wait_until(lambda number=number: len(lines(said)) == number + 1, 30)
        assert len(lines(said)) == 40

    def test_its_spool_is_removed(self, said, go, tmp_path):
        """It ends; the jobs that run go on."""
        engine = local_engine()
        handle = submit_shell(engine, "r", WAIT, said, go)
        wait_for(engine, "r", handle, "running")
        pid = pid_of("r")
        # As the agent does not write there any more.
        spool().folder.rename(tmp_path / "removed")
        wait_until(lambda: not agents())
        os.kill(pid, 0)
        go.touch()
        wait_until(lambda: not Path(f"/proc/{pid}").exists())


@pytest.mark.sqlite
class TestWithRunner:
    """The runner of jobs in a slot of this machine."""

    def submitted(self, job):
        engine = local_engine()
        command = [sys.executable, "-m", "mlflow_workspace_plugin.runner", job.uri, job.id]
        return engine, submit(engine, job.id, *command, **QUICK)

    def test_parent_and_child(self, new_job, tmp_path):
        """A job whose one slot its child needs waits for it; both complete, and nothing is left."""
        child = new_job("open(FOLDER + '/child', 'w').close()")
        parent = new_job(
            "from pathlib import Path\n"
            "from mlflow_workspace_plugin.jobs.engines.local.lending import lend_slot\n"
            "print('up')\n"
            "with lend_slot():\n"
            "    while not Path(FOLDER, 'child').exists(): time.sleep(0.1)\n"
            "print('goes on')\n"
        )
        engine, handle = self.submitted(parent)
        _, of_child = self.submitted(child)
        wait_for(engine, child.id, of_child, "gone", 120)
        assert "exit code 0" in wait_for(engine, parent.id, handle, "gone", 120).reason
        assert (parent.state, child.state) == ("Completed", "Completed")
        assert parent.log() == "up\ngoes on\n"

    def test_what_a_job_submits_outlives_it(self, new_job, go):
        """Though that started the process that starts jobs: both go on when the first ends."""
        first = new_job(
            "sys.path.append(os.environ['TESTS'])\n"
            "from tests.local_jobs import WAIT, local_engine, submit_shell, wait_for\n"
            "files = [f'{FOLDER}/{name}' for name in ('said', 'go')]\n"
            "handle = submit_shell(local_engine(), 'later', WAIT, *files)\n"
            "wait_for(local_engine(), 'later', handle, 'running')\n",
        )
        # No engine of this machine's has started this runner: there is no agent yet.
        assert first.run(TESTS=str(ROOT), MLFLOW_WORKSPACE_SLOTS="1") == 0
        assert first.state == "Completed"
        assert agents()
        assert local_engine().state("later", "").kind == "running"
        go.touch()
        assert "exit code 0" in wait_for(local_engine(), "later", "", "gone").reason

    def test_killed_runner(self, new_job, said):
        """Its slot is free when its command, too, is gone; what is said of the job is true.

        So it is where what is around the command was killed with it, and for what is detached.
        """
        job = new_job(
            TELL + "import subprocess\n"
            "left = subprocess.Popen(['sleep', '300'], start_new_session=True)\n"
            "tell('guardian', os.getppid()); tell('left', left.pid); tell('command')\n"
            "time.sleep(300)"
        )
        engine, handle = self.submitted(job)
        pids = [job.pid(name) for name in ("command", "left")]
        later = submit_shell(engine, "later", 'echo "$0" >> "$1"', said)
        os.kill(pid_of(job.id), signal.SIGSTOP)
        os.kill(job.pid("guardian"), signal.SIGKILL)
        os.kill(pid_of(job.id), signal.SIGKILL)
        wait_for(engine, "later", later, "gone", 10)
        assert not any(map(is_alive, pids))
        settled = settle(job.store, job.row, engine.state(job.id, handle))
        assert (settled.stored_state, job.status) == ("Failed", "FAILED")
        assert "killed" in settled.cause

    def test_killed_agent(self, new_job, said, monkeypatch):
        """What waits behind the job is started at its end, though nobody asks for anything."""
        monkeypatch.setenv("MLFLOW_WORKSPACE_SLOTS", "1")
        job = new_job(TELL + "tell('command'); time.sleep(300)")
        self.submitted(job)
        job.pid("command")
        submit_shell(local_engine(), "later", 'echo "$0" >> "$1"', said)
        kill_agents()
        job.store.cancel_job(job.id)
        wait_until(lambda: lines(said) == ["later"], 60)

    def test_canceled_by_the_engine(self, new_job):
        """The runner ends the command, and has stored what there was."""
        job = new_job(TELL + "print('up', flush=True); tell('command'); time.sleep(300)")
        engine, handle = self.submitted(job)
        command = job.pid("command")
        engine.cancel(job.id, handle)
        wait_for(engine, job.id, handle, "gone")
        assert not is_alive(command)
        assert job.log() == "up\n"
        assert job.state in states.LAST

    def test_hub_out_of_reach(self, new_job, tmp_path, monkeypatch):
        """The job is gone, and the engine says what the runner said; the job fails with it."""
        monkeypatch.setenv("MLFLOW_WORKSPACE_WAIT", "1")
        job = new_job("print('up')")
        engine = local_engine()
        uri = f"workspace://{tmp_path}/no/hub/team-a"
        command = [sys.executable, "-m", "mlflow_workspace_plugin.runner", uri, job.id]
        handle = submit(engine, job.id, *command)
        told = wait_for(engine, job.id, handle, "gone", 120)
        assert told.reason.startswith(
            f"Its runner ended with exit code 80: cannot reach workspace://{tmp_path}/no/hub from"
        )
        settled = settle(job.store, job.row, told)
        assert settled.stored_state == "Failed"
        assert "cannot reach" in settled.cause
