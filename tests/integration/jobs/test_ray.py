"""Jobs on a real Ray cluster, as its engine sees them, and servers that are none."""

import os
import signal
import sys
import threading
import time
import uuid
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
from click.testing import CliRunner

from mlflow_workspace_plugin import Experiment
from mlflow_workspace_plugin.cli import main
from mlflow_workspace_plugin.errors import ComputeTargetException
from mlflow_workspace_plugin.jobs import computes
from mlflow_workspace_plugin.jobs.engines.engine import Compute
from mlflow_workspace_plugin.jobs.engines.find import engine_of
from mlflow_workspace_plugin.jobs.engines.ray import dashboard, token
from mlflow_workspace_plugin.jobs.liveness import settle
from mlflow_workspace_plugin.jobs.watch import JobWatch
from mlflow_workspace_plugin.sdk.computes.aml_compute import AmlCompute
from mlflow_workspace_plugin.sdk.computes.target import ComputeTarget
from mlflow_workspace_plugin.sdk.environments.environment import Environment
from mlflow_workspace_plugin.sdk.jobs.script_run_config import ScriptRunConfig
from mlflow_workspace_plugin.stores.jobs import states
from tests.conftest import EXAMPLES
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
from tests.ray_cluster import ray_cluster
from tests.waiting import wait_until

TOKEN = "f" * 64
BUSY = "import time; time.sleep(600)"


@pytest.fixture(scope="module")
def cluster():
    """A cluster that asks for a token, started by somebody whose environment tells of a run."""
    with ray_cluster(
        RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=TOKEN, MLFLOW_RUN_ID="of another", OF_THE_NODE="it is"
    ) as started:
        yield started


