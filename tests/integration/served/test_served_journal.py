"""Journals that are sent to a served hub: each record once, in order, or refused with a reason."""

import contextlib
import json
import random
import subprocess
import threading
import time
import zlib
from collections import Counter
from pathlib import Path

import mlflow
import pytest
import requests
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlflow.exceptions import MlflowException
from packaging.version import Version
from sqlalchemy import text

from mlflow_workspace_plugin.app.hub_api.journal import (
    _AT_ONCE,
    _AT_ONCE_ON_SQLITE,
    _counter_of,
)
from mlflow_workspace_plugin.cli import main
from mlflow_workspace_plugin.errors import HubUnreachableError, JournalBehindError
from mlflow_workspace_plugin.hub.hub import open_hub
from mlflow_workspace_plugin.journal.end_wait import EndWait
from mlflow_workspace_plugin.journal.files import records
from mlflow_workspace_plugin.journal.files.folder import JournalFolder, new_writer_id
from mlflow_workspace_plugin.journal.files.records import Kind, Record, body, line, metrics_body
from mlflow_workspace_plugin.journal.files.secret import JournalSecret
from mlflow_workspace_plugin.journal.journal import Journal
from mlflow_workspace_plugin.journal.sending.again import send_again
from mlflow_workspace_plugin.journal.sending.refused import count_refused, kept_records
from mlflow_workspace_plugin.journal.sending.replay import replay
from mlflow_workspace_plugin.protocol.journal import SECRET_HEADER, Batch, Reply, to_bytes
from mlflow_workspace_plugin.remote.journal_target import JournalTarget
from mlflow_workspace_plugin.runs.metrics.descriptors import read_descriptors
from mlflow_workspace_plugin.stores.deliveries.reception import _parts
from mlflow_workspace_plugin.stores.tags.own_tags import CONFLICT_TAG, DESCRIPTOR_PREFIX
from tests import python_processes
from tests.hubs import execute
from tests.journal_server import Asking, journal_server
from tests.servers import free_port
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.store,
    pytest.mark.skipif(
        Version(mlflow.__version__) < Version("3.17"), reason="MLflow before 3.17 is not served."
    ),
]

PATH = "/hub/v1/workspaces/team-a/journal"
NOW = 1_700_000_000_000
OF_RUN = ("metrics", "latest_metrics", "params", "tags", "workspace_plugin_receipts")
"""The tables in which something is of a run here."""

ROOT = str(Path(__file__).parents[3])
SERVER = """
import sys
sys.path.insert(0, sys.argv.pop())
from tests.journal_server import serve
serve(sys.argv[1], int(sys.argv[2]))
"""
# Logs values and a param that no hub takes, and is killed when the answer arrives.
KILLED = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv.pop())
from mlflow_workspace_plugin.journal.files.folder import JournalFolder
from mlflow_workspace_plugin.journal.files.records import Kind
from mlflow_workspace_plugin.journal.files.secret import JournalSecret
from mlflow_workspace_plugin.journal.journal import Journal
from mlflow_workspace_plugin.remote.journal_target import JournalTarget
from tests.journal_server import Asking

target, base, port, run_id = sys.argv[1:]
folder, asking = JournalFolder(target, Path(base)), Asking(int(port))

def fault(method, path, answer):
    if answer is not None and b"refused" in answer.content:
        os.kill(os.getpid(), 9)

asking.fault = fault
journal = Journal(folder, JournalTarget(asking, "team-a", JournalSecret(folder)))
for step in range(300):
    journal.append_metric(run_id, 1, "m", float(step), step, step)
