"""Steps and timestamps of the values of a metric."""

import threading

from hypothesis import given
from hypothesis import strategies as st

from mlflow_workspace_plugin.runs.metrics.order import MetricOrder


@given(st.lists(st.none() | st.integers(-(2**63), 2**62), max_size=50))
def test_log_order_is_read_order(steps):
    """Whatever steps are given, sorting by timestamp and step gives back the order of logging."""
    order = MetricOrder()
    given_out = [order.next(step) for step in steps]
    assert given_out == sorted(set(given_out))
    assert [
        taken for (_, taken), step in zip(given_out, steps, strict=True) if step is not None
    ] == [step for step in steps if step is not None]


def test_running_index_goes_on_behind_what_is_there():
    """The step of a value without one is one more than the highest so far."""
    order = MetricOrder(last_step=41)
    assert [order.next()[1] for _ in range(3)] == [42, 43, 44]
    order.next(100)
    assert order.next()[1] == 101


def test_threads_never_share_a_pair():
    """Values logged at once from several threads are told apart."""
    order, pairs = MetricOrder(), []
    threads = [
        threading.Thread(target=lambda: pairs.extend(order.next() for _ in range(500)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(pairs)) == 4000
