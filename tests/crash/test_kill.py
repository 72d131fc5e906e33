"""kill -9: every value whose call had returned is found afterwards, and none twice.

``KILLS`` says how many processes are killed in each test on SQLite; on PostgreSQL it is a third.
"""

import os
from collections import Counter

import pytest

from mlflow_workspace_plugin.journal.folder import JournalFolder
from tests.crash.processes import fork, moment

pytestmark = [pytest.mark.databases, pytest.mark.timeout(600)]

KILLS = int(os.environ.get("KILLS", "110"))
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