journal.append_and_wait(Kind.PARAM, run_id, {"../bad": "x"})
"""


@pytest.fixture
def asking(hub_path, direct):
    with journal_server(hub_path) as started:
        yield started


@pytest.fixture
def folder(tmp_path):
    return JournalFolder("workspace://hub.example/team-a", tmp_path / "journals")


@pytest.fixture
def new_run(direct):
    """Make a run, past any journal."""
    experiment = direct.create_experiment("experiment")
    return lambda: direct.create_run(experiment, "alice", NOW, [], None).info.run_id


def target_of(asking, folder, workspace="team-a"):
    return JournalTarget(asking, workspace, JournalSecret(folder))


@pytest.fixture
def new_journal(asking, folder):
    """Open journals of this process for the server; what they hold is sent at the end."""
    opened = []

    def new():
        opened.append(Journal(folder, target_of(asking, folder)))
        return opened[-1]

    yield new
    for each in opened:
        each.close(EndWait())


def log(journal, run_id, values, start=0):
    for step, value in enumerate(values, start):
        journal.append_metric(run_id, NOW + step, "m", float(value), NOW + step, step)


def rows(direct, run_id, key="m"):
    return [(each.step, each.value) for each in direct.get_metric_history(run_id, key)]


def receipt(direct, run_id):
    with direct._statements() as connection:
        found = connection.execute(
            text("SELECT * FROM workspace_plugin_receipts WHERE run_uuid = :run_id"),
            {"run_id": run_id},
        )
        return [dict(each) for each in found.mappings()]


def kept(direct, table):
    with direct._statements() as connection:
        return connection.execute(text(f"SELECT * FROM workspace_plugin_{table}")).all()


def lost_answers(*numbers):
    """A fault: what the server says to some requests never arrives."""
    counts = Counter()

    def fault(method, _path, answer):
        counts[method] += method == "POST" and answer is not None
        if answer is not None and method == "POST" and counts[method] in numbers:
            raise ConnectionError("The answer was lost.")

    return fault


class Sender:
    """Sends batches by hand."""

    def __init__(self, asking, secret="0" * 64, writer=None, workspace="team-a"):
        self._asking = asking
        self.secret = secret
        self.writer = writer or new_writer_id()
        self._path = f"/hub/v1/workspaces/{workspace}/journal"

    def send(self, *bodies, first=1, **batch):
        lines = [line(number, each) for number, each in enumerate(bodies, first)]
        return self.post(to_bytes(Batch(self.writer, batch.pop("follows", 0), lines, **batch)))

    def post(self, content, secret=None):
        return self._asking("POST", self._path, content, {SECRET_HEADER: secret or self.secret})

    def last(self):
        return self._asking(
            "GET", f"{self._path}/{self.writer}", None, {SECRET_HEADER: self.secret}
        )


class TestOnce:
    """Each record is stored once, whatever is lost."""

    def test_lost_answers(self, asking, new_journal, new_run, direct):
        """Whose requests did their work; the same records come again, and change nothing."""
        journal, run_id = new_journal(), new_run()
        asking.fault = lost_answers(1, 2, 4)
        log(journal, run_id, range(500))
        # It may give up waiting on a machine that is busy, and is stored all the same.
        journal.append_and_wait(Kind.PARAM, run_id, {"p": "1"})
        log(journal, run_id, range(500, 1000), start=500)
        assert journal.flush(60)
        assert rows(direct, run_id) == [(step, step) for step in range(1000)]
        assert direct.get_run(run_id).data.params == {"p": "1"}
        assert sum(each["stored"] for each in receipt(direct, run_id)) == 1000

    def test_what_a_killed_process_left(self, asking, hub_path, folder, new_run, direct):
        """Is sent by whoever comes next, who has the folder, under whatever name."""
        run_id = new_run()
        port = asking.address.rpartition(":")[2]
        ended = python_processes.run(
            ["-c", KILLED, folder.target, str(folder.path.parent), port, run_id, ROOT]
        )
        assert ended.returncode == -9
        # It was killed with the answer in hand: the server has dealt with all.
        [leftover] = folder.leftovers()
        parts = list(replay(folder, leftover, target_of(asking, folder)))
        leftover.lock.close()
        assert rows(direct, run_id) == [(step, step) for step in range(300)]
        assert not any(part.calls for part in parts)
        # Nobody had read why its param was refused.
        assert count_refused(folder.refused) == 1
        assert "../bad" in direct.get_run(run_id).data.tags[CONFLICT_TAG]
        assert kept(direct, "refusals") == []

    @pytest.mark.sqlite
    def test_the_server_is_killed(self, hub_path, folder, new_run, direct, tmp_path):
        """In the middle, again and again; all clients end with all that they logged stored."""
        port = free_port()

        def start():
            return python_processes.Popen(
                ["-c", SERVER, str(hub_path), str(port), ROOT],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )

        runs = [new_run() for _ in range(3)]
        journals = [Journal(folder, target_of(Asking(port), folder)) for _ in runs]
        server, stop = start(), threading.Event()

        def log_all(journal, run_id):
            step = 0
            while not stop.is_set():
                log(journal, run_id, range(step, step + 50), start=step)
                step += 50
                time.sleep(0.01)
            counts[run_id] = step

        counts = {}
        threads = [
            threading.Thread(target=log_all, args=each) for each in zip(journals, runs, strict=True)
        ]
        for thread in threads:
            thread.start()
        try:
            for _ in range(2):
                seen = max(len(rows(direct, run_id)) for run_id in runs)
                wait_until(
                    lambda: max(len(rows(direct, run_id)) for run_id in runs) > seen + 100,  # noqa: B023
                    timeout_s=60,
                )
                time.sleep(random.uniform(0, 0.3))
                server.kill()
                server.wait()
                server = start()
            stop.set()
            for thread in threads:
                thread.join()
            assert all(journal.flush(60) for journal in journals)
            for journal in journals:
                assert not journal.close(EndWait()).lost
        finally:
            stop.set()
            server.kill()
            server.wait()
        for run_id in runs:
            assert rows(direct, run_id) == [(step, step) for step in range(counts[run_id])]

    def test_the_database_goes_away(self, hub_path, new_journal, new_run, direct, database):
        """Its server ends all connections, again and again: what is logged waits, and is stored."""
        if database == "sqlite":
            pytest.skip("It has no server.")
        journal, run_id = new_journal(), new_run()
        end_all = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        for part in range(20):
            log(journal, run_id, range(100 * part, 100 * part + 100), start=100 * part)
            time.sleep(0.05)
            execute(hub_path, end_all)
        assert journal.flush(30)
        direct.engine.dispose()
        assert rows(direct, run_id) == [(step, step) for step in range(2_000)]


class TestWhose:
    """A journal is its holder's, and rights are of who asks now."""

    def test_another_secret_is_refused(self, asking, new_run, direct):
        """Under the writer's own id, and under those that are used in its place."""
        run_id = new_run()
        owner = Sender(asking)
        assert owner.send(metrics_body(run_id, NOW, [("m", 1.0, 1, 1)])).status_code == 200
        hostile = metrics_body(run_id, NOW, [("m", 9.0, 9, 9)])
        for suffix in ("", ".reserve", ".000001", ".000001.lost", ".memory", ".dropped"):
            stranger = Sender(asking, "1" * 64, owner.writer + suffix)
            assert stranger.send(hostile, first=10**9).status_code == 403
            assert stranger.last().status_code == 403
        assert owner.send(
            metrics_body(run_id, NOW, [("m", 2.0, 2, 2)]), first=2, follows=1
        ).json() == {"sequence": 2}
        assert rows(direct, run_id) == [(1, 1.0), (2, 2.0)]

    def test_one_of_somebody_with_the_database_is_refused(self, asking, client, direct):
        """Whose values are counted under the id of a writer that nobody sends here."""
        run_id = client.create_run(client.create_experiment("e")).info.run_id
        client.log_metric(run_id, "m", 1)
        client.get_run(run_id)
        [(writer, _)] = kept(direct, "writers")
        stranger = Sender(asking, writer=writer)
        assert stranger.send(body(Kind.DROPPED, run_id, NOW, {"m": 5})).status_code == 403

    def test_runs_of_others(self, hub_path, new_run, other_workspace, direct, folder):
        """Those of another workspace are as if they were not there; what is denied is said so."""
        own, denied = new_run(), new_run()
        store = other_workspace.tracking_store
        experiment = store.create_experiment("theirs")
        theirs = store.create_run(experiment, "bob", NOW, [], None).info.run_id
        with journal_server(hub_path, [denied]) as asking:
            target, refused = target_of(asking, folder), {}
            sent = []
            for run_id in (own, denied, theirs, "0" * 32):
                sent += [
                    Record(0, "metrics", run_id, NOW, [["m", 1.0, 1, 1]]),
                    Record(0, "tag", run_id, NOW, {"t": "x"}),
                    Record(0, "logged", run_id, NOW, {"m": 10**9}),
                    Record(0, "dropped", run_id, NOW, {"m": 10**9}),
                    Record(0, "info", run_id, NOW, ["FINISHED", 5, None, {"m": 7}]),
                ]
            sent = [each._replace(sequence=number) for number, each in enumerate(sent, 1)]
            sent.append(Record(len(sent) + 1, "param", denied, NOW, {"../p": "x"}))
            deliver(target, new_writer_id(), sent, refused)
        of_run = {
            run_id: {
                refused[each.sequence].error_code
                for each in sent
                if each.run_id == run_id and each.sequence in refused
            }
            for run_id in (own, denied, theirs, "0" * 32)
        }
        assert of_run == {
            own: set(),
            denied: {"PERMISSION_DENIED", "INVALID_PARAMETER_VALUE"},
            theirs: {"RESOURCE_DOES_NOT_EXIST"},
            "0" * 32: {"RESOURCE_DOES_NOT_EXIST"},
        }
        assert rows(direct, own) == [(1, 1.0)]
        for run_id in (denied, theirs, "0" * 32):
            assert receipt(direct, run_id) == []
        assert direct.get_run(denied).info.status == "RUNNING"
        assert CONFLICT_TAG not in direct.get_run(denied).data.tags
        assert store.get_run(theirs).info.status == "RUNNING"

    def test_a_role_that_was_taken_away(self, asking, new_journal, new_run, direct):
        """Refuses nothing: what is logged waits until it is given back."""
        journal, run_id = new_journal(), new_run()
        asking.access.role = "read"
        log(journal, run_id, range(10))
        assert not journal.flush(2)
        asking.access.role = "edit"
        assert journal.flush(20)
        assert rows(direct, run_id) == [(step, step) for step in range(10)]
        assert count_refused(journal.folder.refused) == 0


