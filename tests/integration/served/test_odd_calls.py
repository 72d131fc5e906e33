"""Calls of our stores at a served hub, given anything: a refusal, and nothing that spoils reading.

What a client sends is said by the types of the methods, and may be anything else all the same.
"""

import functools
import inspect
import json
import math
import types
import typing
import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import mlflow
import pytest
import requests
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlflow import MlflowClient
from mlflow.entities import Metric, RunTag
from sqlalchemy import insert, text

from mlflow_workspace_plugin import Workspace
from mlflow_workspace_plugin.accounts.tokens import Tokens
from mlflow_workspace_plugin.app.pages.answers import json_response
from mlflow_workspace_plugin.app.served.routes.table import mlflow_lines
from mlflow_workspace_plugin.cli import main
from mlflow_workspace_plugin.errors import UserErrorException
from mlflow_workspace_plugin.hub.databases.database import connected
from mlflow_workspace_plugin.hub.tables import COMPUTES, DATASET_VERSIONS, DATASETS, ENVIRONMENTS
from mlflow_workspace_plugin.overview.computes.queue import overview_of_computes
from mlflow_workspace_plugin.overview.source import Source
from mlflow_workspace_plugin.protocol.calls import CALLS, route_of
from mlflow_workspace_plugin.runs.metrics.descriptors import Column, Descriptor
from mlflow_workspace_plugin.sdk.environments.environment import Environment
from mlflow_workspace_plugin.stores.build import workspace_store
from mlflow_workspace_plugin.stores.data.datastore_row import DatastoreRow
from mlflow_workspace_plugin.stores.jobs import states
from mlflow_workspace_plugin.stores.jobs.compute import Compute
from mlflow_workspace_plugin.stores.jobs.job import Job
from mlflow_workspace_plugin.stores.reads.exact_values import ExactValue
from mlflow_workspace_plugin.stores.tags.own_tags import DESCRIPTOR_PREFIX
from mlflow_workspace_plugin.stores.travelling import form_of
from tests.hub_api import hub_api_server

pytestmark = [
    pytest.mark.databases,
    pytest.mark.skipif(
        mlflow_lines(mlflow.__version__) is None,
        reason="MLflow before 3.17 is not served to a team.",
    ),
]
ROLES = {"rita": "reader", "alice": "member", "mona": "manager"}
LISTS = (
    "jobs",
    "computes",
    "environments",
    "newest_datasets",
    "datastores",
    "views",
    "newest_runs",
    "experiments_with_runs",
    "default_datastore",
    "runs_of_ids",
    "get_run_points",
    "descriptor_tags",
    "run_receipts",
)
"""What everybody reads, whatever stands among it."""


class Team(NamedTuple):
    """A served hub, in whose workspace there is something of everything."""

    api: Any
    sessions: Mapping[str, requests.Session]
    run_id: str
    dataset_id: str

    def __repr__(self) -> str:
        return "team"

    def call(self, name: str, method: str, arguments: Any) -> requests.Response:
        """Call a method as an account."""
        body = arguments if isinstance(arguments, bytes) else json.dumps(arguments).encode()
        address = self.api.address + route_of("team-a", method)
        return self.sessions[name].post(address, data=body, timeout=60)

    def new_run(self) -> str:
        """Return the id of a new run."""
        run = self.store().create_run("1", "somebody", 1, [], None)
        return str(run.info.run_id)

    def new_job(self) -> str:
        """Return the id of a new job that a runner has."""
        job = {"run_name": "job", "tags": [], "definition": {}, "compute": "there", "engine": "ray"}
        run_id = self.store().create_job("1", **job).info.run_id
        self.store().take_job(run_id, "owner", {"host": "h"})
        return str(run_id)

    def store(self) -> Any:
        """Return the store beneath the server."""
        return workspace_store(self.api.hub, "team-a")


END = {"exit_code": None, "cause": None}
NO_CODE = {"exit_code": 1 << 31}
NEW_JOB = {
    "experiment_id": "1",
    "run_name": None,
    "tags": [],
    "definition": {},
    "compute": "there",
    "engine": "ray",
}
NEW_RUN = {
    "run_id": "a" * 32,
    "experiment_id": "1",
    "user_id": "u",
    "start_time": 1,
    "tags": [],
    "run_name": "n",
}
COMPUTE = {"name": "c", "type": "ray", "address": None}
STORE = {"name": "s", "type": "AzureBlob", "location": None}
DEEP = functools.reduce(lambda inner, _: {"a": inner}, range(120), {})


