"""The access log: a line of JSON for each request, on standard output.

It holds what names a request and who asked, and nothing that anybody could use: no header, no
parameter behind ``?``, no body. JSON keeps what a client sent from writing lines of its own.
"""

import json
import queue
import sys
import threading
from contextlib import suppress
from datetime import datetime, timezone
from typing import Any

_WAITING = 10_000
_LONGEST_PATH = 1_000


class AccessLog:
    """Writes in a thread: nobody is kept waiting by who reads the log.

    What more than ten thousand lines wait for is left out, and counted in the next line.
    """

    def __init__(self) -> None:
        self._lines: queue.Queue[dict[str, Any]] = queue.Queue(_WAITING)
        self._lost = 0
        threading.Thread(target=self._write, name="access-log", daemon=True).start()

    def note(self, path: str, **facts: Any) -> None:
        """Write a line.

        Args:
            path: what was asked for.
            facts: what else is known of the request.
        """
        now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        line = {"time": now, "path": path[:_LONGEST_PATH], **facts}
        if self._lost:
            line["lost_lines"] = self._lost
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self._lost += 1
            return
        self._lost = 0

    def _write(self) -> None:
        while True:
            text = json.dumps(self._lines.get())
            # Who reads it may be gone.
            with suppress(OSError, ValueError):
                sys.stdout.write(f"{text}\n")
                if self._lines.empty():
                    sys.stdout.flush()