def deliver(target, writer, sent, refused):
    def keep(record, error):
        refused[record.sequence] = error
        return True

    rest = list(sent)
    while rest:
        rest = rest[target.deliver(writer, rest, keep) :]


class TestRefusals:
    """Why a record is refused arrives, though answers are lost."""

    def test_it_is_raised_where_the_call_waits(self, asking, new_journal, new_run, direct):
        """Once, and the run is not marked; nothing of it is kept when that is known."""
        journal, run_id = new_journal(), new_run()
        assert journal.append_and_wait(Kind.PARAM, run_id, {"p": "1"})
        asking.fault = lost_answers(1)
        with pytest.raises(MlflowException, match="Changing param values"):
            journal.append_and_wait(Kind.PARAM, run_id, {"p": "2"})
        assert CONFLICT_TAG not in direct.get_run(run_id).data.tags
        assert kept(direct, "refusals") == []
        assert count_refused(journal.folder.refused) == 0

    def test_it_is_noted_where_no_call_waits(
        self, asking, new_journal, new_run, direct, monkeypatch
    ):
        """On the run and aside, as it is by who has the database."""
        journal, run_id = new_journal(), new_run()
        assert journal.append_and_wait(Kind.PARAM, run_id, {"p": "1"})
        monkeypatch.setattr("mlflow_workspace_plugin.journal.journal.PATIENCE_S", 0.0)
        asking.fault = lost_answers(1)
        assert not journal.append_and_wait(Kind.PARAM, run_id, {"p": "2"})
        wait_until(lambda: CONFLICT_TAG in direct.get_run(run_id).data.tags, timeout_s=20)
        assert "'p': '2'" in direct.get_run(run_id).data.tags[CONFLICT_TAG]
        assert count_refused(journal.folder.refused) == 1

    def test_it_is_said_again_until_it_is_acknowledged(self, asking, new_run):
        """With each answer, and to who only asks."""
        run_id = new_run()
        sender = Sender(asking)
        first = sender.send(metrics_body("0" * 32, NOW, [("m", 1.0, 1, 1)])).json()
        assert [each["sequences"] for each in first["refused"]] == [[1]]
        assert sender.last().json() == first
        again = sender.send(metrics_body(run_id, NOW, [("m", 1.0, 1, 1)]), first=2, follows=1)
        assert again.json() == first | {"sequence": 2}
        assert sender.send(follows=2, acknowledged=2).json() == {"sequence": 2}

    def test_who_acknowledges_nothing_is_not_told_more_and_more(self, asking, new_run, direct):
        """Nothing is taken any more, until what was refused is acknowledged."""
        sender, sent, lengths = Sender(asking), 0, []
        value = metrics_body("0" * 32, NOW, [("m", 1.0, 1, 1)])
        while len(lengths) < 3 or lengths[-3:] != lengths[-1:] * 3:
            answer = sender.send(*[value] * 20_000, first=sent + 1, follows=sent)
            assert answer.status_code == 200
            sent = answer.json()["sequence"]
            lengths.append(len(answer.content))
            assert len(lengths) < 30
        assert lengths[-1] < 1 << 20
        assert len(sender.last().content) == lengths[-1]
        run_id = new_run()
        good = metrics_body(run_id, NOW, [("m", 1.0, 1, 1)])
        refused = sender.send(good, first=sent + 1, follows=sent)
        assert refused.json()["sequence"] == sent
        again = sender.send(good, first=sent + 1, follows=sent, acknowledged=sent)
        assert again.json() == {"sequence": sent + 1}
        assert rows(direct, run_id) == [(1, 1.0)]

    def test_who_missed_all_that_was_refused_goes_on(self, asking, folder, new_run, direct):
        """The journal's own sender, which is told of it and acknowledges it, stores the rest."""
        run_id, writer = new_run(), new_writer_id()
        sender, sent = Sender(asking, JournalSecret(folder).of(writer), writer), -1
        value = metrics_body("0" * 32, NOW, [("m", 1.0, 1, 1)])
        while sent != (sent := sender.last().json()["sequence"]):
            assert sender.send(*[value] * 20_000, first=sent + 1, follows=sent).ok
        target, refused = target_of(asking, folder), {}
        rest = [Record(sent + 1, "metrics", run_id, NOW, [["m", 1.0, 1, 1]])]
        with pytest.raises(HubUnreachableError, match="took nothing"):
            deliver(target, writer, rest, refused)
        deliver(target, writer, rest, refused)
        assert rows(direct, run_id) == [(1, 1.0)]

    def test_it_is_kept_though_less_is_sent_again(self, asking, folder, new_run):
        """With the record, which comes after what the hub has told of it."""
        run_id = new_run()
        target, writer, refused = target_of(asking, folder), new_writer_id(), {}
        sent = [
            Record(
                number, "metrics", "0" * 32 if number in (2, 7) else run_id, NOW, [["m", 1, 1, 1]]
            )
            for number in range(1, 11)
        ]
        asking.fault = lost_answers(1)
        with pytest.raises(ConnectionError):
            deliver(target, writer, sent, refused)
        deliver(target, writer, sent[:4], refused)
        assert set(refused) == {2}
        deliver(target, writer, sent[4:], refused)
        assert set(refused) == {2, 7}
        assert target.last_sequence(writer) == 10
        assert target.refusals_of(writer) == {}

    def test_values_of_a_deleted_run(self, new_journal, new_run, direct):
        """Are refused one and all, block nothing, and are counted."""
        journal, deleted, run_id = new_journal(), new_run(), new_run()
        direct.delete_run(deleted)
        log(journal, deleted, range(200))
        log(journal, run_id, range(10))
        assert journal.flush(20)
        assert rows(direct, run_id) == [(step, step) for step in range(10)]
        assert count_refused(journal.folder.refused) == 200
        assert [each["refused"] for each in receipt(direct, deleted)] == [200]


