"""Tags of a run to which MLflow's clients add entry after entry."""

import json
import threading

import mlflow
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlflow.entities import RunTag
from mlflow.models import Model
from mlflow.utils.mlflow_tags import MLFLOW_LOGGED_ARTIFACTS, MLFLOW_LOGGED_MODELS

pytestmark = pytest.mark.store

FOLDER = "a folder with a name that is as long as those of real trainings are"


def logged(client, run_id: str, key: str = MLFLOW_LOGGED_ARTIFACTS) -> list:
    return json.loads(client.get_run(run_id).data.tags[key])


def paths(count: int, name: str = "table") -> list[dict[str, str]]:
    return [{"path": f"{FOLDER}/{name}_{each}_é.json", "type": "table"} for each in range(count)]


def test_hundreds_of_tables(client, uri, run_id):
    """Each is found again, by runs and by experiment, although MLflow's tag was full long ago."""
    mlflow.set_tracking_uri(uri)
    client.set_tag(run_id, MLFLOW_LOGGED_ARTIFACTS, json.dumps(paths(300)))
    experiment = client.get_run(run_id).info.experiment_id
    for number in range(3):
        client.log_table(run_id, {"n": [number]}, f"{FOLDER}/{number}_é模.json")
    for number in range(3):
        found = client.load_table(experiment, f"{FOLDER}/{number}_é模.json", run_ids=[run_id])
        assert list(found["n"]) == [number]
    assert len(logged(client, run_id)) == 303
    assert list(client.load_table(experiment, f"{FOLDER}/2_é模.json")["n"]) == [2]
    found = mlflow.search_runs([experiment])
    assert len(json.loads(found[f"tags.{MLFLOW_LOGGED_ARTIFACTS}"][0])) == 303
    assert not [name for name in found.columns if "more" in name]


def test_threads(client, run_id):
    """None undoes another's entry, though each sets what it has read with one more."""

    def log(thread: int) -> None:
        for number in range(5):
            client.log_table(run_id, {"n": [number]}, f"{thread}-{number}.json")

    threads = [threading.Thread(target=log, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = {each["path"] for each in logged(client, run_id)}
    assert found == {f"{thread}-{number}.json" for thread in range(4) for number in range(5)}


def test_models(client, run_id):
    """The history of a run's models is as long as it is."""
    for number in range(12):
        flavors = {"python_function": {"loader_module": "x" * 900}}
        client._record_logged_model(run_id, Model(f"model-{number}", run_id, flavors=flavors))
    history = logged(client, run_id, MLFLOW_LOGGED_MODELS)
    assert [each["artifact_path"] for each in history] == [f"model-{each}" for each in range(12)]


def test_copy(client, run_id):
    """The tags of a run can be given to a new one, or set by a batch, whatever else is in it."""
    experiment = client.get_run(run_id).info.experiment_id
    tags = {MLFLOW_LOGGED_ARTIFACTS: json.dumps(paths(200)), "other": "kept"}
    copy = client.create_run(experiment, tags=tags).info.run_id
    batch = [RunTag(*each) for each in {**tags, "mlflow.runName": "named"}.items()]
    client.log_batch(run_id, tags=batch)
    for each in (copy, run_id):
        assert logged(client, each) == paths(200)
        assert client.get_run(each).data.tags["other"] == "kept"
    assert client.get_run(run_id).info.run_name == "named"


def test_end_of_a_list(client, run_id):
    """Deleted, emptied or set to something else, nothing of it is left."""
    key, full = MLFLOW_LOGGED_ARTIFACTS, json.dumps(paths(200))
    client.set_tag(run_id, key, full)
    client.delete_tag(run_id, key)
    assert key not in client.get_run(run_id).data.tags
    for value in ("[]", "no list", "{}"):
        client.set_tag(run_id, key, full)
        client.set_tag(run_id, key, value)
        assert client.get_run(run_id).data.tags[key] == value
    client.set_tag(run_id, key, json.dumps(paths(2)))
    assert logged(client, run_id) == paths(2)


def test_list_that_mlflow_has_cut(client, direct, run_id):
    """What is whole of it is read, and it goes on from there."""
    cut = json.dumps(paths(200), ensure_ascii=False)[:8000]
    with direct._transaction() as connection:
        connection.exec_driver_sql(
            f"INSERT INTO tags (run_uuid, key, value) VALUES ('{run_id}', "
            f"'{MLFLOW_LOGGED_ARTIFACTS}', '{cut}')"
        )
    before = logged(client, run_id)
    assert before == paths(len(before))
    client.log_table(run_id, {"n": [1]}, "next.json")
    assert [each["path"] for each in logged(client, run_id)][-1] == "next.json"
    assert logged(client, run_id)[:-1] == before


def test_entry_that_is_too_long(client, run_id):
    """It is refused at the call, and what was logged before is there."""
    client.set_tag(run_id, MLFLOW_LOGGED_ARTIFACTS, json.dumps(paths(1)))
    with pytest.raises(mlflow.MlflowException, match="Choose a shorter path"):
        client.set_tag(run_id, MLFLOW_LOGGED_ARTIFACTS, json.dumps(["x" * 8000]))
    assert logged(client, run_id) == paths(1)


def test_name_from_a_disk_with_another_encoding(client, run_id):
    """It is noted with an escape, as MLflow writes it, and stays so with many others."""
    entries = [
        {"path": f"caf{letter}.json", "type": "table"} for letter in ("\udce9", "é", "\ud83d")
    ]
    client.set_tag(run_id, MLFLOW_LOGGED_ARTIFACTS, json.dumps(entries))
    client.set_tag(run_id, MLFLOW_LOGGED_ARTIFACTS, json.dumps([*entries, *paths(200)]))
    assert logged(client, run_id) == [*entries, *paths(200)]
    copy = client.create_run(
        client.get_run(run_id).info.experiment_id, tags=client.get_run(run_id).data.tags
    )
    assert logged(client, copy.info.run_id) == [*entries, *paths(200)]


ENTRIES = st.lists(st.dictionaries(st.text(max_size=3), st.text(max_size=900), max_size=3))


@pytest.mark.sqlite
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(lists=st.lists(ENTRIES, min_size=1, max_size=4))
def test_any_lists(client, direct, lists):
    """Lists set one after the other are read as one, each entry once and in its order."""
    experiment = client.get_experiment("0").experiment_id
    run_id = client.create_run(experiment).info.run_id
    expected: list = []
    for entries in lists:
        direct.set_tag(run_id, RunTag(MLFLOW_LOGGED_ARTIFACTS, json.dumps(entries)))
        expected = [] if not entries else expected
        expected += [
            each
            for number, each in enumerate(entries)
            if each not in expected and each not in entries[:number]
        ]
        assert logged(client, run_id) == expected
