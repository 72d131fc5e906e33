"""Who sees the progress bar of a transfer."""

import fcntl
import io
import os
import pty
import struct
import termios

import pytest

from mlflow_workspace_plugin.artifacts.azure_blob.transfer import progress
from mlflow_workspace_plugin.artifacts.quiet import quietly

SHOW = """
from mlflow_workspace_plugin.artifacts.azure_blob.transfer import progress
progress._SHOWN_AFTER_S = 0
with progress.progress_bar("Uploading model.bin", 100) as bar:
    bar.update(100)
"""


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    monkeypatch.setattr(progress, "_SHOWN_AFTER_S", 0)


def shown_on_a_terminal() -> str:
    """Show a bar to a terminal; return what was written to it."""
    reading, writing = pty.openpty()
    fcntl.ioctl(writing, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    with os.fdopen(reading, "rb", 0) as screen, os.fdopen(writing, "w") as stream:
        transfer(stream)
        stream.write("end")
        stream.flush()
        shown = b""
        # A terminal passes on what it is given when it comes to it.
        while not shown.endswith(b"end"):
            shown += screen.read(2**16)
        return shown.decode()


def transfer(stream) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stderr", stream)
        with progress.progress_bar("Uploading model.bin", 100) as bar:
            bar.update(50)
            bar.refresh()


def test_on_a_terminal():
    """It says what is done and how far it is."""
    assert "Uploading model.bin:  50%" in shown_on_a_terminal()


def test_where_nobody_looks_on():
    """In a pipe or a file nothing is written."""
    stream = io.StringIO()
    transfer(stream)
    assert stream.getvalue() == ""


@pytest.mark.parametrize("stream", [None, object()])
def test_where_there_is_no_stream(stream):
    """What stands in for it may know nothing of terminals."""
    transfer(stream)


def test_switched_off(monkeypatch):
    """MLflow's variable turns it off, as for MLflow's own transfers."""
    monkeypatch.setenv("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    assert shown_on_a_terminal() == "end"


def test_in_a_call_of_sdk_v1():
    """Nothing is shown, on a terminal either."""
    with quietly():
        assert shown_on_a_terminal() == "end"
    assert shown_on_a_terminal() != "end"


def test_in_a_notebook():
    """A cell shows it."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(SHOW)])
    NotebookClient(notebook, timeout=120).execute()
    assert "Uploading model.bin" in str(notebook.cells[0].outputs)