class TestSentAgain:
    """What was refused can be sent again, after what was in its way is mended."""

    def test_after_a_right_was_given(self, hub_path, folder, new_run, direct):
        """Without a value twice, though answers are lost; what is refused again is kept on."""
        run_id, never = new_run(), new_run()
        with journal_server(hub_path, [run_id, never]) as asking:
            journal = Journal(folder, target_of(asking, folder))
            log(journal, run_id, range(50))
            log(journal, never, range(5))
            with pytest.raises(MlflowException, match="may not write"):
                journal.append_and_wait(Kind.PARAM, run_id, {"p": "1"})
            journal.close(EndWait())
            assert count_refused(folder.refused) == 55
            assert rows(direct, run_id) == []
        with journal_server(hub_path, [never]) as asking:
            asking.fault = lost_answers(1)
            with pytest.raises(ConnectionError):
                send_again(folder, target_of(asking, folder))
            assert count_refused(folder.refused) == 55
            found = send_again(folder, target_of(asking, folder))
            assert (found.sent, found.refused) == (50, 5)
            assert count_refused(folder.refused) == 5
        assert rows(direct, run_id) == [(step, step) for step in range(50)]
        assert rows(direct, never) == []
        assert {each["refused"] for each in receipt(direct, run_id)} == {0}

    def test_after_a_run_was_restored(self, client, direct, run_id, uri):
        """By ``mlflow-workspace sync --refused``, of a hub that is a folder, too."""
        client.log_metric(run_id, "m", 1, timestamp=1, step=1)
        client.get_run(run_id)
        direct.delete_run(run_id)
        taken = 0
        # Once the first refusal has come back, the next call is told at once.
        with contextlib.suppress(MlflowException):
            for step in range(2, 12):
                client.log_metric(run_id, "m", step, timestamp=1, step=step)
                taken += 1
        assert taken
        assert client._tracking_client.store.flush(60)
        # How many were refused is told behind them.
        wait_until(lambda: sum(each["refused"] for each in receipt(direct, run_id)) == taken, 60)
        direct.restore_run(run_id)
        done = CliRunner().invoke(main, ["sync", "--refused", "--json"])
        assert done.exit_code == 0, done.output
        assert [row["sent again"] for row in json.loads(done.output)] == [taken]
        assert rows(direct, run_id) == [(step, step) for step in range(1, taken + 2)]
        assert sum(each["refused"] for each in receipt(direct, run_id)) == 0
        assert sum(each["stored"] for each in receipt(direct, run_id)) == taken + 1


