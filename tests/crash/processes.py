"""Children that are forked from this process, with the stores it has open, and are killed.

Those of ``tests.python_processes`` have nothing open, which would take longer than they live.
"""

import os
import random
import signal
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass

_FORMAT = "<q"
_SIZE = struct.calcsize(_FORMAT)

Body = Callable[[Callable[[int], None]], None]
"""What a child does; it is given a function that tells the parent the number of a done call."""


@dataclass
class Child:
    """A forked child, and the pipe on which it tells what it has done."""

    pid: int
    pipe: int
    _status: int = 0

    def kill(self, after_s: float) -> list[int]:
        """Kill it after some seconds; return the numbers that it told before."""
        time.sleep(after_s)
        os.kill(self.pid, signal.SIGKILL)
        return self.join()

    def join(self) -> list[int]:
        """Wait for its end; return the numbers that it told."""
        told = b""
        while part := os.read(self.pipe, 1 << 20):
            told += part
        os.close(self.pipe)
        self._status = os.waitpid(self.pid, 0)[1]
        whole = len(told) // _SIZE * _SIZE
        return [number for (number,) in struct.iter_unpack(_FORMAT, told[:whole])]

    def join_status(self) -> int:
        """Wait for its end; return its exit code, or minus the signal that ended it."""
        self.join()
        return os.waitstatus_to_exitcode(self._status)


def fork(do: Body) -> Child:
    """Fork a child that does something, and ends without what an interpreter does at its end."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return Child(pid, reading)
    code = 1
    try:
        os.close(reading)
        do(lambda number: os.write(writing, struct.pack(_FORMAT, number)) and None)
        code = 0
    finally:
        os._exit(code)


def moment(longest_s: float) -> float:
    """Return a random time, short ones as likely as long ones."""
    return longest_s * random.random() ** 2
