"""What waits in memory and in files, as one thread sends it and others put and save."""

import resource
from contextlib import contextmanager
from threading import Event, Thread, Timer

import pytest

from mlflow_workspace_plugin.journal.files.folder import JournalFolder
from mlflow_workspace_plugin.journal.files.lock import HeldLock
from mlflow_workspace_plugin.journal.files.records import Kind, body
from mlflow_workspace_plugin.journal.outbox import Outbox
from mlflow_workspace_plugin.journal.remains import Remains
from mlflow_workspace_plugin.journal.reminder import Reminder


@contextmanager
def no_room():
    """Let no file grow."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def put(outbox, steps):
    for step in steps:
        outbox.put(body(Kind.METRICS, "run", 1, [["m", 0.5, 1, step]]), "run", ["m"])


def steps_of(batch):
    return [value[3] for record in batch.records for value in record.content]


@pytest.mark.parametrize("later", [range(6, 13), range(0)])
def test_memory_that_is_saved_while_it_is_sent(tmp_path, later):
    """What is put afterwards is not taken for what was sent, and stays."""
    outbox = Outbox(JournalFolder("", path=tmp_path), Reminder(), fsync=False)
    with no_room():
        put(outbox, range(1, 6))
    in_flight = outbox.take()
    assert in_flight.chunk is None
    assert steps_of(in_flight) == list(range(1, 6))
    outbox.settle()
    with no_room():
        put(outbox, later)
        outbox.remove(in_flight)
        assert outbox.calls_after(5) == len(later)
        found = []
        while batch := outbox.take():
            found += steps_of(batch)
            outbox.remove(batch)
    # The first ones are in files, too: whoever sends leaves out what was sent.
    assert found == [*range(1, 6), *later]
    assert outbox.remains(outbox.last).lost == 0


def test_memory_that_is_saved_while_it_is_looked_for(tmp_path, monkeypatch):
    """Between the looks at the files and at the memory: it is found, and not taken for lost."""
    outbox = Outbox(JournalFolder("", path=tmp_path), Reminder(), fsync=False)
    put(outbox, [0])
    outbox.remove(outbox.take())
    with no_room():
        put(outbox, range(1, 6))
    read = outbox._read

    def read_and_save(files, current):
        chunk = read(files, current)
        if files.reader.number == current:
            outbox.settle()
        return chunk

    monkeypatch.setattr(outbox, "_read", read_and_save)
    assert steps_of(outbox.take()) == list(range(1, 6))


class TestOthersLookWhetherAWriterLives:
    """A process that scans the folder holds the lock of a new writer before the writer does."""

    def test_for_a_moment(self, tmp_path):
        """What is logged is in a file when the call returns."""
        outbox = Outbox(JournalFolder("", path=tmp_path), Reminder(), fsync=False)
        looks = HeldLock.take(tmp_path / f"{outbox.writer}.lock")
        later = Timer(0.3, looks.remove)
        later.start()
        put(outbox, [1, 2])
        later.join()
        assert outbox.take().chunk is not None
        assert outbox.remains(0) == Remains(waiting=2)

    def test_a_new_lock_is_held_when_it_is_found(self, tmp_path):
        """Whoever looks for it cannot take it, however often."""
        found, stop = [], Event()

        def look():
            while not stop.is_set():
                found.extend(HeldLock.take(path) for path in tmp_path.glob("*.lock"))

        looking = Thread(target=look)
        looking.start()
        try:
            locks = [HeldLock.create(tmp_path / f"{n}.lock", patience_s=0) for n in range(50)]
        finally:
            stop.set()
            looking.join()
        assert not any(found)
        assert len(list(tmp_path.iterdir())) == len(locks)
        for lock in locks:
            lock.close()

    def test_for_long(self, tmp_path):
        """A writer that has values in memory only is nobody's leftover, and saves them later."""
        folder = JournalFolder("", path=tmp_path)
        outbox = Outbox(folder, Reminder(), fsync=False)
        stopped = HeldLock.take(tmp_path / f"{outbox.writer}.lock")
        for number in range(20):
            outbox.put(body(Kind.TAG, f"run{number}", 1, {"k": "v"}), f"run{number}")
        assert outbox.remains(0).lost == 20
        stopped.close()
        assert list(folder.leftovers()) == []
        assert folder.is_used()
        outbox.settle()
        remains = outbox.remains(0)
        assert (remains.waiting, remains.lost) == (20, 0)
        assert not list(tmp_path.glob("*.unsaved"))
        outbox.leave()
        (leftover,) = folder.leftovers()
        assert not leftover.notes.unsaved
        leftover.lock.close()

    def test_of_one_that_was_killed(self, tmp_path):
        """Its runs are known, though there is no other file of it."""
        folder = JournalFolder("", path=tmp_path)
        outbox = Outbox(folder, Reminder(), fsync=False)
        stopped = HeldLock.take(tmp_path / f"{outbox.writer}.lock")
        put(outbox, [1])
        stopped.close()
        # As the end of the process lets go.
        outbox.leave()
        (leftover,) = folder.leftovers()
        assert leftover.notes.unsaved == {"run"}
        leftover.lock.close()
