"""The thread that keeps what a notebook shows of a run as the run is."""

import threading

import pytest

from mlflow_workspace_plugin.sdk.widgets import output, watching


def test_interrupted_before_anything_is_shown(monkeypatch):
    """Nothing is asked for any more, for there is no place where it would be shown."""

    def interrupted(*_):
        raise KeyboardInterrupt

    def away():
        raise OSError("the hub is away")

    monkeypatch.setattr(output.Output, "make", interrupted)
    monkeypatch.setattr(watching, "new_output", output.Output)
    with pytest.raises(KeyboardInterrupt):
        watching.Watching(away, "name").start("cell", "of-test")
    for thread in threading.enumerate():
        if thread.name == "RunDetails of-test":
            thread.join()
    assert ("cell", "of-test") not in watching._watched
