"""Letting the threads of a training run while what they logged is sent."""

import time

RECORDS_AT_ONCE = 20
"""After how many records the sending thread gives way: after about 0.1 ms."""

# A sleep of no time would give the interpreter away and take it back before others have noticed.
_MOMENT_S = 5e-5


def give_way() -> None:
    """Let another thread have the interpreter.

    A thread that computes keeps it for 5 ms although others wait; a logging call, which gives it
    away while it writes to its file, would have to wait as long.
    """
    time.sleep(_MOMENT_S)
