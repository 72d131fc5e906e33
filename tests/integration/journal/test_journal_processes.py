"""The journal of processes that fork, spawn, get signals, or end in whatever way."""

import multiprocessing
import os
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from subprocess import PIPE

import pytest
from mlflow import MlflowClient

from mlflow_workspace_plugin.journal.files.folder import JournalFolder
from tests import python_processes
from tests.waiting import wait_until

pytestmark = pytest.mark.databases


def values(store, run_id, key="m"):
    return [metric.value for metric in store.get_metric_history(run_id, key)]


def log_steps(uri, run_id, number):
    client = MlflowClient(uri, uri)
    for step in range(number * 100, number * 100 + 100):
        client.log_metric(run_id, "m", step, step=step)
    if number == 0:
        client.set_tag(run_id, "child", number)


@pytest.fixture(params=["fork", "spawn", "forkserver"])
def context(request):
    """A way to start children; the server that forks has imported what they need."""
    context = multiprocessing.get_context(request.param)
    context.set_forkserver_preload([__name__])
    return context


def test_parent_sees_what_its_children_logged(uri, client, run_id, context):
    """Right after they ended, however they were started; nothing is lost or doubled."""
    client.log_metric(run_id, "parent", 1)
    children = [context.Process(target=log_steps, args=(uri, run_id, i)) for i in range(2)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0] * 2
    client.log_metric(run_id, "parent", 2)
    assert sorted(values(client, run_id)) == [float(i) for i in range(200)]
    assert values(client, run_id, "parent") == [1, 2]


def test_child_sends_at_its_end(uri, direct, run_id, context):
    """Though its parent never logs, and nobody looks for what children left."""
    child = context.Process(target=log_steps, args=(uri, run_id, 1))
    child.start()
    child.join()
    assert child.exitcode == 0
    assert values(direct, run_id) == list(map(float, range(100, 200)))


def test_parent_sends_what_a_child_left(uri, client, run_id):
    """A child that ends without its exit handlers: the next read of the parent has it all."""
    client.log_metric(run_id, "parent", 1)
    child = os.fork()
    if child == 0:
        try:
            log_steps(uri, run_id, 1)
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert values(client, run_id) == list(map(float, range(100, 200)))


@pytest.mark.parametrize("backend", ["loky", "multiprocessing", "threading"])
@pytest.mark.sqlite
def test_joblib(uri, client, run_id, backend):
    """Parallel logging by scikit-learn's workers: nothing is lost or doubled."""
    joblib = pytest.importorskip("joblib")
    work = joblib.delayed(log_steps)
    joblib.Parallel(2, backend=backend)(work(uri, run_id, number) for number in range(8))
    # Some of its workers live on.
    wait_until(lambda: len(values(client, run_id)) >= 800)
    assert sorted(values(client, run_id)) == list(map(float, range(800)))


@pytest.mark.sqlite
def test_signal_while_a_value_is_appended(uri, client, run_id):
    """A handler that logs, called at any moment: no deadlock, nothing lost or doubled."""
    script = f"""
import signal
from mlflow import MlflowClient
client = MlflowClient({uri!r}, {uri!r})
client.log_metric({run_id!r}, "m", 0, step=0)
handled = 0


def log(*_):
    global handled
    client.log_metric({run_id!r}, "handled", handled, step=handled)
    handled += 1
    client.set_tag({run_id!r}, "handled", handled)
    signal.setitimer(signal.ITIMER_REAL, 0.003)

signal.signal(signal.SIGALRM, log)
signal.setitimer(signal.ITIMER_REAL, 0.003)
for step in range(1, 5_001):
    client.log_metric({run_id!r}, "m", step, step=step)
signal.signal(signal.SIGALRM, signal.SIG_IGN)
print(handled)
"""
    done = python_processes.run(["-c", script], stdout=PIPE, timeout=120)
    assert done.returncode == 0
    handled = int(done.stdout)
    assert values(client, run_id) == list(map(float, range(5_001)))
    assert values(client, run_id, "handled") == list(map(float, range(handled)))
    assert client.get_run(run_id).data.tags["handled"] == str(handled)


@pytest.mark.sqlite
def test_handler_that_calls_the_one_before(uri, direct, run_id):
    """A framework's handler for SIGTERM decides itself whether the process ends."""
    script = f"""
import os, signal
from mlflow import MlflowClient
client = MlflowClient({uri!r}, {uri!r})
client.log_metric({run_id!r}, "m", 1)
before = signal.getsignal(signal.SIGTERM)
signal.signal(signal.SIGTERM, lambda *given: before(*given))
os.kill(os.getpid(), signal.SIGTERM)
client.log_metric({run_id!r}, "m", 2)
"""
    assert python_processes.run(["-c", script]).returncode == 0
    assert values(direct, run_id) == [1, 2]


