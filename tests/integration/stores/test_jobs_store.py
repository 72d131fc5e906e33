"""Jobs in a hub's database: who has one, how it goes and ends, and whose word on that counts."""

import os
import signal
import subprocess
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import mlflow
import pytest
from click.testing import CliRunner
from mlflow.entities import RunTag
from mlflow.entities.workspace import WorkspaceDeletionMode
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NAME
from mlflow.utils.workspace_context import WorkspaceContext
from sqlalchemy import create_engine, text

from mlflow_workspace_plugin import Workspace
from mlflow_workspace_plugin.cli import main
from mlflow_workspace_plugin.errors import (
    HubError,
    JobEndedError,
    JobTakenError,
    RunExistsError,
    RunNotFoundError,
    UnstorableValueError,
)
from mlflow_workspace_plugin.hub.hub import upgrade_hub
from mlflow_workspace_plugin.jobs.engines.engine import Compute
from mlflow_workspace_plugin.journal.files.folder import JournalFolder
from mlflow_workspace_plugin.journal.sending.replay import replay
from mlflow_workspace_plugin.remote.build import build_tracking_store
from mlflow_workspace_plugin.stores.build import open_workspace_store
from mlflow_workspace_plugin.stores.jobs import states
from mlflow_workspace_plugin.stores.jobs.job import LOST_S, SILENT_S
from mlflow_workspace_plugin.stores.tags.failure import ERROR_TAG, REASON_TAG
from mlflow_workspace_plugin.stores.tags.own_tags import CONFLICT_TAG, JOB_TAG
from tests import python_processes
from tests.hubs import execute, take_back, url_of_hub
from tests.python_processes import WAIT_FOR_THE_OTHERS, run_at_once

pytestmark = pytest.mark.store

DEFINITION = {"script": "train.py", "arguments": ["--name", "ä\0"], "gpus": 0}
RUNNER = {"host": "node-1", "process": 7}


@pytest.fixture
def store(uri):
    """The store of the workspace as scripts use it."""
    return build_tracking_store(uri)


@pytest.fixture
def experiment(client):
    """The id of an experiment."""
    return client.create_experiment("jobs")


@pytest.fixture(params=["journal", "no journal"])
def writer(request, uri, monkeypatch):
    """MLflow's client of somebody who is no job's owner, with a journal and without."""
    if request.param == "no journal":
        monkeypatch.setenv("MLFLOW_WORKSPACE_JOURNAL", "off")
    return mlflow.MlflowClient(uri, uri)


@pytest.fixture
def job_id(store, experiment):
    """The id of a new job."""
    return new_job(store, experiment)


@pytest.fixture
def running(store, job_id):
    """The id of a job that is running, whose owner is ``owner``."""
    store.take_job(job_id, "owner", RUNNER)
    assert store.advance_job(job_id, "owner", states.RUNNING)
    return job_id


def new_job(store, experiment, **given):
    """The id of a new job."""
    values = {"run_name": None, "tags": [], "definition": DEFINITION, "compute": "local"}
    run = store.create_job(experiment, **{**values, "engine": "local", **given})
    return run.info.run_id


def silence(hub, run_id, seconds):
    """Let the last sign of life of a job's owner have come some seconds earlier."""
    execute(
        hub,
        f"UPDATE workspace_plugin_jobs SET beat_at = beat_at - {seconds * 1000} "
        f"WHERE run_uuid = '{run_id}'",
    )


def ids(jobs):
    """The ids of the runs of jobs."""
    return [job.run_id for job in jobs]