@pytest.fixture(scope="module")
def team(copied_hub, tmp_path_factory):
    """A hub that is served to three."""
    path = copied_hub(tmp_path_factory.mktemp("odd") / "hub")
    uri = Workspace.create("team-a", hub=path).get_mlflow_tracking_uri()
    client = MlflowClient(uri, uri)
    run_id = client.create_run(client.create_experiment("experiment")).info.run_id
    client.log_metric(run_id, "loss", 1.0, step=1)
    client.get_run(run_id)
    with hub_api_server(path) as api:
        sessions = {}
        for name, role in ROLES.items():
            api.add_user(name, "team-a", role)
            session = sessions[name] = requests.Session()
            session.trust_env = False
            session.headers["Authorization"] = f"Bearer {Tokens(api.hub).issue(name).access}"
        store = workspace_store(api.hub, "team-a")
        store.put_compute(Compute("there", "ray", "http://127.0.0.1:9", {"slots": 2}))
        store.put_environment("env", {})
        store.put_datastore(DatastoreRow("blob", "AzureBlob", "https://a.example/c", {}))
        dataset = {"kind": "file", "paths": [{"local": "/data"}]}
        dataset_id = store.put_dataset(dataset)
        store.register_dataset("data", dataset_id)
        yield Team(api, sessions, run_id, dataset_id)


ODD_TEXTS = [
    "",
    "\0",
    "a\0b",
    "\ud800",
    "x" * 70,
    "y" * 300,
    "z" * 9000,
    "../x",
    "٣",
    "-1",
    "5" * 30,
    "9" * 5000,
    "workspaceblobstore",
    "mlflow.workspace.metric.x",
    "mlflow.runName",
    "mlflow.parentRunId",
    "team-a",
    *sorted(states.ALL),
]
TEXTS = st.text(max_size=12) | st.sampled_from(ODD_TEXTS)
WHOLE = st.integers(-3, 9) | st.sampled_from(
    [s * (1 << b) + d for b in (31, 32, 53, 63, 64, 70) for s in (1, -1) for d in (-1, 0)]
)
NUMBERS = WHOLE | st.floats()
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)


@st.composite
def nested(draw):
    """Draw lists or dicts within each other."""
    value: Any = draw(JSON)
    for _ in range(draw(st.sampled_from([20, 99, 120, 180, 300]))):
        value = draw(st.sampled_from([[value], {"a": value}]))
    return value


def mostly(usual, odd):
    """Draw what is usual, but now and then something odd."""
    return st.integers(0, 4).flatmap(lambda drawn: odd if drawn == 0 else st.just(usual))


OBJECTS = st.dictionaries(
    st.sampled_from(["kind", "paths", "steps", "slots", "options", "recorded", "host", "lock"])
    | TEXTS,
    JSON | nested(),
    max_size=3,
)
METRICS = st.tuples(
    mostly("loss", TEXTS),
    mostly(1.0, NUMBERS),
    mostly(1, NUMBERS),
    mostly(1, NUMBERS),
    *[mostly(None, TEXTS)] * 3,
)
EXACT = st.tuples(
    mostly("said", TEXTS),
    mostly(1, WHOLE),
    mostly(1, WHOLE),
    mostly("word", JSON),
    st.booleans(),
)
DESCRIPTOR = json.dumps([1, "m", "scalar", [["", "m", "double"]]])
USUAL = {
    "user_id": "somebody",
    "start_time": 1,
    "tags": [],
    "run_name": "run",
    "table": "table",
    "descriptors": {"mlflow.workspace.metric.m": DESCRIPTOR},
    "owner": "owner",
    "key": "loss",
    "keys": ["loss"],
    "metric_keys": ["loss"],
    "definition": {"kind": "file", "paths": [{"local": "/data"}]},
    "compute": "there",
    "engine": "ray",
    "state": states.RUNNING,
    "name": "data",
    "version": 1,
    "offset": 0,
    "limit": 9,
    "points": 9,
    "x": "time",
    "exit_code": 1,
    "cause": "it broke",
}


