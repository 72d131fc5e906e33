"""What a fork waits for."""

import threading

import pytest

from mlflow_workspace_plugin.fork_gate import ForkGate
from tests.waiting import wait_until

LONG_S = 60.0


@pytest.fixture
def gate():
    return ForkGate()


def test_fork_waits_for_its_kind_only(gate):
    """A thread that connects to a silent server keeps back no fork that waits for files."""
    entered, leave = threading.Event(), threading.Event()

    def use_server():
        with gate.servers:
            entered.set()
            leave.wait(LONG_S)

    thread = threading.Thread(target=use_server)
    thread.start()
    entered.wait()
    forked = threading.Thread(target=lambda: (gate.close(gate.files, LONG_S), gate.open()))
    forked.start()
    forked.join(LONG_S / 2)
    assert not forked.is_alive()
    leave.set()
    thread.join()


@pytest.mark.parametrize("within", ["files", "servers"])
def test_fork_waits_for_a_use_within_another(gate, within):
    """Also for one of a server within one of a file, which does not wait for the fork in turn."""
    entered, leave = threading.Event(), threading.Event()
    order = []

    def use():
        with gate.files:
            entered.set()
            leave.wait(LONG_S)
            with getattr(gate, within):
                order.append("used")

    def fork():
        gate.close(gate.files, LONG_S)
        order.append("forked")
        gate.open()

    threads = [threading.Thread(target=use), threading.Thread(target=fork)]
    threads[0].start()
    entered.wait()
    threads[1].start()
    wait_until(lambda: gate.forking)
    leave.set()
    for thread in threads:
        thread.join(LONG_S / 2)
    assert order == ["used", "forked"]


def test_file_within_a_server_waits_for_the_fork(gate):
    """The fork does not wait for the server, so what begins with a file comes behind it."""
    entered, leave = threading.Event(), threading.Event()
    order = []

    def use():
        with gate.servers:
            entered.set()
            leave.wait(LONG_S)
            with gate.files:
                order.append("used")

    thread = threading.Thread(target=use)
    thread.start()
    entered.wait()
    gate.close(gate.files, LONG_S)
    leave.set()
    thread.join(0.1)
    order.append("forked")
    gate.open()
    thread.join()
    assert order == ["forked", "used"]


def test_child_that_was_forked_within_a_use(gate):
    """Its end in the child counts nothing, and the next one is counted."""
    with gate.files:
        gate.renew()
    assert gate.files.threads == 0
    with gate.files, gate.servers:
        assert (gate.files.threads, gate.servers.threads) == (1, 1)