@pytest.fixture
def engine(cluster, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    return engine_of(Compute("cluster", "ray", cluster.address))


def all_that_ray_tells(cluster):
    answer = requests.get(
        f"{cluster.address}/api/jobs/", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30
    )
    return answer.text


def test_a_job_is_started_once_and_no_secret_of_the_submitter_leaves_it(
    cluster, engine, tmp_path, monkeypatch
):
    """A run's id is a job's: it runs once, in the node's environment, away from others' files."""
    monkeypatch.setenv("PASSWORD_OF_DATABASE", "hunter2")
    code = (
        "import os, sys\n"
        "with open(sys.argv[1], 'a') as file:\n"
        "    print(os.getcwd(), [os.environ.get(each) for each in sys.argv[2:]], file=file)"
    )
    names = ("OF_THE_NODE", "SAID", "PASSWORD_OF_DATABASE")
    command = python(code, tmp_path / "it's here", *names)
    run_id, handle = submit(engine, command, variables={"SAID": "a 'b' $c"})
    assert engine.submit(run_id, command, variables={}, gpus=0) == handle
    wait_for(engine, "gone", run_id, handle)
    assert engine.submit(run_id, command, variables={}, gpus=0) == handle
    said = "/ ['it is', \"a 'b' $c\", None]\n"
    assert (tmp_path / "it's here").read_text() == said
    told = all_that_ray_tells(cluster)
    assert run_id in told
    assert "hunter2" not in told
    assert TOKEN not in told


def test_reasons(engine):
    """What the runner says last, and that a node has no such Python, is why no runner came."""
    word = "cannot reach /hub from node-7: there is no hub"
    run_id, handle = submit(engine, python(f"import sys; print({word!r}); sys.exit(80)"))
    no_python, its_handle = submit(engine, ["/no/such/python", "-m", "runner"])
    assert wait_for(engine, "gone", run_id, handle).reason == word
    reason = wait_for(engine, "gone", no_python, its_handle).reason
    assert "exit code 127" in reason
    assert "/no/such/python" in reason
    assert "--python" in reason


def test_room(engine, cluster):
    """Each job takes a CPU; who finds none free waits, and a canceled one is started in spite."""
    here = engine_of(Compute("large", "ray", cluster.address, {"options": {"cpus": "2"}}))
    busy, handle = submit(here, python(BUSY))
    wait_for(here, "running", busy, handle)
    wait_until(lambda: engine.capacity()[:2] == (2, 2), 30)
    assert here.capacity()[:2] == (1, 1)
    waiting, its_handle = submit(engine, python("print('started')"))
    behind, last_handle = submit(engine, python("print('started')"))
    for job, before in (((waiting, its_handle), 0), ((behind, last_handle), 1)):
        state = engine.state(*job)
        assert (state.kind, state.position) == ("waiting", before)
    assert engine.capacity().waiting == 2
    engine.cancel(waiting, its_handle)
    assert engine.state(waiting, its_handle).kind == "waiting"
    here.cancel(busy, handle)
    here.cancel(busy, handle)
    assert "stopped" in wait_for(here, "gone", busy, handle).reason
    wait_for(engine, "gone", waiting, its_handle)
    assert engine.runs_here


def test_gpus(engine, cluster):
    """A job sees those that it asks for, or that its compute target says."""
    seen = "import os, sys; print('cannot reach', os.environ.get('CUDA_VISIBLE_DEVICES'));"
    command = python(f"{seen} sys.exit(80)")
    said = engine_of(Compute("gpu", "ray", cluster.address, {"options": {"gpus": "1"}}))
    for target, gpus in ((said, 0), (engine, 1)):
        job = submit(target, command, gpus=gpus)
        assert wait_for(target, "gone", *job).reason == "cannot reach 0"


def test_kills(engine, cluster):
    """A runner that is killed, or whose supervisor is, is gone, and Ray says so."""
    marks = [f"--mark={uuid.uuid4().hex}" for _ in range(2)]
    jobs = [submit(engine, python(BUSY, mark)) for mark in marks]
    for job in jobs:
        wait_for(engine, "running", *job)
    wait_until(lambda: all(_with_word(mark) for mark in marks), 30)
    os.kill(_with_word(marks[0])[0], signal.SIGKILL)
    assert "by signal 9" in wait_for(engine, "gone", *jobs[0]).reason
    os.kill(_parent(_with_word(marks[1])[0]), signal.SIGKILL)
    assert "died" in wait_for(engine, "gone", *jobs[1]).reason
    wait_until(lambda: not _with_word(marks[1]), 30)


def test_tokens(cluster, tmp_path, monkeypatch):
    """The token is of the environment, or of a file for the address that nobody else may read."""
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    engine = engine_of(Compute("cluster", "ray", cluster.address))
    with pytest.raises(ComputeTargetException, match=r"without a token.*compute token cluster"):
        engine.capacity()
    assert engine.state("1" * 32, "").kind == "unknown"
    monkeypatch.setenv("RAY_AUTH_TOKEN", "of another cluster")
    with pytest.raises(ComputeTargetException, match="RAY_AUTH_TOKEN"):
        engine.capacity()
    file = token.keep(cluster.address, TOKEN)
    assert file.stat().st_mode & 0o777 == 0o600
    assert engine.capacity().slots == 2
    never_told = engine.state("1" * 32, "")
    assert (never_told.kind, "started again" in never_told.reason) == ("gone", False)
    file.chmod(0o644)
    with pytest.raises(ComputeTargetException, match="others may read"):
        engine.capacity()
    assert engine.state("1" * 32, "").kind == "unknown"


def test_another_cluster_of_the_name(engine, cluster):
    """A job that was handed to one cluster is not looked for on another that took its name."""
    elsewhere = engine.submit("2" * 32, python(""), variables={}, gpus=0).replace("127.0.0.1", "a")
    assert engine.state("2" * 32, elsewhere).kind == "unknown"
    with pytest.raises(ComputeTargetException, match="another Ray cluster"):
        engine.cancel("2" * 32, elsewhere)


class TestRunner:
    """What the runner and the engine say together is true, whatever is killed."""

    def test_a_job_completes(self, engine, new_job, workspace, tmp_path):
        """It is told of its own run, whatever `ray start` was told, and what it leaves is there.

        It gets the data that it was given, and what it makes of it becomes a dataset.
        """
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
        assert "SUCCEEDED" not in wait_for(engine, "gone", job.id, handle).reason

    def test_a_notebook_runs_where_its_target_was_bound_to(
        self, engine, cluster, workspace, hub_path, tmp_path
    ):
        """What creates a target of its own stays as it is; a command binds the name to Ray."""
        (tmp_path / "code").mkdir()
        (tmp_path / "code" / "train.py").write_text("import helper\nprint(helper.WORD)\n")
        (tmp_path / "code" / "helper.py").write_text("WORD = 'trained'\n")
        name = "gpu-cluster"

        def notebook():
            try:
                target = ComputeTarget(workspace, name)
            except ComputeTargetException:
                sizes = AmlCompute.provisioning_configuration("STANDARD_D2_V2", max_nodes=2)
                target = ComputeTarget.create(workspace, name, sizes)
                target.wait_for_completion(show_output=True)
            environment = Environment("this-python")
            environment.python.user_managed_dependencies = True
            config = ScriptRunConfig(
                str(tmp_path / "code"), "train.py", compute_target=target, environment=environment
            )
            run = Experiment(workspace, "experiment").submit(config)
            run.wait_for_completion()
            assert run.get_status() == "Completed"
            return run, workspace.tracking_store.job(run.id).engine

        assert notebook()[1] == "local"
        command = ["compute", "add", name, "--type", "ray", "--address", cluster.address]
        where = ["-w", "team-a", "--hub", str(hub_path)]
        done = CliRunner().invoke(main, [*command, *where])
        assert done.exit_code == 0, done.output
        assert "It was local" in done.output
        run, where_it_ran = notebook()
        assert where_it_ran == "ray"
        run.download_file("user_logs/std_log.txt", str(tmp_path / "log"))
        assert (tmp_path / "log").read_text() == "trained\n"

    def test_sweep_of_the_examples(self, engine, cluster, workspace, hub_path, run_python):
        """As it stands, on the target that it is told."""
        where = ["-w", "team-a", "--hub", str(hub_path)]
        add = ["compute", "add", "gpu-cluster", "--type", "ray", "--address", cluster.address]
        assert CliRunner().invoke(main, [*add, *where]).exit_code == 0
        code = (
            "import runpy, sys, mlflow_workspace_plugin.azureml\n"
            "sys.argv = sys.argv[1:]\nrunpy.run_path(sys.argv[0], run_name='__main__')"
        )
        arguments = [str(EXAMPLES / "sweep" / "sweep.py"), "--compute", "gpu-cluster"]
        uri = workspace.get_mlflow_tracking_uri()
        printed = run_python("-c", code, *arguments, "--alphas", "0.1", MLFLOW_TRACKING_URI=uri)
        assert printed.stdout.endswith("registered diabetes-ridge version 1\n")
        (run,) = workspace.experiments["sweep"].get_runs()
        assert workspace.tracking_store.job(run.id).engine == "ray"

    def test_a_waiting_job_that_is_canceled_is_started_and_runs_nothing(
        self, engine, cluster, new_job
    ):
        """Ray starts it in spite of that, told or not; its runner finds it canceled."""
        busy = submit(
            engine_of(Compute("large", "ray", cluster.address, {"options": {"cpus": "2"}})),
            python(BUSY),
        )
        wait_for(engine, "running", *busy)
        jobs = [new_job(TELL + "tell('ran')") for _ in range(2)]
        handles = [job.hand_to(engine) for job in jobs]
        for job in jobs:
            assert job.store.cancel_job(job.id) == "Canceled"
        # Of one of them Ray is told.
        engine.cancel(jobs[0].id, handles[0])
        engine.cancel(*busy)
        wait_for(engine, "gone", jobs[0].id, handles[0], 90)
        assert "exit code 81" in wait_for(engine, "gone", jobs[1].id, handles[1], 90).reason
        for job in jobs:
            assert (job.state, job.status) == ("Canceled", "KILLED")
            assert not (job.folder / "ran").exists()

    def test_the_runner_is_killed(self, engine, new_job):
        """Its command goes with it, and the next reader on that machine has the proof."""
        job = new_job(TELL + "tell('command'); print('up'); time.sleep(600)")
        handle = job.hand_to(engine)
        command = job.pid("command")
        job.until_printed("up")
        os.kill(job.row.runner["pid"], signal.SIGKILL)
        wait_for(engine, "gone", job.id, handle)
        until(lambda: not is_alive(command), 30)
        found = until(
            lambda: (
                settled
                if (settled := settle(job.store, job.row)).stored_state != "Running"
                else None
            ),
            30,
        )
        assert (found.stored_state, job.status) == ("Failed", "FAILED")
        assert "killed" in found.cause
        assert job.log() == "up\n"

    def test_the_head_is_lost(self, engine, cluster, new_job):
        """A job that runs goes on, and completes; one that waited has failed, and never runs."""
        busy = new_job(
            TELL + "tell('command')\nwhile not os.path.exists(f'{FOLDER}/go'): time.sleep(0.1)"
        )
        large = engine_of(Compute("large", "ray", cluster.address, {"options": {"cpus": "2"}}))
        handle = busy.hand_to(large)
        busy.pid("command")
        waiting = new_job(TELL + "tell('ran')")
        its_handle = waiting.hand_to(engine)
        os.kill(cluster.of_kind("gcs_server")[0], signal.SIGKILL)
        wait_until(lambda: engine.state(busy.id, handle).kind == "unknown", 90)
        assert (
            settle(waiting.store, waiting.row, engine.state(waiting.id, its_handle)).stored_state
            == "Queued"
        )
        (busy.folder / "go").touch()
        assert busy.until_state(*states.LAST) == "Completed", busy.row.cause
        cluster.kill()
        assert engine.state(waiting.id, its_handle).kind == "unknown"
        for call in (
            lambda: submit(engine, python(BUSY)),
            lambda: engine.cancel(waiting.id, its_handle),
            engine.capacity,
            lambda: engine_of(Compute("cluster", "ray", cluster.address)).runs_here,
        ):
            with pytest.raises(ComputeTargetException, match="does not answer: no connection"):
                call()
        cluster.start()
        state = engine.state(waiting.id, its_handle)
        assert "started again" in state.reason
        engine.cancel(waiting.id, its_handle)
        found = settle(waiting.store, waiting.row, state)
        assert (found.stored_state, waiting.status) == ("Failed", "FAILED")
        assert "never started" in found.cause
        assert (
            settle(busy.store, busy.row, engine.state(busy.id, handle)).stored_state == "Completed"
        )
        # Should it be started all the same.
        assert waiting.run() == 81
        assert not (waiting.folder / "ran").exists()

    def test_a_hub_that_the_node_does_not_see(self, engine, cluster, workspace, tmp_path):
        """The job fails with what the node says, wherever somebody looks."""
        target = ("--type", "ray", "--address", cluster.address)
        fails_as_its_node_does_not_see_the_hub(workspace, tmp_path, *target)


def test_the_raylet_is_killed(engine, cluster, new_job):
    """A runner ends with its node, and its job has failed, whatever Ray still says of it."""
    job = new_job(TELL + "tell('command'); print('up'); time.sleep(600)")
    job.hand_to(engine)
    command = job.pid("command")
    job.until_printed("up")
    # The last test of the cluster, which was this node.
    os.kill(cluster.of_kind("/raylet/raylet")[0], signal.SIGKILL)
    until(lambda: settle(job.store, job.row).stored_state != "Running", 60)
    assert (job.state, job.status) == ("Failed", "FAILED")
    assert "killed" in job.row.cause
    until(lambda: not is_alive(command), 30)


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        (None, "nothing says where"),
        ("", "nothing says where"),
        ("ray-head:8265", "http://"),
        ("file:///etc/passwd", "http://"),
        ("ray://head:10001", "Ray's own client"),
        ("http://", "a host"),
        ("http://user:hunter2@head:8265", "user name or password"),
        ("http://user@head:8265", "user name or password"),
        ("http://head:hunter2", "cannot be read"),
        ("http://head:8265/?token=hunter2", "query"),
        ("http://head:8265/#hunter2", "fragment"),
        ("http://head:8265/a\nb", "characters"),
        ("http://head\\@evil:8265", "user name"),
    ],
)
def test_addresses_that_are_refused(address, reason):
    """What is no dashboard's address, or carries a secret, is refused, and no secret repeated."""
    with pytest.raises(ComputeTargetException, match=reason) as caught:
        engine_of(Compute("cluster", "ray", address))
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("options", [{"cpus": "0"}, {"cpus": "many"}, {"num_gpus": "1"}])
def test_options_that_are_refused(options):
    """An option that Ray's engine does not take is refused before anything is asked."""
    with pytest.raises(ComputeTargetException, match=next(iter(options))):
        engine_of(Compute("cluster", "ray", "http://127.0.0.1:9", {"options": options}))


