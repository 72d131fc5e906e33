"""What stands in a notebook: IPython's outputs, of HTML."""

import html
import threading
import uuid
from typing import Any

from mlflow_workspace_plugin.drawing.run_html import html_of_run
from mlflow_workspace_plugin.drawing.run_text import text_of_run
from mlflow_workspace_plugin.drawing.seen_run import SeenRun

Bundle = dict[str, Any]
"""What is shown, by its MIME type: a front end takes the richest that it knows."""


class Output:
    """A place in a notebook. It is made by the cell that is run, and written to from any thread.

    What it shows is HTML, so that it is stored with the notebook, and needs no script.
    """

    def __init__(self) -> None:
        self._id = uuid.uuid4().hex
        self._lock = threading.Lock()
        self._is_there = False
        self._newest: SeenRun | str = ""
        self._is_ready = threading.Event()

    def make(self, meanwhile: str, wait_s: float) -> None:
        """Make it, with what was written by then.

        Args:
            meanwhile: what is shown if nothing was.
            wait_s: so long it is waited for that.
        """
        self._is_ready.wait(wait_s)
        with self._lock:
            self._show(self._newest or meanwhile)
            self._is_there = True

    def write(self, seen: SeenRun | str) -> None:
        """Write to it what takes the place of what was there: a run, or words."""
        with self._lock:
            if self._is_there:
                self._update(seen)
            self._newest = seen
        self._is_ready.set()

    def close(self) -> None:
        """Be shown no more: something else is in its place."""

    def _bundle(self, seen: SeenRun | str) -> Bundle:
        if isinstance(seen, str):
            return {"text/html": f"<div>{html.escape(seen)}</div>", "text/plain": seen}
        return {"text/html": html_of_run(seen), "text/plain": text_of_run(seen)}

    def _show(self, seen: SeenRun | str) -> None:
        from IPython.display import display

        display(self._bundle(seen), raw=True, display_id=self._id)

    def _update(self, seen: SeenRun | str) -> None:
        from IPython.display import update_display

        update_display(self._bundle(seen), raw=True, display_id=self._id)
