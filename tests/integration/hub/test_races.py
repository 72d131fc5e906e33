"""Several who write the same at once: none of them fails, and none writes to another place."""

import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import mlflow
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import DatasetInput, InputTag, LoggedModelInput, LoggedModelOutput
from mlflow.exceptions import MlflowException
from mlflow.prompt.constants import IS_PROMPT_TAG_KEY
from mlflow.tracking._tracking_service.client import TrackingServiceClient

from mlflow_workspace_plugin import Experiment, Workspace
from mlflow_workspace_plugin.hub.hub import create_hub, open_hub
from mlflow_workspace_plugin.stores.retries import created_meanwhile
from tests import python_processes

pytestmark = pytest.mark.store

MANY = 6
PROMPT = {IS_PROMPT_TAG_KEY: "true"}

SWEEP = """
import sys, mlflow
mlflow.set_tracking_uri(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
for number in range(3):
    mlflow.set_experiment(f"sweep-{number}")
    with mlflow.start_run() as run:
        print(mlflow.get_experiment(run.info.experiment_id).name, flush=True)
"""


def at_once(call: Callable[[int], Any]) -> list[Any]:
    """Return what several threads get that make a call at the same time; raise what one raises."""
    barrier = threading.Barrier(MANY)

    def wait_and_call(number: int) -> Any:
        barrier.wait()
        return call(number)

    with ThreadPoolExecutor(MANY) as threads:
        return list(threads.map(wait_and_call, range(MANY)))


def outcomes(call: Callable[[int], Any]) -> list[str]:
    """Return for each of several threads the error code of its call, or an empty string."""

    def code_of(number: int) -> str:
        try:
            call(number)
        except MlflowException as error:
            return str(error.error_code)
        return ""

    return sorted(at_once(code_of))


@pytest.fixture
def rival(client, monkeypatch) -> Callable[[Callable[[MlflowClient, str], None]], None]:
    """Let somebody else act between MLflow's look-up of an experiment and its creation."""
    look_up = TrackingServiceClient.get_experiment_by_name

    def arrange(act: Callable[[MlflowClient, str], None]) -> None:
        def looked_up(self: TrackingServiceClient, name: str) -> Any:
            found = look_up(self, name)
            monkeypatch.setattr(TrackingServiceClient, "get_experiment_by_name", look_up)
            thread = threading.Thread(target=act, args=(client, name))
            thread.start()
            thread.join()
            return found

        monkeypatch.setattr(TrackingServiceClient, "get_experiment_by_name", looked_up)

    return arrange


