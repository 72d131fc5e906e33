"""What travels of a journal: a batch reads back as it was, and what is none is told from one."""

import json
import os
import subprocess
import sys
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlflow_workspace_plugin.journal.files import records
from mlflow_workspace_plugin.journal.files.folder import JournalFolder, new_writer_id
from mlflow_workspace_plugin.journal.files.records import Kind, line
from mlflow_workspace_plugin.journal.files.secret import JournalSecret
from mlflow_workspace_plugin.journal.sending.replay import writer_of_segment
from mlflow_workspace_plugin.protocol import journal
from mlflow_workspace_plugin.protocol.journal import (
    Batch,
    InvalidBatchError,
    Refused,
    Reply,
    TooLargeError,
    from_bytes,
    to_bytes,
)

WRITER = "0123abcd-" + "0" * 32
sequences = st.integers(0, 2**63 - 1)


def lines_of(*bodies):
    return [line(number, body) for number, body in enumerate(bodies, 1)]


@given(
    st.builds(
        Batch,
        st.just(WRITER),
        sequences,
        st.lists(st.binary().map(lambda text: text.replace(b"\n", b"") + b"\n")),
        st.integers(1, 2**63 - 1),
        st.lists(sequences).map(tuple),
    )
)
def test_a_batch_reads_back(batch):
    """Whatever its lines hold; they are not looked at."""
    assert from_bytes(to_bytes(batch)) == batch


@given(
    st.builds(
        Reply,
        sequences,
        st.lists(
            st.builds(Refused, st.text(), st.text(), st.lists(sequences).map(tuple), st.text())
        ),
    )
)
def test_a_reply_reads_back(reply):
    """Whatever the messages are."""
    sent = json.dumps(journal.reply_to_json(reply)).encode()
    assert journal.reply_from_json(sent) == reply


@given(st.binary())
def test_any_body_is_a_batch_or_refused(body):
    """Nothing else comes of bytes that a stranger sends, compressed or not."""
    for each in (body, zlib.compress(body), zlib.compress(b"{}\n" + body)):
        with pytest.raises((InvalidBatchError, TooLargeError)):
            from_bytes(each)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=10,
)


@given(st.one_of(st.binary(), json_values.map(lambda each: json.dumps(each).encode())))
def test_any_line_is_a_record_or_refused(body):
    """With the right checksum, too, and whatever it says."""
    text = b"1 " + body
    for each in (body, body + b"\n", b"%08x %s\n" % (zlib.crc32(text), text)):
        try:
            record = records.read(each)
        except ValueError:
            continue
        assert record == records.parse(each[:-1])


@given(sequences.filter(bool), st.sampled_from(Kind), st.text(), json_values)
def test_what_a_journal_writes_is_read(sequence, kind, run_id, content):
    """By a stranger as by its own process, which trusts it."""
    written = line(sequence, records.body(kind, run_id, 1, content))
    assert repr(records.read(written)) == repr(records.parse(written[:-1]))
    damaged = written[:-3] + bytes([written[-3] ^ 1]) + written[-2:]
    with pytest.raises(ValueError, match=r"^It "):
        records.read(damaged)


def test_a_bomb_is_not_unpacked():
    """A small body of a large text, of many lines, or of many values is told to be too large."""
    head = json.dumps({"writer": WRITER}).encode() + b"\n"
    lists = line(1, f'["metrics","a",1,[{"[]," * (journal.MAX_VALUES // 2)}[]]]')
    for text in (b"0" * (journal.MAX_TEXT_BYTES + 1), b"\n" * (journal.MAX_RECORDS + 1), lists):
        with pytest.raises(TooLargeError, match="at most"):
            from_bytes(zlib.compress(head + text))


