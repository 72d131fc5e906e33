"""Traces that wait for a database together: when they are tried, and when not."""

from types import SimpleNamespace

import pytest

from mlflow_workspace_plugin.errors import NoAnswerError
from mlflow_workspace_plugin.stores.journalling import traces


class Store(traces.Traces):
    """A store whose database answers as it is told."""

    def __init__(self, clock):
        super().__init__()
        self.journal = SimpleNamespace(folder=SimpleNamespace(target="the hub"))
        self.clock = clock
        self.takes_s, self.is_away, self.waited = 0.0, False, []

    def _answered(self, method, *args, within_s=None, **kwargs):
        self.waited.append(within_s)
        self.clock.now += within_s if self.is_away else self.takes_s
        if self.is_away or self.takes_s > within_s:
            raise NoAnswerError("It is away.")
        return "stored"

    def is_stored(self):
        """Whether a trace is stored."""
        try:
            return self._together(None) == "stored"
        except NoAnswerError:
            return False


@pytest.fixture
def store(monkeypatch):
    """A store, by a clock that only waiting moves."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(traces, "time", SimpleNamespace(monotonic=lambda: clock.now))
    monkeypatch.setattr(traces, "wait_s", lambda: 60.0)
    return Store(clock)


def test_those_behind_one_that_waited_do_not(store):
    """Until one that is tried after some seconds is stored, however long that takes."""
    store.is_away = True
    assert not any(store.is_stored() for _ in range(100))
    assert store.waited == [60.0]
    store.clock.now += traces._AGAIN_S
    assert not store.is_stored()
    store.is_away, store.takes_s = False, 2.0
    store.clock.now += traces._AGAIN_S
    assert store.is_stored()
    assert store.is_stored()
    assert store.waited == [60.0, traces._PROBE_S, traces._PROBE_S, 60.0]


def test_a_lost_answer_is_no_outage(store, monkeypatch):
    """It is told at once, and the next trace is tried."""

    def lost(*_, **__):
        raise NoAnswerError("It went away while it stored this.")

    with monkeypatch.context() as losing:
        losing.setattr(store, "_answered", lost)
        assert not store.is_stored()
    assert store.is_stored()
