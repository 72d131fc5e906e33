"""kill -9: every value whose call had returned is found afterwards, and none twice.

``KILLS`` says how many processes are killed in each test on SQLite; on PostgreSQL it is a third.
"""

import os
import signal
from collections import Counter

import pytest
from mlflow.entities import Param
from sqlalchemy import event

from mlflow_workspace_plugin.journal.files.folder import JournalFolder
from mlflow_workspace_plugin.journal.files.records import Kind
from mlflow_workspace_plugin.journal.sending.refused import count_refused
from mlflow_workspace_plugin.journal.sending.sender import Sender
from mlflow_workspace_plugin.stores.reads.receipts import read_stored, receipts_of
from mlflow_workspace_plugin.stores.tags.own_tags import CONFLICT_TAG
from tests.crash.processes import fork, moment

pytestmark = [pytest.mark.databases, pytest.mark.timeout(600)]

KILLS = int(os.environ.get("KILLS", "60"))
LONGEST_S = 0.4


@pytest.fixture
def kills(database):
    return KILLS if database == "sqlite" else (KILLS + 2) // 3


def log(client, run_id, kind, key, number):
    if kind == "stepped":
        client.log_metric(run_id, key, float(number), step=number)
    elif kind == "unstepped":
        client.log_metric(run_id, key, float(number))
    else:
        client.log_metric(run_id, key, 1.0)


def check(client, run_id, kind, key, told):
    """One call may have been journalled without having returned."""
    found = [metric.value for metric in client.get_metric_history(run_id, key)]
    done = len(told)
    assert len(found) in (done, done + 1), f"{done} calls returned, {len(found)} values were found"
    if kind != "equal":
        assert Counter(found) == Counter(map(float, range(len(found))))


@pytest.mark.parametrize("kind", ["stepped", "unstepped", "equal"])
def test_while_logging_and_sending(uri, client, run_id, kills, kind):
    """At a random moment: before the first value, while values are written, while they are sent."""
    for trial in range(kills):
        key = f"m{trial}"

        def log_on(tell, key=key):
            number = 0
            while True:
                log(client, run_id, kind, key, number)
                tell(number)
                number += 1

        told = fork(log_on).kill(moment(LONGEST_S))
        check(client, run_id, kind, key, told)
    assert not list(JournalFolder(uri).path.glob("*.journal"))


def test_while_what_was_left_is_sent(client, run_id, kills):
    """A process that sends what a killed one left is killed, and the next, and the next."""
    for trial in range(kills // 5):
        key = f"m{trial}"

        def log_on(tell, key=key):
            for number in range(5_000):
                log(client, run_id, "equal", key, number)
                tell(number)

        told = fork(log_on).kill(moment(LONGEST_S))
        for _ in range(4):
            fork(lambda _tell: client.get_run(run_id)).kill(moment(LONGEST_S / 4))
        check(client, run_id, "equal", key, told)


def test_params_and_tags_whose_calls_returned(client, run_id, kills):
    """They are stored, with all values that were logged before them."""
    for trial in range(kills // 5):

        def log_on(tell, trial=trial):
            number = 0
            while True:
                client.log_metric(run_id, f"m{trial}", float(number), step=number)
                client.log_param(run_id, f"p{trial}-{number}", number)
                client.set_tag(run_id, f"t{trial}", number)
                tell(number)
                number += 1

        told = fork(log_on).kill(moment(LONGEST_S))
        run = client.get_run(run_id)
        for number in told:
            assert run.data.params[f"p{trial}-{number}"] == str(number)
        if told:
            assert int(run.data.tags[f"t{trial}"]) >= told[-1]
            assert run.data.metrics[f"m{trial}"] >= told[-1]


def kill_self_at_refusal(engine, folder, when):
    """Kill this process right before, or right behind, the commit that stores a refusal."""
    commits = []

    def _kill(*_):
        os.kill(os.getpid(), signal.SIGKILL)

    @event.listens_for(engine, "commit")
    def _commit(_connection):
        if any(folder.refused.glob("*")):
            commits.append(when)
            if when == "before":
                _kill()

    @event.listens_for(engine, "checkin")
    def _checkin(*_):
        if commits:
            _kill()


@pytest.fixture
def gone(client, run_id):
    """A run that is deleted by another client as soon as this one has logged to it."""
    gone = client.create_run(client.get_run(run_id).info.experiment_id).info.run_id
    client.log_metric(gone, "m", 0)
    client.get_run(gone)
    return gone


@pytest.mark.parametrize("when", ["before", "behind"])
@pytest.mark.parametrize("sends", ["its own", "what another left"])
def test_while_a_refused_value_is_stored(uri, client, direct, gone, when, sends):
    """It is kept aside, and counted once, by whichever process is the last to send it."""
    folder = JournalFolder(uri)

    def log_value(_tell):
        if sends == "its own":
            kill_self_at_refusal(direct.engine, folder, when)
        else:
            Sender._ship = lambda *_: True
        direct.delete_run(gone)
        client.log_metric(gone, "m", 1)
        if sends == "its own":
            client.get_run(gone)

    def send(_tell):
        kill_self_at_refusal(direct.engine, folder, when)
        client.get_run(gone)

    assert fork(log_value).join_status() == (-9 if sends == "its own" else 0)
    if sends != "its own":
        assert fork(send).join_status() == -9
    client.get_run(gone)
    assert count_refused(folder.refused) == 1
    with direct.engine.connect() as connection:
        (receipt,) = receipts_of(read_stored(connection, gone), {})
    assert (receipt.stored, receipt.refused) == (1, 1)


@pytest.mark.parametrize("when", ["before", "behind"])
def test_while_a_conflict_is_stored(uri, client, direct, run_id, when):
    """A param that was refused after its call had returned is on its run, once."""
    folder = JournalFolder(uri)
    direct.log_param(run_id, Param("p", "1"))

    def log_param(_tell):
        Sender._ship = lambda *_: True
        client._tracking_client.store.journal.append(Kind.PARAM, run_id, {"p": "2"})

    def send(_tell):
        kill_self_at_refusal(direct.engine, folder, when)
        client.get_run(run_id)

    assert fork(log_param).join_status() == 0
    assert fork(send).join_status() == -9
    said = client.get_run(run_id).data.tags[CONFLICT_TAG]
    assert said.count("Changing param values is not allowed") == 1
    assert count_refused(folder.refused) == 1
    assert direct.get_run(run_id).data.params == {"p": "1"}