def of_type(hint):
    """Return what draws JSON that is of a type, whatever it holds."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return of_type(parts[0])
    if origin is typing.Literal:
        return st.sampled_from(parts) | TEXTS
    if origin in (types.UnionType, typing.Union):
        return st.one_of(*map(of_type, parts))
    if hint in OF_TYPE:
        return OF_TYPE[hint]
    if origin in (list, set, Sequence, Collection):
        return st.lists(of_type(parts[0]), max_size=4)
    if origin in (dict, Mapping):
        return OBJECTS if Any in parts else st.dictionaries(TEXTS, of_type(parts[1]), max_size=3)
    if origin is tuple:
        return st.tuples(*map(of_type, parts))
    raise NotImplementedError(hint)


OF_TYPE: dict[Any, Any] = {
    str: TEXTS,
    int: WHOLE,
    bool: st.booleans(),
    type(None): st.none(),
    Any: JSON,
    RunTag: st.tuples(TEXTS, TEXTS),
    Metric: METRICS,
    ExactValue: EXACT,
    Compute: st.fixed_dictionaries(
        {
            "name": mostly("there", TEXTS),
            "type": mostly("ray", TEXTS),
            "address": mostly(None, TEXTS),
            "settings": OBJECTS,
        }
    ),
    DatastoreRow: st.fixed_dictionaries(
        {
            "name": mostly("blob", TEXTS),
            "type": mostly("AzureBlob", TEXTS),
            "location": mostly(None, TEXTS),
            "settings": OBJECTS,
        },
        optional={"created_at": WHOLE},
    ),
}


@functools.cache
def parameters_of(method):
    """Return what draws each parameter of a method, and which of them have to be given."""
    form = form_of(method)
    beneath = inspect.unwrap(getattr(type_of_store(), method))
    hints = typing.get_type_hints(beneath, include_extras=True)
    names = list(form.signature.parameters)[1:]
    needed = {
        each for each in names if form.signature.parameters[each].default is inspect.Parameter.empty
    }
    return {each: hints[each] for each in names}, needed


def type_of_store():
    from mlflow_workspace_plugin.stores.tracking import WorkspaceTrackingStore

    return WorkspaceTrackingStore


@st.composite
def calls(draw, team):
    """Draw a method and the body of a call of it."""
    method = draw(st.sampled_from(sorted(CALLS)))
    if draw(st.integers(0, 19)) == 0:
        return method, draw(st.binary(max_size=30) | JSON)
    hints, needed = parameters_of(method)
    new = st.builds(lambda: uuid.uuid4().hex)
    run_id = team.new_job() if "job" in method or method == "beat" else team.run_id
    ids = {
        "run_id": new if method.startswith("create") else st.just(run_id),
        "run_ids": st.just([run_id]),
        "experiment_id": st.just("1"),
        "id": st.just(team.dataset_id),
        "compute" if method == "put_compute" else "row": OF_TYPE[
            Compute if method == "put_compute" else DatastoreRow
        ],
    }
    arguments = {}
    for name, hint in hints.items():
        if name not in needed and draw(st.booleans()):
            continue
        if hint is Job:
            changed = st.dictionaries(st.sampled_from(["beat", "runner", "state"]), JSON)
            job = team.call("mona", "job", {"run_id": run_id}).json()["answer"]
            arguments[name] = job | draw(changed)
            continue
        usual = ids.get(name)
        if usual is None:
            usual = st.just(USUAL[name]) if name in USUAL else of_type(hint)
        kind = draw(st.integers(0, 19))
        odd = of_type(hint) if kind < 5 else usual
        arguments[name] = draw(JSON if kind == 0 else odd)
    return method, arguments


VALUES_THAT_ARE_NONE = [
    ({"descriptors": {"../../etc/x": "y"}}, "describes no metric"),
    ({"descriptors": {"mlflow.user": "admin"}}, "describes no metric"),
    ({"descriptors": {f"{DESCRIPTOR_PREFIX}x": "y"}}, "describes no metric"),
    ({"descriptors": {f"{DESCRIPTOR_PREFIX}{'x' * 300}": DESCRIPTOR}}, "250"),
    ({"table": "t" * 65}, "more than 64 characters"),
    ({"table": ""}, "is no text"),
    ({"exact": [["../x", 1, 1, "text", True]]}, "Invalid value"),
    ({"exact": [["m", 1, 1, {"a": 1}, True]]}, "neither number, text nor nothing"),
    ({"exact": [["m", 1 << 70, 1, "text", True]]}, "at most 64 bits"),
    ({"exact": [["m", -1, 1, "text", True]]}, "at most 64 bits"),
    ({"metrics": [["../x", 1.0, 1, 1, None, None, None]]}, "Invalid value"),
    ({"metrics": [["m", 1.0, 1 << 70, 1, None, None, None]], "table": "t"}, "at most 64 bits"),
    ({"metrics": [["m", 1.0, 1, -(1 << 70), None, None, None]]}, "at most 64 bits"),
    ({"metrics": [["m", 10**400, 1, 1, None, None, None]]}, "too large for a double"),
]


@pytest.mark.parametrize(("given_", "said"), VALUES_THAT_ARE_NONE)
def test_values_that_a_journal_may_not_say_are_refused(team, given_, said):
    """By the call beside the journal, too; and nothing of them is stored."""
    before = team.store().get_run(team.run_id)
    answer = team.call("alice", "log_values", {"run_id": team.run_id, "metrics": []} | given_)
    assert answer.status_code == 400, answer.text
    assert said in answer.json()["message"]
    after = team.store().get_run(team.run_id)
    assert (after.data.tags, after.data.metrics) == (before.data.tags, before.data.metrics)


def test_values_that_are_as_usual_are_stored(team):
    """Numbers, infinite ones too, texts, what describes them, and rows of a table."""
    columns = [Column("n", "t/n", "double"), Column("s", "t/s", "text")]
    descriptors = dict(Descriptor("t", "table", tuple(columns), 1).tags())
    metrics = [["t/n", each, 5, 0, None, None, None] for each in (1, float("inf"))]
    exact = [["t/n", 5, 0, True], ["t/s", 5, 0, "a\0b", True], ["t/s", 5, 0, 1 << 70]]
    more = {"descriptors": descriptors, "exact": exact, "table": "t"}
    run_id = team.new_run()
    answer = team.call("alice", "log_values", {"run_id": run_id, "metrics": metrics} | more)
    assert answer.ok, answer.text
    store = team.store()
    assert store.descriptor_tags([run_id])[run_id] == descriptors
    assert len(store.get_run_points(run_id)["t/n"]) == 2
    assert store.table_places(run_id, "t", 0, 9) == ([(5, 0)], 1)
    assert store.run_receipts(run_id, []).texts == {"t/s": 1}


def test_row_behind_which_no_time_is_left_is_refused(team):
    """Its place is another's, and it cannot move."""
    last = [["m", 1.0, (1 << 63) - 1, 0, None, None, None]]
    sent = {"run_id": team.new_run(), "metrics": last, "table": "t"}
    assert team.call("alice", "log_values", sent).ok
    answer = team.call("alice", "log_values", sent)
    assert answer.status_code == 400, answer.text
    assert "no place" in answer.json()["message"]