class Answers(BaseHTTPRequestHandler):
    """A server that answers as its ``answer`` says, and keeps what it was asked."""

    def do_GET(self):
        self.server.asked.append(dict(self.headers))
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.answer(self)

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_arguments):
        pass


@contextmanager
def answering(answer):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.daemon_threads, server.block_on_close = True, False
    server.asked, server.answer = [], answer
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _send(handler, status, content=b"", **headers):
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    with suppress(OSError):
        handler.wfile.write(content)


def test_a_token_goes_to_no_other_address(monkeypatch, tmp_path):
    """Who is led elsewhere is told so, and neither the token nor a log-in of .netrc goes along."""
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password hunter2\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    with (
        answering(lambda handler: _send(handler, 200, b"{}")) as (other, elsewhere),
        answering(lambda handler: _send(handler, 307, Location=elsewhere)) as (first, address),
    ):
        engine = engine_of(Compute("cluster", "ray", address))
        with pytest.raises(ComputeTargetException, match="another address"):
            engine.submit("1" * 32, ["python"], variables={}, gpus=0)
        assert engine.state("1" * 32, "").kind == "unknown"
    assert other.asked == []
    assert {each["Authorization"] for each in first.asked} == {f"Bearer {TOKEN}"}


@pytest.mark.parametrize(
    ("status", "content"),
    [
        (404, b"<html>404 Not Found</html>"),
        (500, b"Traceback (most recent call last):\n..."),
        (502, b""),
        (200, b"<html>Welcome</html>"),
        (200, b"[]"),
        (200, b'{"status": "DANCING"}'),
        (200, b"[" * 100_000),
        (200, b"x" * (17 * 2**20)),
    ],
)
def test_answers_that_prove_nothing(status, content):
    """What no dashboard says never makes a job gone; what is too long is not read to its end."""
    with answering(lambda handler: _send(handler, status, content)) as (_, address):
        engine = engine_of(Compute("cluster", "ray", address))
        assert engine.state("1" * 32, "").kind == "unknown"
        for call in (
            lambda: engine.submit("1" * 32, ["python"], variables={}, gpus=0),
            lambda: engine.runs_here,
        ):
            with pytest.raises(ComputeTargetException, match=r"HTTP|not answer"):
                call()