class TestOrder:
    """A batch says what it follows."""

    def test_a_restored_hub(self, asking, folder, new_run, direct):
        """Gets again what the journal still holds: nothing is lost, nothing is doubled."""
        run_id = new_run()
        journal = Journal(folder, target_of(asking, folder))
        log(journal, run_id, range(100))
        assert journal.flush(20)
        take_back(direct, run_id, to_step=30)
        log(journal, run_id, range(100, 200), start=100)
        assert journal.flush(20)
        assert rows(direct, run_id) == [(step, step) for step in range(200)]
        assert not journal.close(EndWait()).lost

    def test_what_a_restored_hub_refuses_now_is_kept(self, asking, folder, new_run, direct):
        """A run that was created after the backup is not there, and no call waits any more."""
        gone, other = new_run(), new_run()
        journal = Journal(folder, target_of(asking, folder))
        log(journal, gone, range(3))
        assert journal.append_and_wait(Kind.PARAM, gone, {"p": "1"})
        # Refused behind them, before they are.
        log(journal, "0" * 32, range(1))
        assert journal.flush(20)
        with direct._transaction() as connection:
            for table in (*OF_RUN, "runs"):
                statement = f"DELETE FROM {table} WHERE run_uuid = :run_id"
                connection.execute(text(statement), {"run_id": gone})
            connection.execute(text("UPDATE workspace_plugin_journals SET sequence = 0"))
        log(journal, other, range(1))
        assert journal.flush(20)
        journal.close(EndWait())
        assert rows(direct, other) == [(0, 0.0)]
        refused = [each for path in folder.refused.iterdir() for each in kept_records(path)]
        of_gone = {(each.kind, each.run_id) for each in refused if each.run_id == gone}
        assert of_gone >= {("metrics", gone), ("param", gone)}

    def test_what_is_in_no_file_any_more_is_lost(self, asking, folder, new_run, direct, caplog):
        """And counted, said, and noted on the runs that it was of, and on no other."""
        run_id, other = new_run(), new_run()
        journal = Journal(folder, target_of(asking, folder))
        log(journal, other, range(5))
        log(journal, run_id, range(100))
        assert journal.flush(20)
        journal._sender.remove_files(5)
        take_back(direct, run_id, to_step=30)
        log(journal, run_id, range(100, 200), start=100)
        assert journal.flush(20)
        assert journal.close(EndWait()).lost == 70
        expected = [*range(30), *range(100, 200)]
        assert rows(direct, run_id) == [(step, step) for step in expected]
        assert "has lost 70 calls" in caplog.text
        uncounted = [each for each in receipt(direct, run_id) if each["key"] == records.UNCOUNTED]
        assert [each["dropped"] for each in uncounted] == [70]
        assert all(each["key"] != records.UNCOUNTED for each in receipt(direct, other))

    def test_a_batch_behind_more_than_there_is(self, asking, folder):
        """Is answered with what there is, and nothing of it is stored."""
        sender = Sender(asking)
        answer = sender.send(body(Kind.LOGGED, "0" * 32, NOW, {}), first=10**9, follows=5)
        assert (answer.status_code, answer.json()["sequence"]) == (409, 0)
        assert sender.last().json() == {"sequence": 0}
        target = target_of(asking, folder)
        target._told[new_writer_id()] = Reply(7)
        with pytest.raises(JournalBehindError) as raised:
            deliver(target, *target._told, [Record(8, "logged", "0" * 32, NOW, {})], {})
        assert raised.value.sequence == 0

    def test_damaged_lines(self, asking):
        """A line is named; nothing of its batch is stored."""
        sender = Sender(asking)
        good = line(1, body(Kind.LOGGED, "0" * 32, NOW, {}))
        damaged = line(2, body(Kind.LOGGED, "0" * 32, NOW, {})).replace(b"logged", b"loggef")
        for lines, number in (([good, damaged], 1), ([good, good], 1), ([damaged], 0)):
            answer = sender.post(to_bytes(Batch(sender.writer, 0, lines)))
            assert (answer.status_code, answer.json()["line"]) == (400, number)
        bomb = zlib.compress(b"0" * (80 << 20))
        assert sender.post(bomb).status_code == 413
        assert sender.post(b"\0" * ((16 << 20) + 1)).status_code == 413
        assert sender.post(b"x", secret="short").status_code == 400
        assert sender.last().json() == {"sequence": 0}