ODD = [
    ("advance_job", {"run_id": "x", "owner": "x", "state": "Completed"}, "A job that is run"),
    ("advance_job", {"run_id": "x", "owner": "x", "state": "Lost"}, "and not 'Lost'"),
    ("end_job", {"run_id": "x", "owner": "x", "state": "Running", **END}, "A job ends as"),
    ("end_job", {"run_id": "x", "owner": "x", "state": "Failed", **END, **NO_CODE}, "32 bits"),
    ("take_job", {"run_id": "x", "owner": "x", "runner": {"a": math.nan}}, "finite"),
    ("create_job", NEW_JOB | {"state": "Completed"}, "A job begins as"),
    ("create_job", NEW_JOB | {"state": "anything"}, "A job begins as"),
    ("create_job", NEW_JOB | {"definition": {"a": math.inf}}, "finite"),
    ("create_job", NEW_JOB | {"submitter": {"a": [math.nan]}}, "finite"),
    ("create_job", NEW_JOB | {"experiment_id": "9" * 30}, "xperiment"),
    ("create_job", NEW_JOB | {"experiment_id": "9" * 5000}, "xperiment"),
    ("create_run_of", NEW_RUN | {"experiment_id": "9" * 30}, "xperiment"),
    ("create_run_of", NEW_RUN | {"experiment_id": "9" * 5000}, "xperiment"),
    ("create_run_of", NEW_RUN | {"start_time": 1 << 70}, "less than 9223372036854775808"),
    ("put_dataset", {"definition": {"kind": "file", "a": math.nan}}, "finite"),
    ("put_dataset", {"definition": {"kind": ["x"]}}, "of which kind"),
    ("put_dataset", {"definition": {}}, "of which kind"),
    ("put_dataset", {"definition": {"kind": "file", "paths": ["a"]}}, "list of dicts"),
    ("put_dataset", {"definition": {"kind": "file", "steps": 1}}, "list of dicts"),
    ("put_environment", {"name": "e", "definition": {"a": math.nan}}, "finite"),
    ("put_environment", {"name": "e", "definition": DEEP}, "within each other"),
    ("put_compute", {"compute": COMPUTE | {"settings": {"a": -math.inf}}}, "finite"),
    ("put_datastore", {"row": STORE | {"settings": {"a": math.nan}}}, "finite"),
    ("table_places", {"run_id": "x", "table": "t", "offset": 1 << 63, "limit": 1}, "less than"),
    ("jobs", {"limit": -(1 << 64)}, "greater than"),
]


