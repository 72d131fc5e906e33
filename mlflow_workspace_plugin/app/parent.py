"""The end of the server when the command that started it is gone."""

import os
import signal
import sys
import threading


def end_with_parent() -> None:
    """End this process in order once the other end of its standard input is closed.

    ``mlflow-workspace ui`` holds it, and the system closes it however that ends.
    """
    threading.Thread(target=_wait, name="parent", daemon=True).start()


def _wait() -> None:
    while sys.stdin.buffer.read(1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
