"""The thread that keeps what a notebook shows of a run as the run is."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace

from mlflow_workspace_plugin.drawing.seen_run import SeenRun
from mlflow_workspace_plugin.drawing.texts import one_line, time_text
from mlflow_workspace_plugin.fork_safe_lock import fork_safe_lock
from mlflow_workspace_plugin.overview.run.status import DELETED, says_run_is_gone
from mlflow_workspace_plugin.sdk.widgets.front_end import new_output
from mlflow_workspace_plugin.sdk.widgets.live_run import LiveRun
from mlflow_workspace_plugin.terminal import get_logger

_logger = get_logger(__name__)

_FIRST_WAIT_S = 3.0
_EVERY_S = 1.0
_AWAY_EVERY_S = 3.0
_PATIENCE = 2
"""What takes long to ask for, or to draw, is asked for the more rarely."""
_STILL_S = 10.0
"""After so long the duration is written again, though nothing else has changed."""

_watched: "dict[tuple[str, str], Watching]" = {}
_lock = fork_safe_lock()


class Watching:
    """What a notebook shows of a run, while the run goes on.

    Nothing is asked for after its end. When the hub cannot be reached, the last picture stays,
    and says so.

    Args:
        open_run: opens the run, in the thread, as that may take long.
        name: of the run, until it is open.
    """

    def __init__(self, open_run: Callable[[], LiveRun], name: str) -> None:
        self._open_run = open_run
        self._name = name
        self._run: LiveRun | None = None
        self._last: SeenRun | None = None
        self._stopped = threading.Event()
        self._output = new_output()
        self._is_new = False

    def start(self, cell: str | None, run_id: str) -> None:
        """Begin, in the place of what the same cell showed of the run before.

        It is waited a little, so that there is something to see when the cell has been run.

        Args:
            cell: the id of the cell; None is not known.
            run_id: the run.
        """
        if cell is not None:
            with _lock:
                before = _watched.pop((cell, run_id), None)
                _watched[cell, run_id] = self
            if before is not None:
                before.stop()
                before._output.close()
        threading.Thread(target=self._watch, name=f"RunDetails {run_id}", daemon=True).start()
        try:
            self._output.make(f"Run {one_line(self._name)} is asked for ...", _FIRST_WAIT_S)
        except BaseException:
            # The cell was interrupted: what has no place to be shown is not asked for.
            self.stop()
            raise

    def stop(self) -> None:
        """Show nothing any more."""
        self._stopped.set()

    def _watch(self) -> None:
        try:
            while not self._stopped.is_set():
                begun = time.monotonic()
                every = _EVERY_S
                try:
                    if self._look():
                        return
                except Exception as error:  # noqa: BLE001  a picture must not end with one failure
                    if self._failed(error):
                        return
                    every = _AWAY_EVERY_S
                took = time.monotonic() - begun
                self._stopped.wait(max(every - took, _PATIENCE * took, 0.05))
        finally:
            with _lock:
                for key in [key for key, each in _watched.items() if each is self]:
                    del _watched[key]

    def _look(self) -> bool:
        """Show the run, if it has changed; return whether it has ended."""
        if self._run is None:
            self._run = self._open_run()
        was_away = self._last is not None and self._last.note is not None
        now = time.time() * 1000
        is_old = self._last is None or now - self._last.at >= _STILL_S * 1000
        if self._run.look():
            self._is_new = True
        if self._is_new or was_away or is_old:
            self._show(self._run.seen())
            self._is_new = False
        return self._run.is_over

    def _failed(self, error: Exception) -> bool:
        """Say why the run cannot be looked at; return whether it never will be again."""
        is_gone = says_run_is_gone(error)
        last = self._last
        if last is None:
            told = "is deleted" if is_gone else "cannot be read now"
            self._write(f"Run {one_line(self._name)} {told}: {_reason(error)}")
        elif is_gone:
            note = f"The run was deleted. {_as_of(last)}"
            self._show(replace(last, note=note, status=DELETED, is_over=True))
        elif last.note is None:
            note = f"The run cannot be read now: {_reason(error)} {_as_of(last)}"
            self._show(replace(last, note=f"{note} It is tried again."))
        _logger.debug("A run cannot be read.", exc_info=error)
        return is_gone

    def _show(self, seen: SeenRun) -> None:
        self._last = seen
        self._write(seen)

    def _write(self, seen: SeenRun | str) -> None:
        if not self._stopped.is_set():
            self._output.write(seen)


def _as_of(seen: SeenRun) -> str:
    return f"What is shown is as of {time_text(seen.at)}."


def _reason(error: Exception) -> str:
    return one_line(error) or type(error).__name__