@pytest.mark.parametrize(("method", "arguments", "said"), ODD)
def test_what_nobody_could_read_or_store_is_refused(team, method, arguments, said):
    """With what is wrong, before anything of it is stored."""
    answer = team.call("mona", method, arguments)
    assert answer.status_code in (400, 404), answer.text
    assert said in answer.json()["message"]


def test_kinds_are_compared_whatever_they_are(team):
    """Those of a definition that is asked about, and of one that a row holds."""
    asked = {"name": "data", "definition": {"kind": ["x"]}}
    answer = team.call("rita", "check_kind_of_dataset", asked)
    assert (answer.status_code, answer.json()["error"]) == (400, "DatasetExistsError")


def test_job_that_has_ended_is_no_fault_of_the_server(team):
    """It is a state that a call meets: 409."""
    sent = {"run_id": team.run_id, "owner": "x", "runner": {}}
    answer = team.call("mona", "take_job", sent)
    assert (answer.status_code, answer.json()["error"]) == (409, "JobEndedError")


def test_numbers_of_any_size_may_be_counted_up_to(team):
    """They stand in files of values, which have no limit."""
    sent = {"run_id": team.run_id, "metric_keys": ["loss"], "timestamp": 1 << 70, "step": 1 << 70}
    assert team.call("rita", "count_points_up_to", sent).json()["answer"] >= 1


def test_readers_survive_what_is_stored_all_the_same(team):
    """As by an earlier version, or by who has the database: the others of a list are read."""
    engine = team.api.hub.engine
    # PostgreSQL takes no NaN.
    none = math.nan if engine.dialect.name == "sqlite" else None
    key = {"workspace": "team-a", "name": "spoilt", "created_at": 1}
    compute = key | {"type": "ray", "settings": {"slots": none, "b": "\ud800", "recorded": [1]}}
    other = {"name": "spoilt, too", "settings": {"recorded": {"type": ["none"]}}}
    dataset = {"workspace": "team-a", "created_at": 1, "id": uuid.uuid4().hex, "definition": {}}
    version = key | {"version": 1, "dataset": dataset["id"], "tags": {}}
    with connected(engine) as connection:
        for table, row in (
            (COMPUTES, compute),
            (COMPUTES, compute | other),
            (ENVIRONMENTS, key | {"version": 1, "definition": {"python": 1}}),
            (DATASETS, dataset),
            (DATASET_VERSIONS, version),
        ):
            connection.execute(insert(table), row)
        connection.commit()
    run_id = team.new_run()
    with connected(engine) as connection:
        late = {"id": run_id, "time": (1 << 63) - 1}
        connection.execute(text("UPDATE runs SET start_time = :time WHERE run_uuid = :id"), late)
        connection.commit()
    for each in LISTS:
        check_read(team, each)
    workspace = Workspace.get("team-a", hub=team.api.hub.path)
    assert {"spoilt", "spoilt, too", "there"} <= set(workspace.compute_targets)
    assert "env" in Environment.list(workspace)
    assert {"data", "spoilt"} <= set(workspace.datasets)
    with pytest.raises(UserErrorException, match="no definition"):
        Environment.get(workspace, "spoilt")
    place = ["--workspace", "team-a", "--hub", str(team.api.hub.path)]
    listed = CliRunner().invoke(main, ["data", "list", *place])
    assert listed.exit_code == 0, listed.output
    assert "spoilt" in listed.output
    details = workspace.get_run(run_id).get_details()
    assert details["startTimeUtc"].startswith("9999")


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_no_call_fails_and_none_spoils_what_is_read(team, data):
    """Whoever makes it; and the lists of the workspace are read as before."""
    name = data.draw(st.sampled_from(sorted(ROLES)))
    method, arguments = data.draw(calls(team))
    answer = team.call(name, method, arguments)
    assert answer.status_code < 500, (name, method, arguments, answer.text[:500])
    if answer.ok:
        form_of(method).answer_of_json(answer.content)
    read = data.draw(st.sampled_from(LISTS))
    check_read(team, read)


def check_read(team, method):
    ids = [team.run_id]
    given_ = {
        "newest_runs": {"limit": 1000},
        "runs_of_ids": {"run_ids": ids},
        "descriptor_tags": {"run_ids": ids},
        "get_run_points": {"run_id": team.run_id},
        "run_receipts": {"run_id": team.run_id, "writers": []},
    }
    answer = team.call("rita", method, given_.get(method, {}))
    assert answer.ok, (method, answer.text[:500])
    form_of(method).answer_of_json(answer.content)
    if method == "computes":
        found = overview_of_computes(Source(team.store()))
        json_response(found)