def take_back(direct, run_id, to_step):
    """Make the database what an older copy of it would be: with fewer of a run's values."""
    with direct._transaction() as connection:
        [(gone,)] = connection.execute(
            text("SELECT count(*) FROM metrics WHERE run_uuid = :run_id AND step >= :step"),
            {"run_id": run_id, "step": to_step},
        )
        for statement in (
            "DELETE FROM metrics WHERE run_uuid = :run_id AND step >= :step",
            "DELETE FROM latest_metrics WHERE run_uuid = :run_id",
            "UPDATE workspace_plugin_receipts SET stored = stored - :gone WHERE run_uuid = :run_id",
            "UPDATE workspace_plugin_journals SET sequence = sequence - :gone",
        ):
            connection.execute(text(statement), {"run_id": run_id, "step": to_step, "gone": gone})


class TestBusy:
    """A hub that has too much to do says so."""

    def test_too_many_at_once(self, asking, new_run, direct):
        """Of those that come at once some are sent away, and none is lost that comes again."""
        run_id = new_run()
        answers = Counter()

        def send(number):
            sender = Sender(Asking(int(asking.address.rpartition(":")[2])))
            values = [
                metrics_body(run_id, NOW, [(f"m{number}", 1.0, step, step)]) for step in range(2000)
            ]
            while (answer := sender.send(*values)).status_code in (429, 503):
                answers[answer.status_code] += 1
                assert float(answer.headers["Retry-After"]) >= 1
                time.sleep(random.uniform(0.2, 1))
            answers[str(answer.json())] += 1

        threads = [threading.Thread(target=send, args=(number,)) for number in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers["{'sequence': 2000}"] == 20, answers
        assert all(len(rows(direct, run_id, f"m{number}")) == 2000 for number in range(20))

    def test_it_unpacks_in_turn_only(self, asking, hub_path):
        """What was sent may be a thousand times as long: not of all that come at once."""
        hub = open_hub(hub_path)
        sender, counter = Sender(asking), _counter_of(hub)
        is_sqlite = hub.engine.dialect.name == "sqlite"
        assert sender.post(b"damaged").status_code == 400
        with contextlib.ExitStack() as taken:
            for _ in range(_AT_ONCE_ON_SQLITE if is_sqlite else _AT_ONCE):
                taken.enter_context(counter.turn())
            assert sender.post(b"damaged").status_code == 429

    def test_a_part_is_of_so_many_values(self):
        """However many a record has, one transaction does not store millions of them."""
        of_run = [["m", 1.0, 1, 1]] * 30_000
        given = [Record(number, "metrics", "0" * 32, NOW, of_run) for number in range(1, 6)]
        assert [len(part) for part in _parts(given)] == [1] * 5
        given = [Record(number, "metrics", "0" * 32, NOW, of_run[:9]) for number in range(1, 1000)]
        assert [len(part) for part in _parts(given)] == [999]

    def test_a_locked_database(self, asking, hub_path, new_journal, new_run, direct, database):
        """Is away for who sends: what was logged waits and is stored when it is back."""
        if database != "sqlite":
            pytest.skip("Rows are locked there, not databases.")
        journal, run_id = new_journal(), new_run()
        log(journal, run_id, range(10))
        assert journal.flush(20)
        with direct._transaction():
            log(journal, run_id, range(10, 20), start=10)
            assert not journal.flush(4)
        assert journal.flush(20)
        assert rows(direct, run_id) == [(step, step) for step in range(20)]


def test_what_a_proxy_says_is_no_refusal(asking, new_journal, new_run, direct):
    """Pages of HTML, whatever their status: what was logged waits."""
    journal, run_id = new_journal(), new_run()
    page = requests.Response()
    page._content, page.headers["Content-Type"] = b"<html>No.</html>", "text/html"
    said = []

    def fault(method, _path, answer):
        if answer is None and statuses:
            said.append(method)
            page.status_code = statuses.pop(0)
            return page
        return None

    statuses = [401, 403, 404, 500, 502, 503, 200]
    asking.fault = fault
    log(journal, run_id, range(10))
    assert journal.flush(30)
    assert len(said) == 7
    assert len(rows(direct, run_id)) == 10
    assert count_refused(journal.folder.refused) == 0


def test_one_that_is_too_large_blocks_nothing(asking, new_run, direct, folder):
    """A proxy takes no large requests: parts go through, a single record is set aside."""
    run_id = new_run()
    page = requests.Response()
    page.status_code, page._content = 413, b"<html>Request Entity Too Large</html>"

    def ask(method, path, content, headers):
        return page if len(content or b"") > 4_000 else asking(method, path, content, headers)

    journal = Journal(folder, target_of(ask, folder))
    noise = "".join(random.Random(0).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=8_000))
    log(journal, run_id, range(1_000))
    assert journal.flush(20)
    with pytest.raises(MlflowException, match="413"):
        journal.append_and_wait(Kind.TAG, run_id, {"t": noise})
    log(journal, run_id, range(1_000, 1_010), start=1_000)
    assert journal.flush(20)
    assert len(rows(direct, run_id)) == 1_010
    journal.close(EndWait())


