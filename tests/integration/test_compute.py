"""Compute targets: named by commands, trusted by their users, started by engines of any package."""

import json
import shlex
import sys

import pytest
from click.testing import CliRunner

from mlflow_workspace_plugin.cli import main
from mlflow_workspace_plugin.errors import ComputeTargetException
from mlflow_workspace_plugin.jobs import computes
from mlflow_workspace_plugin.jobs.engines.engine import Compute
from mlflow_workspace_plugin.jobs.engines.find import engine_of, types
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
