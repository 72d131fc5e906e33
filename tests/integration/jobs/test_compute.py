"""Compute targets: named by commands, trusted by their users, started by engines of any package."""

import json
import shlex
import socket
import sys
from contextlib import suppress

import pytest
from click.testing import CliRunner

from mlflow_workspace_plugin import Experiment
from mlflow_workspace_plugin.cli import main
from mlflow_workspace_plugin.errors import ComputeTargetException
from mlflow_workspace_plugin.jobs import computes
from mlflow_workspace_plugin.jobs.definition import Definition
from mlflow_workspace_plugin.jobs.engines import plugged
from mlflow_workspace_plugin.jobs.engines.engine import Compute
from mlflow_workspace_plugin.jobs.engines.find import engine_of, types
from mlflow_workspace_plugin.jobs.engines.ray import dashboard
from mlflow_workspace_plugin.jobs.submission import submit
from mlflow_workspace_plugin.jobs.watch import JobWatch
from tests.jobs import until
from tests.listener import listening

pytestmark = [pytest.mark.store, pytest.mark.sqlite]

ENGINE = """
from mlflow_workspace_plugin.jobs.engines.engine import Capacity, EngineState

class CloudEngine:
    runs_here = False

    def __init__(self, compute):
        self.compute = compute

    def submit(self, run_id, command, *, variables, gpus):
        return f"{self.compute.address}/{run_id}"

    def state(self, run_id, handle):
        return EngineState("waiting", "The cloud is grey.", 3)

    def cancel(self, run_id, handle):
        pass

    def capacity(self):
        return Capacity(7, 5, 3)
"""


STARTS = """
import subprocess
from mlflow_workspace_plugin.jobs.engines.engine import Capacity, EngineState

class ShellEngine:
    runs_here = True
    started = {}

    def __init__(self, compute):
        pass

    def submit(self, run_id, command, *, variables, gpus):
        if run_id not in self.started:
            self.started[run_id] = subprocess.Popen(command)
        return run_id

    def state(self, run_id, handle):
        started = self.started.get(run_id)
        is_gone = started is None or started.poll() is not None
        return EngineState("gone" if is_gone else "running")

    def cancel(self, run_id, handle):
        self.started[run_id].terminate()

    def capacity(self):
        return Capacity(None, None, None)
"""
BROKEN = """
class BrokenEngine:
    def __init__(self, compute):
        self.address = compute.address or ""

    @property
    def runs_here(self):
        return self.fail()

    def submit(self, run_id, command, *, variables, gpus):
        return self.fail()

    def state(self, run_id, handle):
        return self.fail()

    def cancel(self, run_id, handle):
        return self.fail()

    def capacity(self):
        return self.fail()

    def fail(self):
        if self.address == "exits":
            raise SystemExit("no cloud")
        if self.address == "hangs":
            import time
            time.sleep(60)
        if self.address == "raises":
            raise KeyError("no cloud")
        return ("no", "cloud")
"""


@pytest.fixture
def run(workspace, hub_path):
    def call(*arguments, status=0, **options):
        command = ["compute", *map(str, arguments), "-w", "team-a", "--hub", str(hub_path)]
        done = CliRunner().invoke(main, command, **options)
        assert done.exit_code == status, done.output
        assert "Traceback" not in done.output
        return done.output

    return call