class TestExperiments:
    def test_processes_that_name_a_new_one(self, uri):
        """The run of each is in the experiment that it named."""
        processes = [
            python_processes.Popen(
                ["-c", SWEEP, uri],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(3)
        ]
        for process in processes:
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            process.stdin.write("\n")
            process.stdin.flush()
        for process in processes:
            out, _ = process.communicate(timeout=120)
            names = [line for line in out.splitlines() if line.startswith("sweep-")]
            assert names == [f"sweep-{number}" for number in range(3)]

    @pytest.mark.parametrize("way", ["set_experiment", "MLFLOW_EXPERIMENT_NAME", "Experiment"])
    def test_loser_gets_the_one_that_is_there(self, workspace, uri, rival, monkeypatch, way):
        """Whichever way it names the experiment, somebody's between look-up and creation."""
        mlflow.set_tracking_uri(uri)
        made = []
        rival(lambda client, name: made.append(client.create_experiment(name)))
        if way == "set_experiment":
            assert mlflow.set_experiment("sweep").name == "sweep"
        elif way == "Experiment":
            assert [Experiment(workspace, "sweep").id] == made
            return
        else:
            monkeypatch.setenv(way, "sweep")
        with mlflow.start_run() as run:
            assert [run.info.experiment_id] == made

    def test_created_and_deleted_meanwhile(self, client, uri, rival):
        """Nothing is logged elsewhere in silence: it is said how to go on."""
        mlflow.set_tracking_uri(uri)
        rival(lambda client, name: client.delete_experiment(client.create_experiment(name)))
        with pytest.raises(MlflowException, match="Restore it with"):
            mlflow.set_experiment("sweep")

    def test_duplicate_is_refused(self, client):
        """Who just creates, or creates twice after one look-up, is told that there is one."""
        assert outcomes(lambda _: client.create_experiment("one")) == [
            "",
            *["RESOURCE_ALREADY_EXISTS"] * (MANY - 1),
        ]
        assert client.get_experiment_by_name("two") is None
        client.create_experiment("two")
        for tags in (None, {"mine": "1"}):
            with pytest.raises(MlflowException, match="already exists"):
                client.create_experiment("two", tags=tags)

    def test_look_up_in_another_workspace(self, client, other_workspace, tmp_path):
        """Who just creates is told that there is one, whatever the thread looked up elsewhere."""
        elsewhere = Workspace.create("team-a", hub=create_hub(tmp_path / "other")[0].path)
        for other in (other_workspace.client, elsewhere.client):
            other.create_experiment("one")
            assert client.get_experiment_by_name("one") is None
            with pytest.raises(MlflowException, match="already exists"):
                other.create_experiment("one")

    @pytest.mark.usefixtures("no_journal")
    def test_without_a_journal(self, uri, rival):
        """The store without a journal does the same."""
        mlflow.set_tracking_uri(uri)
        rival(lambda client, name: client.create_experiment(name))
        mlflow.set_experiment("sweep")
        with mlflow.start_run() as run:
            assert mlflow.get_experiment(run.info.experiment_id).name == "sweep"


class TestInputs:
    def test_one_dataset_of_many_runs(self, client, run_id):
        """It is stored once, and each run has it with its own tags."""
        experiment = client.get_run(run_id).info.experiment_id
        runs = [client.create_run(experiment).info.run_id for _ in range(MANY)]
        for number in range(3):
            data = mlflow.data.from_pandas(pd.DataFrame({"x": [number]}), name=f"set-{number}")
            entity = data._to_mlflow_entity()

            def log(thread: int, entity: Any = entity) -> None:
                tags = [InputTag("thread", str(thread))]
                client.log_inputs(runs[thread], [DatasetInput(entity, tags)])

            at_once(log)
        for thread, each in enumerate(runs):
            inputs = client.get_run(each).inputs.dataset_inputs
            assert sorted(found.dataset.name for found in inputs) == ["set-0", "set-1", "set-2"]
            assert {tag.value for found in inputs for tag in found.tags} == {str(thread)}

    def test_one_run(self, client, run_id):
        """Datasets and models of a run are logged once, by however many threads."""
        experiment = client.get_run(run_id).info.experiment_id
        model = client.create_logged_model(experiment, name="model").model_id
        data = mlflow.data.from_pandas(pd.DataFrame({"x": [1]}), name="set")
        dataset = DatasetInput(data._to_mlflow_entity(), [])
        at_once(lambda _: client.log_inputs(run_id, [dataset], [LoggedModelInput(model_id=model)]))
        at_once(lambda step: client.log_outputs(run_id, [LoggedModelOutput(model, step)]))
        run = client.get_run(run_id)
        assert [found.dataset.name for found in run.inputs.dataset_inputs] == ["set"]
        assert [found.model_id for found in run.inputs.model_inputs] == [model]
        assert [(each.model_id, each.step) for each in run.outputs.model_outputs] == [
            (model, MANY - 1)
        ]


class TestRegistry:
    def test_versions(self, client, run_id, uri):
        """Of a model that is new to all of them each makes a version, with a number of its own."""
        mlflow.set_tracking_uri(uri)
        model = client.create_logged_model(client.get_run(run_id).info.experiment_id, name="m")
        made = at_once(lambda _: mlflow.register_model(f"models:/{model.model_id}", "new"))
        assert sorted(int(each.version) for each in made) == list(range(1, MANY + 1))

    def test_tags_and_aliases(self, client, run_id):
        """One of those that are set at once stays, and none fails."""
        client.create_registered_model("model")
        client.create_model_version("model", "mlflow-artifacts:/x", run_id)
        experiment = client.get_run(run_id).info.experiment_id
        at_once(lambda number: client.set_registered_model_tag("model", "tag", str(number)))
        at_once(lambda number: client.set_model_version_tag("model", "1", "tag", str(number)))
        at_once(lambda number: client.set_experiment_tag(experiment, "tag", str(number)))
        at_once(lambda number: client.set_registered_model_alias("model", f"a{number % 2}", "1"))
        assert client.get_registered_model("model").aliases.keys() == {"a0", "a1"}
        assert client.get_registered_model("model").tags["tag"] in map(str, range(MANY))

    def test_prompts(self, client, uri):
        """A prompt that is new to all of them has a version of each, and the tags of all."""
        mlflow.set_tracking_uri(uri)

        def register(number: int) -> None:
            client.register_prompt("prompt", f"Say {number}.", tags={f"t{number}": "x"})

        at_once(register)
        texts = {
            client.get_prompt_version("prompt", str(number + 1)).template for number in range(MANY)
        }
        assert texts == {f"Say {number}." for number in range(MANY)}
        assert client.get_prompt("prompt").tags.keys() >= {f"t{n}" for n in range(MANY)}

    def test_prompt_of_others_stays(self, client, other_workspace, monkeypatch):
        """Whatever MLflow cleans up just then; not a namesake elsewhere, and not for ever."""
        registry = client._get_registry_client()

        def lose(name: str) -> None:
            with pytest.raises(MlflowException, match="not found"):
                registry.get_registered_model(name)
            with ThreadPoolExecutor(1) as rival:
                rival.submit(registry.create_registered_model, name, tags=PROMPT).result()
            registry.create_registered_model(name, tags=PROMPT)

        lose("one")
        with pytest.raises(MlflowException, match="stays"):
            registry.delete_registered_model("one")
        registry.delete_registered_model("one")
        lose("two")
        client.delete_prompt("two")
        other_workspace.client.create_prompt("three")
        lose("three")
        other_workspace.client._get_registry_client().delete_registered_model("three")
        lose("four")
        monkeypatch.setattr(created_meanwhile, "_HOLDS_S", 0)
        registry.delete_registered_model("four")

    def test_duplicate_is_refused(self, client):
        """Who just creates a model is told that there is one."""
        assert outcomes(lambda _: client.create_registered_model("one")) == [
            "",
            *["RESOURCE_ALREADY_EXISTS"] * (MANY - 1),
        ]


def test_workspaces(hub_path):
    """A workspace is created once; the others are told that there is one."""
    catalog = open_hub(hub_path).catalog
    codes = outcomes(lambda _: catalog.create("fresh"))
    assert codes.count("") == 1
    assert "fresh" in [each.name for each in catalog.list()]
