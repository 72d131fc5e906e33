"""The part of SDK v1's ``Run`` that waits for its end."""

import json
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from mlflow_workspace_plugin import terminal
from mlflow_workspace_plugin.errors import ActivityFailedException, ExperimentExecutionException
from mlflow_workspace_plugin.jobs.engines.local.lending import lend_slot
from mlflow_workspace_plugin.runs import status as run_status
from mlflow_workspace_plugin.runs.files.logs import LogStream
from mlflow_workspace_plugin.sdk.runs.parts.details import RunDetails

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 1.0
_LONGEST_PAUSE_OF_OUTPUT_S = 0.5


class RunWaiting(RunDetails):
    """Waits for a run, of this process or of another, and shows what it prints."""

    def wait_for_completion(
        self,
        show_output: bool = False,  # noqa: FBT001, FBT002  SDK v1's signature
        wait_post_processing: bool = False,  # noqa: FBT001, FBT002
        raise_on_error: bool = True,  # noqa: FBT001, FBT002
    ) -> dict[str, Any]:
        """Wait until the run has ended, and return :meth:`get_details` (SDK v1).

        Args:
            show_output: print the run's log as it grows, then a summary, in SDK v1's layout.
            wait_post_processing: accepted and ignored: a run that has ended is stored.
            raise_on_error: raise if the run failed.

        Raises:
            ActivityFailedException: the run failed. A canceled run raises nothing.
            ExperimentExecutionException: Ctrl-C while output is shown; the run goes on.
        """
        try:
            with self._slot_lent():
                if show_output:
                    self._show()
                else:
                    for _ in self._until_it_ends(_LONGEST_PAUSE_S):
                        pass
        except KeyboardInterrupt:
            if not show_output:
                raise
            raise ExperimentExecutionException(
                f"Showing the output of run {self.id!r} was interrupted. The run goes on: wait for "
                "it again, or end it with run.cancel()."
            ) from None
        details = self.get_details()
        error = None
        if details["status"] == run_status.FAILED:
            said = f"Run {self.id!r} failed, and said no reason. Look at its logs."
            error = json.dumps(details.get("error", said), indent=4, ensure_ascii=False)
        if show_output:
            self._show_summary(details)
        if error is not None and raise_on_error:
            raise ActivityFailedException(error)
        if show_output:
            if error is not None:
                _print(f"\nError:\n{terminal.shown_in_json(error)}")
            _print("")
        return details

    def _slot_lent(self) -> AbstractContextManager[None]:
        """Return in what is waited: a job that waits for another lends it its slot."""
        return nullcontext() if self.get_status() in run_status.TERMINAL else lend_slot()

    def _until_it_ends(self, longest_pause_s: float) -> Iterator[None]:
        """Yield each time that the run was found going on."""
        pause = _FIRST_PAUSE_S
        while self.get_status() not in run_status.TERMINAL:
            yield
            time.sleep(pause)
            pause = min(2 * pause, longest_pause_s)

    def _show(self) -> None:
        _print(f"RunId: {self.id}\nWeb View: {self.get_portal_url()}\n")
        shown = _Shown()
        stream = LogStream(self._repository())
        went_on = False
        for _ in self._until_it_ends(_LONGEST_PAUSE_OF_OUTPUT_S):
            went_on = True
            shown.show(stream.new_lines())
        # Of one that had ended before only the summary is shown (SDK v1).
        if went_on:
            shown.show(stream.new_lines(is_over=True))
        if shown.log is not None:
            _print("")

    def _show_summary(self, details: dict[str, Any]) -> None:
        _print("Execution Summary\n=================")
        _print(f"RunId: {self.id}\nWeb View: {self.get_portal_url()}")
        if "warnings" in details:
            _print("\nWarnings:")
            for warning in details["warnings"]:
                _print(terminal.shown(warning["message"], lines=True))
            _print("")


class _Shown:
    """What is shown of logs, each below its name."""

    def __init__(self) -> None:
        self.log: str | None = None

    def show(self, pieces: Iterable[tuple[str, list[str]]]) -> None:
        for log, lines in pieces:
            if log != self.log:
                if self.log is not None:
                    _print("")
                title = terminal.shown(log)
                _print(f"Streaming {title}\n{'=' * (len(title) + 10)}\n")
                self.log = log
            if lines:
                _print("\n".join(lines))


def _print(text: str, end: str = "\n") -> None:
    print(text, end=end, flush=True)  # noqa: T201  what show_output asks for