def in_job(uri, run_id, script, folder):
    """Run a script inside a job, as its runner does."""
    variables = {
        "MLFLOW_TRACKING_URI": uri,
        "MLFLOW_RUN_ID": run_id,
        "MLFLOW_EXPERIMENT_NAME": "jobs",
        "AZUREML_RUN_ID": run_id,
    }
    done = python_processes.run(
        ["-c", script, run_id],
        env=os.environ | variables,
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def ended(store, run_id):
    """End a job as completed; return whether it has ended so."""
    return store.end_job(run_id, "owner", states.COMPLETED, exit_code=0, cause=None)


def outcome(call, *arguments):
    """What a call returns, or the refusal that it raises."""
    try:
        return call(*arguments)
    except (JobEndedError, JobTakenError) as refused:
        return refused


def at_once(*calls):
    """What calls return that threads make at the same time."""
    barrier = threading.Barrier(len(calls))

    def _call(call):
        barrier.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return [each.result() for each in [pool.submit(_call, call) for call in calls]]


@contextmanager
def held(hub, run_id):
    """The database is busy with a job until the event is set, or the block is left."""
    engine, release, is_held = create_engine(url_of_hub(hub)), threading.Event(), threading.Event()

    def _hold():
        with engine.begin() as connection:
            connection.execute(
                text("UPDATE workspace_plugin_jobs SET beat = beat WHERE run_uuid = :id"),
                {"id": run_id},
            )
            is_held.set()
            release.wait(60)

    with ThreadPoolExecutor(1) as pool:
        holding = pool.submit(_hold)
        assert is_held.wait(30)
        try:
            yield release
        finally:
            release.set()
            holding.result()
            engine.dispose()


LEAVING = """
import os, sys
from mlflow import MlflowClient
from mlflow_workspace_plugin.journal.sending.sender import Sender

uri, run_id = sys.argv[1:]
client = MlflowClient(uri, uri)
client.get_run(run_id)
Sender._ship = lambda *_: True
Sender.hurry = lambda *_: None
client.log_metric(run_id, "m", 2)
client._tracking_client.store.journal._progress.away = True
client.update_run(run_id, "RUNNING", "renamed late")
client.set_terminated(run_id)
os.kill(os.getpid(), 9)
"""

SCRIPT = """
import os, subprocess, sys, time
import mlflow

run_id = sys.argv[1]
with mlflow.start_run(run_name="first") as run:
    assert run.info.run_id == run_id
    mlflow.log_metric("loss", 1)
    with mlflow.start_run(run_name="nested", nested=True):
        mlflow.log_metric("loss", 2)
time.sleep(0.3)
try:
    with mlflow.start_run(run_name="later"):
        raise ValueError("of the later one")
except ValueError:
    pass
if os.fork() == 0:
    os.environ["MLFLOW_RUN_ID"] = run_id
    mlflow.start_run(run_name="of a child process")
    mlflow.end_run("FAILED")
    sys.exit()
assert os.wait()[1] == 0
time.sleep(0.3)
client = mlflow.MlflowClient()
client.set_terminated(run_id, "KILLED")
client.update_run(run_id, "FINISHED")
with mlflow.start_run(run_id=run_id):
    assert mlflow.active_run().info.status == "RUNNING"
time.sleep(0.3)
"""

CREATE = """
import sys
from mlflow_workspace_plugin import Workspace

workspace = Workspace.create("team-a", hub=sys.argv[1])
run = workspace.client.create_run(workspace.client.create_experiment("old"))
print(run.info.run_id, workspace.get_mlflow_tracking_uri())
"""

TAKE = f"""
import sys
from pathlib import Path
from mlflow_workspace_plugin.errors import JobTakenError
from mlflow_workspace_plugin.stores.build import build_tracking_store

uri, file, *run_ids = sys.argv[1:]
store = build_tracking_store(uri)
{WAIT_FOR_THE_OTHERS}
taken = []
for run_id in run_ids:
    try:
        store.take_job(run_id, Path(file).name, {{}})
        taken.append(run_id)
    except JobTakenError:
        pass
Path(file).write_text(" ".join(taken))
"""


@pytest.mark.behind
class TestLife:
    def test_job_is_a_run_that_waits(self, store, job_id, client, database):
        """MLflow sees it as scheduled, and a reader all that was said of it."""
        run = client.get_run(job_id)
        assert (run.info.status, run.info.end_time) == ("SCHEDULED", None)
        job = store.job(job_id)
        assert (job.state, job.stored_state, job.owner) == ("NotStarted", "NotStarted", None)
        assert (job.name, job.experiment_id) == (run.info.run_name, run.info.experiment_id)
        assert job.definition == DEFINITION
        assert job.submitted_at == run.info.start_time
        assert 0 <= job.age_s < 3600

    def test_argument_that_is_no_text(self, store, experiment, database):
        """Is in a definition as it is; over a network none goes, and that is said."""
        odd = DEFINITION | {"arguments": ["\ud800"]}
        if database == "served":
            with pytest.raises(UnstorableValueError, match="cannot be sent"):
                new_job(store, experiment, definition=odd)
        else:
            assert store.job(new_job(store, experiment, definition=odd)).definition == odd

    def test_from_queue_to_end(self, store, job_id, client, database):
        """Each state is seen, MLflow's status goes with it, and times are in their order."""
        store.job_queued(job_id, "handle")
        assert (store.job(job_id).state, store.job(job_id).handle) == ("Queued", "handle")
        assert store.take_job(job_id, "owner", RUNNER).runner == RUNNER
        for state in (states.PREPARING, states.STARTING, states.RUNNING, states.FINALIZING):
            assert store.advance_job(job_id, "owner", state)
            assert store.job(job_id).state == state
            assert client.get_run(job_id).info.status == "RUNNING"
        assert ended(store, job_id)
        job, info = store.job(job_id), client.get_run(job_id).info
        assert (job.state, job.exit_code, info.status) == ("Completed", 0, "FINISHED")
        assert job.submitted_at <= job.started_at <= job.ended_at
        assert (info.start_time, info.end_time) == (job.started_at, job.ended_at)

    def test_each_change_may_be_made_twice(self, store, job_id, database):
        """As after a lost answer: the second time says the same, and changes nothing."""
        store.job_queued(job_id, "handle")
        taken = store.take_job(job_id, "owner", RUNNER)
        store.job_queued(job_id, "handle")
        assert store.take_job(job_id, "owner", RUNNER).beat == taken.beat
        for _ in range(2):
            assert store.end_job(job_id, "owner", states.FAILED, exit_code=1, cause="why")
        assert not ended(store, job_id)
        assert store.job(job_id).cause == "why"

    def test_only_its_owner_says_how_it_goes(self, store, running, database):
        """Another runner changes nothing, and learns that the job is not its."""
        before = store.job(running)
        assert not store.beat(running, "other").is_owner
        assert not store.advance_job(running, "other", states.FINALIZING)
        assert not store.end_job(running, "other", states.FAILED, exit_code=1, cause="no")
        after = store.job(running)
        assert (after.state, after.beat) == (before.state, before.beat)

    def test_live_owner_is_not_replaced(self, store, running, hub_path, database):
        """A silent one is, after five minutes, and then has no say any more."""
        silence(hub_path, running, LOST_S - 5)
        with pytest.raises(JobTakenError, match="another runner"):
            store.take_job(running, "other", RUNNER)
        silence(hub_path, running, 10)
        assert store.take_job(running, "other", RUNNER).owner == "other"
        assert not store.beat(running, "owner").is_owner

    def test_silence_is_seen_and_heals(self, store, running, hub_path, database):
        """After a minute the owner does not respond, by any reader, until its next beat."""
        silence(hub_path, running, SILENT_S + 1)
        job = store.job(running)
        assert (job.state, job.stored_state) == ("NotResponding", "Running")
        assert [each.run_id for each in store.jobs(states=["NotResponding"])] == [running]
        assert store.jobs(states=["Running"]) == []
        assert store.beat(running, "owner").is_owner
        assert store.job(running).state == "Running"

    def test_clock_that_is_set_back(self, store, running, client, hub_path, database):
        """A job never ends before it has started."""
        for change in ("workspace_plugin_jobs SET started_at", "runs SET start_time"):
            later = f"{change} = {change.rpartition(' ')[2]} + 3600000"
            execute(hub_path, f"UPDATE {later} WHERE run_uuid = '{running}'")
        assert ended(store, running)
        job, info = store.job(running), client.get_run(running).info
        assert job.ended_at == job.started_at
        assert info.end_time == info.start_time

    def test_ended_job_is_not_taken(self, store, running, experiment, client, database):
        """Neither is one whose run was deleted, and one that there is not."""
        store.end_job(running, "owner", states.FAILED, exit_code=3, cause="It broke.")
        with pytest.raises(JobEndedError, match="Failed already \\(It broke\\)"):
            store.take_job(running, "other", RUNNER)
        deleted = new_job(store, experiment)
        client.delete_run(deleted)
        with pytest.raises(JobEndedError, match="was deleted"):
            store.take_job(deleted, "owner", RUNNER)
        with pytest.raises(JobEndedError, match="is no job of workspace"):
            store.take_job("0" * 32, "owner", RUNNER)

    def test_id_is_taken_once(self, store, job_id, experiment, run_id, database):
        """An id may be given; that of a run that there is is refused."""
        given = "0123456789abcdef" * 2
        assert new_job(store, experiment, run_id=given) == given
        for taken in (given, run_id):
            with pytest.raises(RunExistsError, match="exists already"):
                new_job(store, experiment, run_id=taken)

    def test_lost_answer_creates_no_second_job(self, direct, experiment, database):
        """Created again, it is the same job, whatever has become of the first answer."""
        new = direct._new_job(None, [], DEFINITION, "local", "local", None, states.NOT_STARTED)
        first, second = (direct._create_job(experiment, new) for _ in range(2))
        assert first.info.run_id == second.info.run_id
        assert len(direct.jobs()) == len(direct.search_runs([experiment], "", 1)) == 1

    def test_what_cannot_be_created(self, store, client, experiment, run_id, database):
        """There is neither a run nor a job then."""
        client.delete_experiment(gone := client.create_experiment("gone"))
        for wrong in (gone, "99999", "name"):
            with pytest.raises(MlflowException):
                new_job(store, wrong)
        for values in (
            {"run_id": "not an id"},
            {"run_name": "a", "tags": [RunTag(MLFLOW_RUN_NAME, "b")]},
            {"compute": "\ud800"},
            {"tags": [RunTag("key", "\ud800")]},
        ):
            with pytest.raises(MlflowException):
                new_job(store, experiment, **values)
        assert store.jobs() == []
        assert client.search_runs([experiment]) == []

    def test_experiment_zero_is_the_workspaces_own(self, store, client, database):
        """As for runs: MLflow falls back on it."""
        run_id = new_job(store, "0")
        default = client.get_experiment_by_name("Default").experiment_id
        assert store.job(run_id).experiment_id == default

    def test_jobs_are_found(self, store, experiment, client, hub_path, database):
        """Newest first, by state, by compute target, and not those of deleted runs."""
        first, second, third = (
            new_job(store, experiment, compute=compute) for compute in ("a", "b", "b")
        )
        for number, run_id in enumerate((first, second, third)):
            execute(
                hub_path,
                f"UPDATE workspace_plugin_jobs SET submitted_at = {number} "
                f"WHERE run_uuid = '{run_id}'",
            )
        store.job_queued(third, "handle")
        assert ids(store.jobs()) == [third, second, first]
        assert ids(store.jobs(limit=2)) == [third, second]
        assert ids(store.jobs(compute="b")) == [third, second]
        assert ids(store.jobs(states=["Queued", "Running"])) == [third]
        assert store.jobs(states=[]) == []
        client.delete_run(third)
        assert ids(store.jobs()) == [second, first]
        assert store.job(third).state == "Queued"
        client.restore_run(third)
        assert ids(store.jobs(states=["Queued"])) == [third]


@pytest.mark.behind
class TestCancel:
    def test_waiting_job_is_canceled_at_once(self, store, job_id, client, database):
        """And stays so: no runner takes it."""
        assert store.cancel_job(job_id) == "Canceled"
        assert client.get_run(job_id).info.status == "KILLED"
        with pytest.raises(JobEndedError, match="Canceled"):
            store.take_job(job_id, "owner", RUNNER)

    def test_running_job_is_asked(self, store, running, client, database):
        """Its runner sees it with its next beat, and no later step hides it."""
        assert store.cancel_job(running) == "CancelRequested"
        assert store.cancel_job(running) == "CancelRequested"
        assert store.beat(running, "owner").cancel_requested
        assert store.advance_job(running, "owner", states.RUNNING)
        assert store.job(running).state == "CancelRequested"
        assert client.get_run(running).info.status == "RUNNING"
        assert store.end_job(running, "owner", states.CANCELED, exit_code=143, cause="Asked to.")
        assert client.get_run(running).info.status == "KILLED"

    def test_forced_or_lost_job_is_canceled_at_once(
        self, store, running, experiment, hub_path, database
    ):
        """A runner that lives sees it, and its word does not change it."""
        lost = new_job(store, experiment)
        store.take_job(lost, "owner", RUNNER)
        silence(hub_path, lost, LOST_S + 1)
        assert store.cancel_job(lost) == "Canceled"
        assert store.cancel_job(running, force=True) == "Canceled"
        assert store.beat(running, "owner") == (False, False, True)
        assert not ended(store, running)
        assert store.job(running).state == "Canceled"

    def test_unknown_job(self, store, run_id, database):
        """What is no job cannot be canceled as one."""
        with pytest.raises(RunNotFoundError, match="no job"):
            store.cancel_job(run_id)

    def test_lost_job_that_was_asked_is_not_run_again(self, store, running, hub_path, database):
        """Its runner died before it could stop it: whoever is to take it over cancels it."""
        store.cancel_job(running)
        silence(hub_path, running, LOST_S + 1)
        with pytest.raises(JobEndedError, match="canceled"):
            store.take_job(running, "other", RUNNER)
        assert store.job(running).state == "Canceled"

    def test_while_it_is_finalized(self, store, running, database):
        """The request is seen, and hides nothing."""
        store.advance_job(running, "owner", states.FINALIZING)
        assert store.cancel_job(running) == "Finalizing"
        assert store.beat(running, "owner").cancel_requested


@pytest.mark.behind
class TestLostJobs:
    def test_what_a_reader_found_dead_has_failed(self, store, running, client, database):
        """MLflow sees it, with the cause; the runner, should it live, sees it as well."""
        seen = store.job(running)
        assert store.fail_lost_job(running, seen=seen, cause="It was killed.")
        assert store.fail_lost_job(running, seen=seen, cause="It was killed.")
        run = client.get_run(running)
        assert (run.info.status, run.data.tags[REASON_TAG]) == ("FAILED", "It was killed.")
        assert run.info.end_time == store.job(running).ended_at
        assert store.beat(running, "owner") == (False, False, False)

    def test_sign_of_life_meanwhile_counts(self, store, running, hub_path, database):
        """So does any other step of its runner, and of another one."""
        for step in (
            lambda: store.beat(running, "owner"),
            lambda: store.advance_job(running, "owner", states.FINALIZING),
            lambda: store.take_job(running, "other", RUNNER),
        ):
            silence(hub_path, running, LOST_S + 1)
            seen = store.job(running)
            step()
            assert not store.fail_lost_job(running, seen=seen, cause="no")
        assert store.job(running).ended_at is None

    def test_one_that_was_asked_to_stop_is_canceled(self, store, running, database):
        """As who asked wants it, though its runner died before it could."""
        seen = store.job(running)
        store.cancel_job(running)
        assert store.fail_lost_job(running, seen=seen, cause="It was killed.")
        assert (store.job(running).state, store.job(running).cause) == (
            "Canceled",
            "It was killed.",
        )

    def test_queued_job_that_its_engine_lost(self, store, job_id, database):
        """It has failed, unless a runner has taken it by then."""
        store.job_queued(job_id, "handle")
        seen = store.job(job_id)
        store.take_job(job_id, "owner", RUNNER)
        assert not store.fail_lost_job(job_id, seen=seen, cause="It was never started.")
        assert store.job(job_id).state == "Preparing"


class TestWhoseWordCounts:
    """The status of a job is its owner's: at every call, by every path, at any time."""

    def test_others_change_the_name_only(self, running, direct, writer, database):
        """Whatever they say, with a name and without; and what they are told is what is so."""
        name = direct.get_run(running).info.run_name
        for status in ("FINISHED", "FAILED", "KILLED", "SCHEDULED"):
            for new_name in (None, f"renamed as {status}"):
                name = new_name or name
                writer.update_run(running, status, new_name)
                writer.set_terminated(running, status, end_time=1)
                for reader in (writer, direct):
                    run = reader.get_run(running)
                    assert (run.info.status, run.info.end_time) == ("RUNNING", None)
                    assert run.info.run_name == run.data.tags[MLFLOW_RUN_NAME] == name

    def test_ended_job_stays_as_it_ended(self, store, experiment, writer, uri, database):
        """However it is resumed, deleted and restored."""
        mlflow.set_tracking_uri(uri)
        for state in states.LAST:
            run_id = new_job(store, experiment)
            store.take_job(run_id, "owner", RUNNER)
            store.end_job(run_id, "owner", state, exit_code=None, cause=None)
            before = writer.get_run(run_id).info
            assert before.status == states.to_mlflow(state)
            with mlflow.start_run(run_id=run_id):
                mlflow.log_metric("later", 1)
                assert mlflow.get_run(run_id).info.status == before.status
            with pytest.raises(ZeroDivisionError), mlflow.start_run(run_id=run_id):
                raise ZeroDivisionError
            writer.delete_run(run_id)
            assert writer.get_run(run_id).info.lifecycle_stage == "deleted"
            writer.restore_run(run_id)
            writer.set_terminated(run_id, "FINISHED")
            after = writer.get_run(run_id)
            assert (after.info.status, after.info.end_time) == (before.status, before.end_time)
            assert after.data.metrics == {"later": 1}

    def test_deleted_run_is_refused_as_ever(self, running, writer, database):
        """By MLflow's own words."""
        writer.delete_run(running)
        with pytest.raises(MlflowException, match="must be in the 'active' state"):
            writer.set_terminated(running)
        with pytest.raises(MlflowException, match="must be in the 'active' state"):
            writer.update_run(running, "FAILED", "renamed")

    def test_what_is_delivered_late_changes_nothing(self, store, running, uri, direct, database):
        """A run that failed stays so when what a killed process said comes behind."""
        killed = python_processes.run(["-c", LEAVING, uri, running])
        assert killed.returncode == -signal.SIGKILL
        store.end_job(running, "owner", states.FAILED, exit_code=137, cause="It was killed.")
        before = direct.get_run(running)
        folder = JournalFolder(uri)
        for leftover in list(folder.leftovers()):
            list(replay(folder, leftover, direct))
        after = direct.get_run(running)
        assert after.data.metrics == {"m": 2}
        assert after.info.run_name == "renamed late"
        assert (after.info.status, after.info.end_time) == ("FAILED", before.info.end_time)

    def test_memory_of_a_process_is_true(self, store, running, client, monkeypatch, database):
        """While the database is away, what is known of the run is not what others said of it."""
        client.get_run(running)
        journal = client._tracking_client.store.journal
        with monkeypatch.context() as away:
            away.setattr(type(journal._sender), "_ship", lambda *_: True)
            away.setattr(type(journal._sender), "hurry", lambda *_: None)
            away.setattr(journal._progress, "away", True)
            client.set_terminated(running)
            client.update_run(running, "FAILED", "renamed")
            run = client.get_run(running)
            assert (run.info.status, run.info.end_time) == ("RUNNING", None)
            assert run.info.run_name == "renamed"
            assert client._tracking_client.store.ended_as(running) is None
        assert store.flush(60)

    def test_other_runs_have_no_owner(self, store, running, experiment, writer, direct, database):
        """A child of a job ends as it says, and so does a run that has a job's tags."""
        tags = writer.get_run(running).data.tags
        assert tags[JOB_TAG] == running
        child = writer.create_run(experiment, tags={**tags, "mlflow.parentRunId": running})
        writer.set_terminated(child.info.run_id, "FAILED")
        for reader in (writer, direct):
            assert reader.get_run(child.info.run_id).info.status == "FAILED"

    def test_server_keeps_to_it(self, running, hub_path, direct, monkeypatch, database):
        """The store of a whole hub, in a request of the workspace, changes the name only, too."""
        monkeypatch.setenv("MLFLOW_ENABLE_WORKSPACES", "true")
        served = build_tracking_store(f"workspace-hub://{hub_path}")
        with WorkspaceContext("team-a"):
            info = served.update_run_info(running, 3, 5, None)
            assert (info.status, info.end_time) == ("RUNNING", None)
            served.update_run_info(running, 4, 5, "renamed")
        info = direct.get_run(running).info
        assert (info.status, info.end_time, info.run_name) == ("RUNNING", None, "renamed")

    def test_failure_that_the_exit_code_denies_is_a_warning(
        self, store, experiment, writer, database
    ):
        """It is noted on the run, before its end and after it; the last that was said counts."""
        for said, is_warned in (
            (["KILLED", None, "FAILED"], True),
            (["KILLED", "FAILED", None], True),
            (["FAILED", "FINISHED", None], False),
        ):
            run_id = new_job(store, experiment)
            store.take_job(run_id, "owner", RUNNER)
            for each in said:
                if each is None:
                    assert ended(store, run_id)
                else:
                    writer.set_terminated(run_id, each)
            run = writer.get_run(run_id)
            assert run.info.status == "FINISHED"
            assert ("said that this run" in run.data.tags.get(CONFLICT_TAG, "")) == is_warned
            assert REASON_TAG not in run.data.tags

    def test_what_the_script_says_of_its_failure_is_kept(self, store, running, workspace, database):
        """With another exit code it is the reason, and with 0 a warning."""
        run = workspace.get_run(running)
        run.fail("no data", error_code="MyCode")
        assert store.end_job(running, "owner", "Failed", exit_code=1, cause="Exit code 1.")
        assert run.reason == "no data"
        assert run.get_details()["error"]["error"] == {"code": "MyCode", "message": "no data"}
        assert store.job(running).cause == "Exit code 1."

    def test_completed_run_has_no_error(self, store, running, workspace, database):
        """What the script said of one stands among its warnings."""
        run = workspace.get_run(running)
        run.fail("no data")
        ended(store, running)
        details = run.get_details()
        assert "error" not in details
        assert "(no data)" in details["warnings"][0]["message"]
        assert (run.status, run.reason) == ("Completed", None)

    def test_cause_is_the_reason_where_the_script_said_none(self, store, running, client, database):
        """Whatever is in it, and however long it is."""
        cause = "ended by \0 \ud800 " + "x" * 20_000
        store.end_job(running, "owner", "Failed", exit_code=1, cause=cause)
        tags = client.get_run(running).data.tags
        assert tags[REASON_TAG].startswith("ended by \\x00 \\ud800 xxx")
        assert tags[ERROR_TAG].startswith('{"code": "UserError", "message": "ended by')


class TestInside:
    """What a script does to the run that it is run in."""

    def test_no_false_end_is_ever_seen(self, store, running, uri, direct, tmp_path, database):
        """While a script attaches, ends, fails, forks and starts runs, its own is running."""
        seen, is_done = [], threading.Event()

        def _observe():
            while not is_done.wait(0.1):
                info = direct.get_run(running).info
                seen.append((info.status, info.end_time, direct.job(running).state))

        with ThreadPoolExecutor(1) as pool:
            observing = pool.submit(_observe)
            in_job(uri, running, SCRIPT, tmp_path)
            is_done.set()
            observing.result()
        assert set(seen) == {("RUNNING", None, "Running")}
        runs = direct.search_runs([direct.get_run(running).info.experiment_id], "", 1)
        found = {run.info.run_name: run.info.status for run in runs if run.info.run_id != running}
        assert found == {"later": "FAILED", "nested": "FINISHED"}
        assert direct.get_run(running).info.run_name == "first"
        assert ended(store, running)

    def test_given_name_stays(self, store, experiment, uri, direct, tmp_path, database):
        """A run that was named when it was submitted is not named by what attaches to it."""
        run_id = new_job(store, experiment, run_name="given")
        store.take_job(run_id, "owner", RUNNER)
        in_job(uri, run_id, "import mlflow\nmlflow.start_run(run_name='attached')", tmp_path)
        assert direct.get_run(run_id).info.run_name == "given"

    def test_name_waits_for_no_database(self, store, running, client, monkeypatch, uri, database):
        """A script attaches while the database is away; the run keeps the name that it has."""
        name = client.get_run(running).info.run_name
        mlflow.set_tracking_uri(uri)
        mlflow.get_run(running)
        journal = store.journal
        with monkeypatch.context() as away:
            away.setenv("AZUREML_RUN_ID", running)
            away.setattr(type(journal._sender), "_ship", lambda *_: True)
            away.setattr(type(journal._sender), "hurry", lambda *_: None)
            away.setattr(journal._progress, "away", True)
            with mlflow.start_run(run_id=running, run_name="attached"):
                mlflow.log_metric("m", 1)
        assert store.flush(60)
        run = client.get_run(running)
        assert (run.info.run_name, run.info.status) == (name, "RUNNING")
        assert run.data.metrics == {"m": 1}

    def test_later_attachment_names_nothing(self, store, running, client, uri, tmp_path, database):
        """Though the first one, which might have, had no name for the run."""
        name = client.get_run(running).info.run_name
        for script in ("mlflow.start_run()", "mlflow.start_run(run_name='later')"):
            in_job(uri, running, f"import mlflow\n{script}", tmp_path)
        assert client.get_run(running).info.run_name == name

    def test_script_may_rename_its_run(self, store, experiment, uri, direct, tmp_path, database):
        """By what is there to rename runs, before it attaches and later."""
        run_id = new_job(store, experiment, run_name="given")
        store.take_job(run_id, "owner", RUNNER)
        rename = "mlflow.MlflowClient().update_run(sys.argv[1], name='renamed')"
        for script in (rename, f"mlflow.start_run()\n{rename}", f"{rename}\nmlflow.start_run()"):
            direct.update_run_info(run_id, None, None, "given")
            in_job(uri, run_id, f"import mlflow, sys\n{script}", tmp_path)
            assert direct.get_run(run_id).info.run_name == "renamed"


class TestRaces:
    def test_one_runner_takes_each_job(self, store, experiment, uri, direct, tmp_path, database):
        """Of several processes that try to take each of some jobs at once."""
        run_ids = [new_job(store, experiment) for _ in range(15)]
        commands = [["-c", TAKE, uri, str(tmp_path / f"taken-{n}"), *run_ids] for n in range(4)]
        run_at_once(commands)
        taken = Counter()
        for each in tmp_path.glob("taken-*"):
            taken.update(each.read_text().split())
        assert taken == Counter(run_ids)
        assert {job.state for job in direct.jobs()} == {"Preparing"}

    def test_cancel_against_a_runner_that_takes_it(self, direct, experiment, database):
        """Either the runner has it, and is asked to stop, or it is canceled and never had it."""
        for _ in range(15):
            run_id = new_job(direct, experiment)
            taken, state = at_once(
                lambda run_id=run_id: outcome(direct.take_job, run_id, "owner", RUNNER),
                lambda run_id=run_id: direct.cancel_job(run_id),
            )
            if isinstance(taken, JobEndedError):
                assert state == direct.job(run_id).state == "Canceled"
            else:
                assert state == direct.job(run_id).state == "CancelRequested"
                assert direct.beat(run_id, "owner").cancel_requested

    def test_cancel_against_the_end(self, direct, experiment, database):
        """The first of a runner that ends and one who cancels without waiting has its way."""
        for _ in range(15):
            run_id = new_job(direct, experiment)
            direct.take_job(run_id, "owner", RUNNER)
            has_ended, state = at_once(
                lambda run_id=run_id: ended(direct, run_id),
                lambda run_id=run_id: direct.cancel_job(run_id, force=True),
            )
            assert state == direct.job(run_id).state == ("Completed" if has_ended else "Canceled")
            status = direct.get_run(run_id).info.status
            assert status == ("FINISHED" if has_ended else "KILLED")

    def test_reader_against_a_beat(self, direct, experiment, database):
        """A runner whose sign of life came first keeps its job; else it learns that it failed."""
        for _ in range(15):
            run_id = new_job(direct, experiment)
            seen = direct.take_job(run_id, "owner", RUNNER)
            beat, has_failed = at_once(
                lambda run_id=run_id: direct.beat(run_id, "owner"),
                lambda run_id=run_id, seen=seen: direct.fail_lost_job(
                    run_id, seen=seen, cause="dead"
                ),
            )
            assert beat.is_owner != has_failed
            assert direct.get_run(run_id).info.status == ("FAILED" if has_failed else "RUNNING")

    def test_owner_against_what_is_said_by_others(self, direct, writer, experiment, database):
        """Nothing of both is lost, and neither fails."""
        for _ in range(10):
            run_id = new_job(direct, experiment)
            direct.take_job(run_id, "owner", RUNNER)
            at_once(
                lambda run_id=run_id: ended(direct, run_id),
                lambda run_id=run_id: writer.update_run(run_id, "FAILED", "renamed"),
            )
            run = direct.get_run(run_id)
            assert (run.info.status, run.info.run_name) == ("FINISHED", "renamed")
            assert "failed" in run.data.tags[CONFLICT_TAG]

    def test_environment_that_several_register_at_once(self, direct, database):
        """The same content has one version, and each other one its own."""
        for same in (True, False):
            calls = [
                lambda n=n, same=same: direct.put_environment(f"same {same}", {"n": same or n})
                for n in range(6)
            ]
            versions = at_once(*calls)
            assert sorted(versions) == ([1] * 6 if same else [1, 2, 3, 4, 5, 6])


class TestBusyDatabase:
    def test_beat_does_not_wait_long(self, store, running, hub_path, database):
        """It says that the database is busy; the next one is taken as ever."""
        with held(hub_path, running), pytest.raises(HubError):
            store.beat(running, "owner")
        assert store.flush(60)
        assert store.beat(running, "owner").is_owner

    def test_other_calls_wait(self, store, running, hub_path, database):
        """Until the database has the time."""
        with held(hub_path, running) as release, ThreadPoolExecutor(1) as pool:
            canceling = pool.submit(store.cancel_job, running)
            time.sleep(1)
            assert not canceling.done()
            release.set()
            assert canceling.result(30) == "CancelRequested"

    def test_what_waits_in_the_journal_keeps_no_job_waiting(
        self, store, running, client, monkeypatch, database
    ):
        """Calls about jobs neither wait for what was logged, nor go the same way."""
        journal = store.journal
        with monkeypatch.context() as held_back:
            held_back.setattr(type(journal._sender), "_ship", lambda *_: True)
            client.log_metric(running, "m", 1)
            assert store.beat(running, "owner").is_owner
            assert store.job(running).state == "Running"
            assert ended(store, running)
        assert store.flush(60)
        assert client.get_run(running).data.metrics == {"m": 1}


class TestComputesAndEnvironments:
    def test_computes(self, store, database):
        """Each is kept under its name, until it is replaced or dropped."""
        assert (store.computes(), store.compute("gpu")) == ([], None)
        ray = Compute("gpu", "ray", "http://127.0.0.1:8265", {"slots": 2, "recorded": {"ä": None}})
        for each in (Compute("gpu", "local"), ray, Compute("cpu", "slurm")):
            store.put_compute(each)
        assert store.compute("gpu") == ray
        assert [each.name for each in store.computes()] == ["cpu", "gpu"]
        assert (store.drop_compute("cpu"), store.drop_compute("cpu")) == (True, False)
        assert store.computes() == [ray]
        with pytest.raises(UnstorableValueError):
            store.put_compute(Compute("\ud800", "local"))
        assert (store.compute("\0"), store.drop_compute("\ud800")) == (None, False)

    def test_environments(self, store, database):
        """Versions count from 1; the content of the newest keeps its version."""
        assert (store.environments(), store.environment("sk")) == ([], None)
        versions = [store.put_environment("sk", {"pip": pip}) for pip in (["a"], ["a"], ["b"])]
        assert versions == [1, 1, 2]
        assert store.put_environment("sk", {"pip": ["a"]}) == 3
        assert store.put_environment("other", {}) == 1
        assert store.environment("sk").version == 3
        assert store.environment("sk", 2).definition == {"pip": ["b"]}
        assert store.environment("sk", 4) is None
        found = [(each.name, each.version) for each in store.environments()]
        assert found == [("other", 1), ("sk", 3)]


class TestEndOfAWorkspace:
    def test_nothing_is_left_of_it(self, store, running, experiment, workspace, hub_path, database):
        """A new one of its name has no job, no compute target and no environment."""
        store.put_compute(Compute("gpu", "ray"))
        store.put_environment("sk", {})
        workspace.delete(delete_dependent_resources=True)
        for table in ("jobs", "computes", "environments"):
            assert execute(hub_path, f"SELECT count(*) FROM workspace_plugin_{table}") == [(0,)]
        again = open_workspace_store(
            Workspace.create("team-a", hub=hub_path).get_mlflow_tracking_uri()
        )
        assert (again.jobs(), again.computes(), again.environments()) == ([], [], [])

    def test_server_that_moves_its_runs_moves_its_jobs(self, store, running, hub_path, database):
        """Who runs one has it still, and its status is still its owner's."""
        catalog = store._hub.catalog
        catalog.store.delete_workspace("team-a", mode=WorkspaceDeletionMode.SET_DEFAULT)
        default = open_workspace_store(f"workspace://{hub_path}/default")
        assert default.job(running).state == "Running"
        default.update_run_info(running, 3, 5, None)
        assert default.get_run(running).info.status == "RUNNING"
        Workspace.create("team-a", hub=hub_path)
        assert default.end_job(running, "owner", "Failed", exit_code=1, cause="why")

    def test_gc_frees_the_job_of_a_deleted_run(self, store, running, client, hub_path, database):
        """Whose runner was silent for long; it has no job any more."""
        client.delete_run(running)
        assert store.beat(running, "owner").is_owner
        silence(hub_path, running, 400)
        done = CliRunner().invoke(main, ["gc", "--workspace", "team-a", "--hub", str(hub_path)])
        assert done.exit_code == 0, done.output
        assert store.job(running) is None
        assert store.beat(running, "owner") == (False, False, False)
        assert execute(hub_path, "SELECT count(*) FROM workspace_plugin_jobs") == [(0,)]


def test_hub_from_before_jobs_is_upgraded(hub_path, run_python, database):
    """Its runs are as they were, whose status is anybody's, and it takes jobs."""
    run_id, uri = run_python("-c", CREATE, str(hub_path)).stdout.split()
    take_back(hub_path, "0001")
    upgrade_hub(hub_path)
    store, client = build_tracking_store(uri), mlflow.MlflowClient(uri, uri)
    assert client.get_run(run_id).info.status == "RUNNING"
    client.set_terminated(run_id)
    assert client.get_run(run_id).info.status == "FINISHED"
    job_id = new_job(store, client.get_run(run_id).info.experiment_id)
    assert store.job(job_id).state == "NotStarted"
