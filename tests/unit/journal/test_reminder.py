"""Warnings of the journal: one when a thing begins, then one a minute."""

import time

from mlflow_workspace_plugin.journal.reminder import Reminder


def test_once_a_minute(monkeypatch, caplog):
    """However often it happens; other things are warned of all the same."""
    now = [1_000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    reminder = Reminder()
    for second in range(121):
        now[0] = 1_000.0 + second
        reminder.warn("disk", "after %d s", second)
    reminder.warn("network", "another")
    said = [record.getMessage() for record in caplog.records]
    assert said == ["after 0 s", "after 60 s", "after 120 s", "another"]
