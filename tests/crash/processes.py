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
        os.waitpid(self.pid, 0)
        whole = len(told) // _SIZE * _SIZE
        return [number for (number,) in struct.iter_unpack(_FORMAT, told[:whole])]


def fork(do: Body) -> Child:
    """Fork a child that does something, and ends without what an interpreter does at its end."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return Child(pid, reading)
    try:
        os.close(reading)
        do(lambda number: os.write(writing, struct.pack(_FORMAT, number)) and None)
    finally:
        os._exit(0)


def moment(longest_s: float) -> float:
    """Return a random time, short ones as likely as long ones."""
    return longest_s * random.random() ** 2