def test_values_are_counted_in_what_is_read():
    """In texts they are none; a first line of another encoding does not hide those behind it."""
    of_tag = line(1, records.body(Kind.TAG, "a", 1, {"t": '[",' * journal.MAX_VALUES}))
    assert from_bytes(to_bytes(Batch(WRITER, 0, [of_tag]))).lines == [of_tag]
    # The letter has a byte that is a quotation mark.
    head = json.dumps({"writer": WRITER, "\u0122": 1}, ensure_ascii=False).encode("utf-16-le")
    with pytest.raises(InvalidBatchError, match="not JSON"):
        from_bytes(zlib.compress(head + b"\n"))


@pytest.mark.parametrize(
    "head",
    [
        [],
        {"writer": "../../etc/x"},
        {"writer": WRITER + "\n"},
        {"writer": WRITER + ".lost"},
        {"writer": WRITER.upper()},
        {"writer": WRITER, "follows": -1},
        {"writer": WRITER, "follows": True},
        {"writer": WRITER, "follows": 2**63},
        {"writer": WRITER, "acknowledged": 1.0},
        {"writer": WRITER, "unheard": 7},
        {"writer": WRITER, "unheard": ["1"]},
    ],
)
def test_heads_that_are_none(head):
    """The id of a writer has one form, and sequences are whole numbers of 64 bits."""
    with pytest.raises(InvalidBatchError):
        from_bytes(zlib.compress(json.dumps(head).encode() + b"\n"))


def test_ids_that_journals_use():
    """All ids under which a journal is sent have the form."""
    writer = new_writer_id()
    segment = writer_of_segment(writer, 1)
    for used in (writer, segment, f"{segment}.lost", f"{writer}.reserve", f"{writer}.memory"):
        assert journal.is_writer(used)
        assert journal.journal_of(used) == writer
        assert len(used) <= 64
    assert not journal.is_writer(f"{writer}.x")


class TestSecret:
    """The secret of the journals in a folder."""

    def test_it_is_the_same_for_whoever_has_the_folder(self, tmp_path):
        """Another for each writer, and nobody else can read it."""
        folder = JournalFolder("workspace://hub/team-a", tmp_path)
        given_first = JournalSecret(folder).of(WRITER)
        assert journal.is_secret(given_first)
        assert JournalSecret(folder).of(WRITER) == given_first
        assert JournalSecret(folder).of(WRITER[::-1]) != given_first
        assert (folder.path / "secret").stat().st_mode & 0o077 == 0
        elsewhere = JournalFolder("workspace://hub/team-b", tmp_path)
        assert JournalSecret(elsewhere).of(WRITER) != given_first

    def test_one_that_was_given_stays(self, tmp_path):
        """Though somebody removes the file; where none can be made it is in memory only."""
        folder = JournalFolder("workspace://hub/team-a", tmp_path)
        secret = JournalSecret(folder)
        before = secret.of(WRITER)
        (folder.path / "secret").unlink()
        assert secret.of(WRITER) == before
        (tmp_path / "file").write_text("")
        nowhere = JournalSecret(JournalFolder("workspace://hub/team-a", tmp_path / "file"))
        assert nowhere.of(WRITER) == nowhere.of(WRITER)

    def test_a_folder_that_cannot_be_entered_has_none(self, tmp_path):
        """What waits in memory only is sent all the same."""
        closed = tmp_path / "closed"
        closed.mkdir(mode=0)
        # Root enters everything, unless it gives that right up.
        without = "-dac_override,-dac_read_search"
        as_anybody = ["setpriv", f"--bounding-set={without}", f"--inh-caps={without}"]
        script = (
            "import sys\n"
            "from pathlib import Path\n"
            "from mlflow_workspace_plugin.journal.files.folder import JournalFolder\n"
            "from mlflow_workspace_plugin.journal.files.secret import JournalSecret\n"
            "secret = JournalSecret(JournalFolder('workspace://hub/team-a', Path(sys.argv[1])))\n"
            "print(secret.of('w'), secret.of('w'))\n"
        )
        command = [*(as_anybody if os.geteuid() == 0 else []), sys.executable, "-c", script]
        done = subprocess.run(
            [*command, closed], capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 0, done.stderr
        first, second = done.stdout.split()
        assert journal.is_secret(first)
        assert first == second