def test_fork_of_a_process_with_much_to_send(uri, client, direct, run_id):
    """A child that is forked in the middle of it logs at once, without the parent's locks."""
    for step in range(20_000):
        client.log_metric(run_id, "m", step, step=step)
    children = []
    for number in range(5):
        child = os.fork()
        if child == 0:
            try:
                start = time.monotonic()
                client.log_param(run_id, f"p{number}", 1)
                os._exit(int(time.monotonic() - start > 4))
            finally:
                os._exit(2)
        children.append(child)
        time.sleep(0.1)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * 5
    assert values(client, run_id) == list(map(float, range(20_000)))
    assert len(direct.get_run(run_id).data.params) == 5


@pytest.mark.parametrize("after_s", [0.0, 0.02, 0.1])
@pytest.mark.sqlite
def test_terminated_while_it_logs(uri, direct, run_id, after_s):
    """SIGTERM at any moment: every value whose call returned is stored when it has ended."""
    script = f"""
import sys
from mlflow import MlflowClient
client = MlflowClient({uri!r}, {uri!r})
client.log_metric({run_id!r}, "m", 0, step=0)
print("begun", flush=True)
step = 0
while True:
    step += 1
    client.log_metric({run_id!r}, "m", step, step=step)
    sys.stdout.write("x\\n")
    sys.stdout.flush()
"""
    process = python_processes.Popen(["-c", script], stdout=PIPE)
    assert process.stdout.readline() == b"begun\n"
    time.sleep(after_s)
    process.terminate()
    returned = process.stdout.read().count(b"x\n")
    assert process.wait(60) == -15
    process.stdout.close()
    found = values(direct, run_id)
    assert found == list(map(float, range(len(found))))
    assert len(found) - 1 in (returned, returned + 1)


def test_threads(client, run_id):
    """64 threads at one client: nothing is lost or doubled."""
    with ThreadPoolExecutor(64) as pool:
        list(pool.map(lambda i: client.log_metric(run_id, "m", i, step=i), range(6_400)))
    assert Counter(values(client, run_id)) == Counter(map(float, range(6_400)))


def test_fork_while_values_are_sent(client, run_id):
    """Ten forks in the middle of it: the parent's values are stored once."""
    stop = threading.Event()
    logged = 0

    def log():
        nonlocal logged
        while not stop.is_set():
            client.log_metric(run_id, "m", logged, step=logged)
            logged += 1

    thread = threading.Thread(target=log)
    thread.start()
    for _ in range(10):
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
        time.sleep(0.05)
    stop.set()
    thread.join()
    assert values(client, run_id) == list(map(float, range(logged)))


@pytest.mark.parametrize(
    "end",
    [
        "",
        "sys.exit(3)",
        "1/0",
        "os.kill(os.getpid(), signal.SIGTERM)",
        # A shell's background process ignores Ctrl-C.
        "signal.signal(2, signal.default_int_handler); os.kill(os.getpid(), signal.SIGINT)",
    ],
)
@pytest.mark.sqlite
def test_all_is_stored_at_the_end_of_a_process(uri, direct, client, run_id, end):
    """However it ends by itself, and its files are gone."""
    script = f"""
import os, signal, sys
from mlflow import MlflowClient
client = MlflowClient({uri!r}, {uri!r})
for step in range(100):
    client.log_metric({run_id!r}, "m", step, step=step)
{end}
"""
    code = {"": 0, "sys.exit(3)": 3, "1/0": 1}.get(end, -2 if "SIGINT" in end else -15)
    assert python_processes.run(["-c", script]).returncode == code
    assert values(direct, run_id) == list(range(100))
    assert not list(JournalFolder(uri).path.glob("*.journal"))


def test_process_that_was_killed(uri, client, run_id):
    """What it logged is stored by the next one that reads."""
    script = f"""
import os
from mlflow import MlflowClient
client = MlflowClient({uri!r}, {uri!r})
for step in range(100):
    client.log_metric({run_id!r}, "m", step, step=step)
os.kill(os.getpid(), 9)
"""
    assert python_processes.run(["-c", script]).returncode == -9
    assert values(client, run_id) == list(range(100))


class Logging:
    """A data set that logs which of its items were read."""

    def __init__(self, uri, run_id):
        self.uri, self.run_id = uri, run_id

    def __len__(self):
        return 400

    def __getitem__(self, index):
        MlflowClient(self.uri, self.uri).log_metric(self.run_id, "m", index, step=index)
        return index


@pytest.mark.frameworks
@pytest.mark.sqlite
def test_workers_of_a_data_loader(uri, client, run_id):
    """PyTorch's, which are forked, and log while their parent does."""
    data = pytest.importorskip("torch.utils.data")
    loader = data.DataLoader(Logging(uri, run_id), num_workers=2, batch_size=10)
    for step, _batch in enumerate(loader):
        client.log_metric(run_id, "parent", step, step=step)
    assert sorted(values(client, run_id)) == list(map(float, range(400)))
    assert values(client, run_id, "parent") == list(map(float, range(40)))