@pytest.fixture
def store(workspace):
    return workspace.tracking_store


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Install a package with an engine, as an installer leaves one."""

    def install(name, entry_point, code):
        folder = tmp_path / "site"
        facts = folder / f"{name}-1.0.dist-info"
        facts.mkdir(parents=True)
        (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (facts / "entry_points.txt").write_text(f"[mlflow_workspace.compute]\n{entry_point}\n")
        (folder / f"{name}.py").write_text(code)
        monkeypatch.syspath_prepend(str(folder))

    yield install
    sys.modules.pop("of_cloud", None)


def test_this_machine_is_a_target_of_each_workspace(store, run):
    """``local`` is there without being added, as scripts write it, and stays this machine."""
    for name in ("local", "LOCAL"):
        assert computes.compute_named(store, name) == Compute("local", "local")
    (row,) = json.loads(run("list", "--json"))
    assert (row["name"], row["type"], row["note"]) == ("local", "local", None)
    assert row["slots"] >= 1
    assert "Give it another name" in run("add", "local", "--type", "slurm", status=1)
    run("add", "local", "--type", "local", "--slots", "3")
    assert computes.compute_named(store, "local").settings == {"slots": 3}


def test_a_name_is_bound_changed_and_forgotten(store, run):
    """The last command says where jobs of that name run; an unknown name is answered with it."""
    with pytest.raises(ComputeTargetException, match="compute add gpu-cluster --type") as caught:
        computes.compute_named(store, "gpu-cluster")
    assert "it has local" in caught.value.message
    run("add", "gpu-cluster", "--type", "local", "--slots", "2")
    sizes = {"recorded": {"vm_size": "D2"}}
    store.put_compute(Compute("gpu-cluster", "local", settings=sizes))
    command = ("add", "gpu-cluster", "--type", "ray", "--address", "http://127.0.0.1:9/")
    said = run(*command, "--option", "cpus=2", "--python", "/opt/python")
    assert "It was local" in said
    assert "does not answer" in said  # the discard port
    found = computes.compute_named(store, "gpu-cluster")
    assert (found.type, found.settings["options"]) == ("ray", {"cpus": "2"})
    assert found.settings["recorded"] == {"vm_size": "D2"}
    assert "slots" not in found.settings
    rows = {row["name"]: row for row in json.loads(run("list", "--json"))}
    assert rows["gpu-cluster"]["slots"] is None
    assert "does not answer" in rows["gpu-cluster"]["note"]
    assert "http://127.0.0.1:9" in run("list")
    run("remove", "gpu-cluster")
    assert "no compute target" in run("remove", "gpu-cluster", status=1)
    assert store.computes() == []


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["x", "--type", "k8s"], "there is local, ray, slurm"),
        (["x", "--type", "ray"], "--address"),
        (["x", "--type", "ray", "--address", "http://me:hunter2@head"], "user name or password"),
        (["x", "--type", "slurm", "--address", "head"], "no address"),
        (["x", "--type", "slurm", "--option", "wrap=id"], "does not take"),
        (["x", "--type", "local", "--python", "bin/python"], "no full path"),
        (["x", "--type", "local", "--hub-on-nodes", "~/hub"], "no full path"),
        (["a b", "--type", "local"], "cannot be the name"),
        (["é", "--type", "local"], "cannot be the name"),
        (["a/../b", "--type", "local"], "cannot be the name"),
    ],
)
def test_what_is_refused_is_not_kept(store, run, arguments, reason):
    """What no engine could use is refused as it is typed, without repeating a secret."""
    said = run("add", *arguments, status=1)
    assert reason in said
    assert "hunter2" not in said
    assert store.computes() == []


def test_names_and_options_that_look_like_others(run):
    """A name is no option, and an option is a name and a value."""
    assert "No such option" in run("add", "--output=x", "--type", "local", status=2)
    for option in ("partition", "=x", "partition=", "--wrap=id"):
        assert "NAME=VALUE" in run("add", "x", "--type", "slurm", "--option", option, status=2)


def test_a_target_of_somebody_elses_is_asked_nothing(store, run, monkeypatch, tmp_path):
    """Where jobs go is said by each user for himself, and again whenever that changes."""
    with listening() as listener:
        address = f"http://{listener.address}"
        stranger = Compute("gpu", "ray", address, {"python": "/tmp/evil"})
        store.put_compute(stranger)
        with pytest.raises(ComputeTargetException, match="compute trust gpu") as caught:
            computes.compute_named(store, "gpu")
        assert "/tmp/evil" in caught.value.message
        (_, row) = json.loads(run("list", "--json"))
        assert "compute trust gpu" in row["note"]
        assert "/tmp/evil" in run("trust", "gpu", input="n\n", status=1)
        assert listener.connections == 0
    assert address in run("trust", "gpu", "--yes")
    assert computes.compute_named(store, "gpu") == stranger
    store.put_compute(Compute("gpu", "local", None, {"python": "/tmp/evil"}))
    with pytest.raises(ComputeTargetException, match="compute trust gpu"):
        computes.compute_named(store, "gpu")
    store.put_compute(Compute("gpu", "local", None, {"slots": 2, "recorded": {"vm_size": "D2"}}))
    assert computes.compute_named(store, "gpu").settings["slots"] == 2


def test_who_adds_a_target_trusts_it_and_a_trusted_hub_says_where(
    store, run, hub_path, monkeypatch, tmp_path
):
    """What a user typed is his; in a container the hub is trusted as a whole."""
    run("add", "gpu", "--type", "slurm", "--option", "partition=gpu", "--python", "/opt/python")
    assert computes.compute_named(store, "gpu").settings["python"] == "/opt/python"
    monkeypatch.setenv("MLFLOW_WORKSPACE_TRUST_FILE", str(tmp_path / "of-another-user"))
    with pytest.raises(ComputeTargetException, match="compute trust gpu"):
        computes.compute_named(store, "gpu")
    monkeypatch.setenv("MLFLOW_WORKSPACE_TRUST", str(hub_path))
    assert computes.compute_named(store, "gpu").type == "slurm"
    monkeypatch.delenv("MLFLOW_WORKSPACE_TRUST")
    (tmp_path / "of-another-user").write_text("no JSON")
    with pytest.raises(ComputeTargetException, match="cannot be used"):
        computes.compute_named(store, "gpu")


def test_a_hub_that_the_nodes_do_not_see_is_refused(store, run, package, hub_path):
    """A folder and other machines do not go together, until somebody says where it is for them."""
    package("of_cloud", "cloud = of_cloud:CloudEngine", ENGINE)
    said = run("add", "far", "--type", "cloud", "--address", "a b", "--python", "/opt/python")
    assert "It takes no job yet" in said
    far = computes.compute_named(store, "far")
    with pytest.raises(ComputeTargetException) as caught:
        computes.runner_uri(store.tracking_uri, far, engine_of(far))
    command = caught.value.message.partition("mlflow-workspace compute ")[2].partition(". A hub")[0]
    said = run(*shlex.split(command))
    assert "It takes no job yet" not in said
    far = computes.compute_named(store, "far")
    assert far.address == "a b"
    assert far.settings["python"] == "/opt/python"
    uri = computes.runner_uri(store.tracking_uri, far, engine_of(far))
    assert uri == store.tracking_uri
    run("add", "far", "--type", "cloud", "--hub-on-nodes", "/mnt/team hub")
    far = computes.compute_named(store, "far")
    uri = computes.runner_uri(store.tracking_uri, far, engine_of(far))
    assert uri == "workspace:///mnt/team%20hub/team-a"


def test_engines_of_other_packages(store, run, package):
    """An entry point is enough for a type of its own; the names of ours stay ours."""
    package("of_cloud", "cloud = of_cloud:CloudEngine\nray = of_cloud:CloudEngine", ENGINE)
    assert types() == ["cloud", "local", "ray", "slurm"]
    run("add", "far", "--type", "cloud", "--address", "eu")
    (_, row) = json.loads(run("list", "--json"))
    assert (row["slots"], row["busy"], row["waiting"]) == (7, 5, 3)
    engine = engine_of(computes.compute_named(store, "far"))
    assert engine.submit("1", ["python"], variables={}, gpus=0) == "eu/1"
    ours = engine_of(Compute("x", "ray", "http://head:8265"))
    assert type(ours).__module__.startswith("mlflow_workspace_plugin.")


def test_an_engine_that_fails(store, run, package):
    """A package that does not work is named, and spoils nothing else."""
    package("of_cloud", "cloud = of_cloud:Missing", ENGINE)
    said = run("add", "far", "--type", "cloud", status=1)
    assert "of_cloud" in said
    store.put_compute(Compute("far", "cloud"))
    computes.remember(Compute("far", "cloud"))
    (row, far) = json.loads(run("list", "--json"))
    assert row["slots"] >= 1
    assert "of_cloud" in far["note"]


@pytest.mark.parametrize("how", ["exits", "hangs", "raises", "returns"])
def test_an_engine_that_breaks_when_it_is_asked(
    store, run, package, monkeypatch, workspace, tmp_path, how
):
    """It is named wherever it is asked; its job has failed, and other jobs are listed as ever."""
    monkeypatch.setattr(plugged, "_WITHIN_S", 0.5 if how == "hangs" else 30.0)
    package("of_cloud", "cloud = of_cloud:BrokenEngine", BROKEN)
    run("add", "far", "--type", "cloud", "--address", how, "--hub-on-nodes", "/hub")
    (_, row) = json.loads(run("list", "--json"))
    assert "package 'of_cloud', does not say how much it runs" in row["note"]
    experiment = Experiment(workspace, "experiment")
    definition = Definition(command="true", target="far")
    with pytest.raises(ComputeTargetException, match=r"of package 'of_cloud', does not take"):
        submit(store, experiment.id, definition, None, own_id="own")
    (failed,) = store.jobs()
    assert (failed.state, failed.owner) == ("Failed", None)
    assert "of_cloud" in failed.cause
    waiting = _waiting(store, experiment, "far", "cloud")
    other = _waiting(store, experiment, "gone", "cloud")
    reasons = {each["run_id"]: each["reason"] for each in json.loads(_jobs(workspace))}
    assert "does not say what has become of the job" in reasons.pop(waiting)
    assert "has no compute target 'gone'" in reasons.pop(other)
    assert not reasons
    assert JobWatch(store, waiting).cancel() == "Canceled"


def test_an_engine_is_a_class_with_four_calls(store, run, package, new_job):
    """What only starts a process runs jobs."""
    package("of_cloud", "shell = of_cloud:ShellEngine", STARTS)
    run("add", "far", "--type", "shell")
    job = new_job("print('up')")
    engine = engine_of(computes.compute_named(store, "far"))
    assert engine.runs_here
    handle = job.hand_to(engine)
    assert job.until_state("Completed", "Failed") == "Completed"
    assert job.log() == "up\n"
    until(lambda: engine.state(job.id, handle).kind == "gone")


def test_a_server_that_never_answers_is_waited_for_once(store, workspace, run, monkeypatch):
    """However many jobs wait there: it accepts connections, and says nothing."""
    monkeypatch.setattr(dashboard, "_ANSWER_S", 2.2)
    experiment = Experiment(workspace, "experiment")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        run("add", "far", "--type", "ray", "--address", address, "--hub-on-nodes", "/hub")
        for _ in range(3):
            _waiting(store, experiment, "far", "ray", address)
        listed = json.loads(_jobs(workspace))
        assert [each["state"] for each in listed] == ["Queued"] * 3
        assert all("no answer in time" in each["reason"] for each in listed)
        assert _accept_all(silent) == 1


def _waiting(store, experiment, compute, engine, address=""):
    created = store.create_job(
        experiment.id, run_name=None, tags=[], definition={}, compute=compute, engine=engine
    )
    run_id = created.info.run_id
    store.job_queued(run_id, f"mlflow-{run_id} at {address}")
    return run_id


def _jobs(workspace):
    where = ["-w", "team-a", "--hub", str(workspace._hub.path)]
    done = CliRunner().invoke(main, ["jobs", "--json", *where])
    assert done.exit_code == 0, done.output
    return done.stdout


def _accept_all(server):
    """Take the connections that wait, without an answer; return how many there were."""
    server.settimeout(0.1)
    accepted = []
    with suppress(TimeoutError):
        while True:
            accepted.append(server.accept())
    return len(accepted)


def test_the_token_is_kept_in_a_file_of_the_users(run, store, tmp_path):
    """It comes from standard input, is printed nowhere, and is in no row."""
    run("add", "gpu", "--type", "ray", "--address", "http://127.0.0.1:9")
    said = run("token", "gpu", input="f00f\n")
    (file,) = (tmp_path / "config" / "ray-tokens").glob("http*9")
    assert str(file) in said
    assert json.loads(file.read_text()) == "f00f"
    assert file.stat().st_mode & 0o777 == 0o600
    assert "f00f" not in said + str(store.computes())
    run("add", "here", "--type", "local")
    assert "takes no token" in run("token", "here", status=1)
