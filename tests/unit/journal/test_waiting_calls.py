"""Which records of ended processes a call comes behind, and how long it waits for its own."""

import json
import threading
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from mlflow_workspace_plugin.journal.end_wait import EndWait
from mlflow_workspace_plugin.journal.files.records import Kind, body, line
from mlflow_workspace_plugin.journal.files.segments import segment_path
from mlflow_workspace_plugin.journal.progress import Progress
from mlflow_workspace_plugin.journal.sending import run_search
from mlflow_workspace_plugin.journal.sending.run_search import Place, RunSearch

run_ids = st.text(min_size=1, max_size=8)


@settings(deadline=None)
@given(
    segments=st.lists(st.lists(st.tuples(run_ids, st.text()), max_size=20), max_size=3),
    wanted=run_ids,
    piece=st.integers(40, 200),
)
def test_last_record_of_a_run(segments, wanted, piece):
    """It is found whatever ids and values are, and wherever the file is cut while it is read."""
    before, run_search._PIECE_BYTES = run_search._PIECE_BYTES, piece
    expected, sequence = {}, 0
    try:
        with TemporaryDirectory() as name:
            folder = Path(name)
            for number, records in enumerate(segments, 1):
                content = b""
                for run_id, value in records:
                    sequence += 1
                    text = line(sequence, body(Kind.TAG, run_id, 1, {"key": value}))
                    at = text.index(f",{json.dumps(run_id)},".encode())
                    expected[run_id] = Place(number, len(content) + at, sequence)
                    content += text
                segment_path(folder, "writer", number).write_bytes(content)
            search = RunSearch(folder, "writer", list(range(1, len(segments) + 1)))
            for run_id in {*expected, wanted}:
                assert search.last_of(run_id) == expected.get(run_id)
    finally:
        run_search._PIECE_BYTES = before


def test_call_behind_much():
    """It gives up although there is progress, and those after it until all before it is stored."""
    progress = Progress()
    stop = threading.Event()

    def go_on() -> None:
        while not stop.wait(0.01):
            progress.note_life()

    thread = threading.Thread(target=go_on)
    thread.start()
    progress.wait_for(1_000, 0.2)
    # So long that the test would not end.
    progress.wait_for(1_001, 1e6)
    assert not progress.away
    stop.set()
    thread.join()
    progress.note_sent(1_001)
    progress.wait_for(1_001, 1e6)
    assert progress.take_answer(1_001) == (True, None)


def test_how_long_the_end_waits(monkeypatch):
    """As long as the user has set, whatever that is; what is no number is as unset."""
    for text, left_s in (("0", 0), ("-5", 0), ("3", 3), ("inf", 1e6)):
        monkeypatch.setenv("MLFLOW_WORKSPACE_EXIT_WAIT", text)
        wait = EndWait()
        assert round(wait.left_s) == left_s
        assert wait.patience_s > 1e6
    for text in ("", "nan", "soon"):
        monkeypatch.setenv("MLFLOW_WORKSPACE_EXIT_WAIT", text)
        wait = EndWait()
        assert (round(wait.left_s), wait.patience_s) == (120, 10)


def test_call_that_was_told_before_a_target_was_restored():
    """Its record comes again, and why it is refused then is for nobody who waits."""
    progress = Progress()
    progress.note_sent(5)
    progress.note_behind(0)
    assert not progress.answer(3, Exception())
    assert progress.answer(6, Exception())