scalars = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text()
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=7) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
keys = st.sampled_from(["m", "a/b", "../../etc/x", "", "?", "k" * 300, "a\0b", "\ud800", "é"])
numbers = st.sampled_from(
    [0, 1, -1, 1.5, 2**63, 10**400, float("nan"), float("inf"), True, "1", None]
)
values = st.lists(st.tuples(keys, numbers, numbers, numbers).map(list), max_size=3)
with_models = st.lists(
    st.tuples(keys, numbers, numbers, numbers, keys, keys, keys).map(list), max_size=2
)
exact = st.lists(
    st.tuples(keys, numbers, numbers, scalars).map(list)
    | st.tuples(keys, numbers, numbers, scalars, st.booleans()).map(list),
    max_size=3,
)
texts = st.dictionaries(keys | st.just("mlflow.runName"), st.text() | numbers, max_size=3)
described = st.dictionaries(
    st.just(f"{DESCRIPTOR_PREFIX}0") | keys, st.text() | st.just('[1, "m", "scalar", []]')
)
counts = st.dictionaries(keys, numbers | st.just(10**9), max_size=3)
statuses = st.sampled_from(["RUNNING", "FINISHED", "running", "", 3, None])
contents = st.one_of(
    json_values,
    values,
    with_models,
    st.tuples(values, exact, keys | st.none()).map(list),
    texts,
    described,
    counts,
    st.tuples(statuses, numbers, keys | st.none(), counts).map(list),
)