@pytest.mark.parametrize("drop", [b" " * 8192, b" ", b"of the head"])
def test_answers_that_drip(drop, monkeypatch):
    """A server that says a little now and then holds nobody up for long."""
    monkeypatch.setattr(dashboard, "_ANSWER_S", 2.5)
    has_ended = threading.Event()

    def drip(handler):
        with suppress(OSError):
            if drop == b"of the head":
                handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
            else:
                handler.send_response(200)
                handler.end_headers()
            for _ in range(100):
                handler.wfile.write(b"X-A: b\r\n" if drop == b"of the head" else drop)
                time.sleep(0.1)
            has_ended.set()

    with answering(drip) as (_, address):
        state = engine_of(Compute("cluster", "ray", address)).state("1" * 32, "")
    assert not has_ended.is_set()
    assert state.kind == "unknown"
    assert "in time" in state.reason


def test_a_job_that_was_taken_though_the_answer_was_lost():
    """Where the answer to a submission is lost, the job is looked for, and found."""

    def answer(handler):
        if handler.command == "POST":
            handler.connection.shutdown(2)
        else:
            _send(handler, 200, b'{"status": "PENDING"}')

    with answering(answer) as (_, address):
        engine = engine_of(Compute("cluster", "ray", address))
        assert "mlflow-111" in engine.submit("1" * 32, ["python"], variables={}, gpus=0)


def _with_word(word):
    return of_folder(Path(sys.executable), word)


def _parent(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_a_job_that_is_handed_over_between_two_looks(workspace):
    """That Ray did not know it before says nothing of it now."""
    store, known = workspace.tracking_store, threading.Event()

    def answer(handler):
        if known.is_set():
            _send(handler, 200, b'{"status": "PENDING"}')
        else:
            _send(handler, 404, f"Job {handler.path.rpartition('/')[2]} does not exist".encode())

    with answering(answer) as (_, address):
        target = Compute("far", "ray", address)
        store.put_compute(target)
        computes.remember(target)
        experiment = Experiment(workspace, "experiment").id
        job = {"definition": {}, "compute": "far", "engine": "ray"}
        run_id = store.create_job(experiment, run_name=None, tags=[], **job).info.run_id
        watch = JobWatch(store, run_id)
        assert watch.read().state == "NotStarted"
        known.set()
        store.job_queued(run_id, f"mlflow-{run_id} at {address}")
        assert watch.read().state == "Queued"