WRONG = [
    (Kind.METRICS, [["../../etc/x", 1.0, 1, 1]]),
    (Kind.METRICS, [["m", "1", 1, 1]]),
    (Kind.METRICS, [["m", True, 1, 1]]),
    (Kind.METRICS, [["m", 1.0, -1, 1]]),
    (Kind.METRICS, [["m", 1.0, 1, 2**63]]),
    (Kind.METRICS, [["m", 1.0, 1, 1.0]]),
    (Kind.METRICS, [["m", 10**400, 1, 1]]),
    (Kind.METRICS, {"m": 1.0}),
    (Kind.TYPED, [[], [["/m", 1, 1, "x", True]], None]),
    (Kind.TYPED, [[], [["m", 1, 1, {"x": 1}]], None]),
    (Kind.TYPED, [[], [], "t" * 65]),
    (Kind.PARAM, {"../p": "x"}),
    (Kind.PARAM, {"p": 1}),
    (Kind.PARAMS, {}),
    (Kind.TAG, {"/t": "x"}),
    (Kind.TAGS, {"t": "\ud800"}),
    (Kind.DESCRIBED, {"mlflow.user": "admin"}),
    (Kind.DESCRIBED, {f"{DESCRIPTOR_PREFIX}0": "{}"}),
    (Kind.INFO, ["DONE", None, None, {}]),
    (Kind.INFO, [None, None, None, {"m": -1}]),
]


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(st.tuples(st.sampled_from(Kind), contents), min_size=1, max_size=6))
def test_whatever_a_record_says(asking, new_run, direct, given_records):
    """It is stored or refused, and what comes behind it is stored; the run can be read."""
    run_id = new_run()
    sender = Sender(asking)
    bodies = [body(kind, run_id, NOW, content) for kind, content in given_records]
    bodies.append(metrics_body(run_id, NOW, [("last", 1.0, 1, 1)]))
    answer = sender.send(*bodies)
    assert (answer.status_code, answer.json().get("sequence")) == (200, len(bodies))
    assert [value for _, value in rows(direct, run_id, "last")][-1:] == [1.0]
    run = direct.get_run(run_id)
    assert ".." not in "".join([*run.data.metrics, *run.data.params, *run.data.tags])
    read_descriptors(run.data.tags)
    refused = [number for each in answer.json().get("refused", []) for number in each["sequences"]]
    assert sender.send(follows=len(bodies), acknowledged=len(bodies)).status_code == 200
    assert len(refused) == len(set(refused))


class TestChecks:
    """What a record may say is what MLflow's server takes in a request."""

    def test_what_is_refused(self, asking, new_run, direct):
        """By a reason, and nothing of it is stored; what follows it is."""
        for kind, content in WRONG:
            run_id = new_run()
            before = direct.get_run(run_id).to_dictionary()
            sender = Sender(asking)
            answer = sender.send(
                body(kind, run_id, NOW, content), metrics_body(run_id, NOW, [("next", 1.0, 1, 1)])
            ).json()
            [refused] = answer["refused"]
            assert refused["error_code"] == "INVALID_PARAMETER_VALUE"
            assert (refused["sequences"], answer["sequence"]) == ([1], 2)
            assert rows(direct, run_id, "next") == [(1, 1.0)]
            run = direct.get_run(run_id).to_dictionary()
            assert run["data"].pop("metrics") == {"next": 1.0}
            assert run | {"data": run["data"] | {"metrics": {}}} == before
            assert {each["key"] for each in receipt(direct, run_id)} == {"next"}

    def test_counts_are_its_own(self, asking, new_run, direct):
        """What one says was logged or lost stands beside its own values only."""
        run_id = new_run()
        owner, other = Sender(asking), Sender(asking, "1" * 64)
        owner.send(metrics_body(run_id, NOW, [("m", 1.0, 1, 1)]))
        other.send(
            body(Kind.LOGGED, run_id, NOW, {"m": 10**9}),
            body(Kind.DROPPED, run_id, NOW, {"m": 10**9, "x": 2**41}),
        )
        found = {each["writer"]: each for each in receipt(direct, run_id)}
        assert (found[owner.writer]["logged"], found[owner.writer]["dropped"]) == (0, 0)
        assert found[other.writer]["logged"] == 10**9
        assert found[other.writer]["dropped"] == 0
