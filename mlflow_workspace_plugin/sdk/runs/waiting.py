"""The part of SDK v1's ``Run`` that waits for its end."""

import json
import re
import time
from collections.abc import Iterator
from typing import Any

from mlflow_workspace_plugin import terminal
from mlflow_workspace_plugin.errors import ActivityFailedException, ExperimentExecutionException
from mlflow_workspace_plugin.runs import status as run_status
from mlflow_workspace_plugin.runs.lifecycle import RunLifecycle
from mlflow_workspace_plugin.sdk.runs.details import RunDetails

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 2.0
# What a job prints, and what `with run:` keeps; the last one is the most telling.
_STREAMED = (
    re.compile(r"logs/user_log\.txt"),
    re.compile(r"azureml-logs/\d{2}.+\.txt"),
    re.compile(r"user_logs/std_log.*\.txt"),
)
_FIRST_RANK = re.compile(r"(rank|worker)_0")


class RunWaiting(RunDetails, RunLifecycle):
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
        if show_output:
            try:
                self._show()
            except KeyboardInterrupt:
                raise ExperimentExecutionException(
                    f"Showing the output of run {self.id!r} was interrupted. The run goes on: wait "
                    "for it again, or end it with run.cancel()."
                ) from None
        else:
            for _ in self._until_it_ends():
                pass
        details = self.get_details()
        if show_output:
            self._show_summary(details, with_error=not raise_on_error)
        if raise_on_error and details["status"] == run_status.FAILED:
            raise ActivityFailedException(
                json.dumps(details["error"], indent=4, ensure_ascii=False)
                if "error" in details
                else f"Run {self.id!r} failed, and said no reason. Look at its logs."
            )
        return details

    def _until_it_ends(self) -> Iterator[None]:
        """Yield each time that the run was found going on."""
        pause = _FIRST_PAUSE_S
        while self.get_status() not in run_status.TERMINAL:
            yield
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)

    def _show(self) -> None:
        _print(f"RunId: {self.id}\nWeb View: {self.get_portal_url()}\n")
        name, shown = None, 0
        for _ in self._until_it_ends():
            name, shown = self._show_new(name, shown)
        if name:
            self._show_new(name, shown)
            _print("")

    def _show_new(self, name: str | None, shown: int) -> tuple[str | None, int]:
        """Print what is new in the log; return its name, and how much of it was printed."""
        latest = self._streamed_log()
        if latest is None:
            return name, shown
        if latest != name:
            if name:
                _print("")
            title = terminal.shown(latest)
            _print(f"Streaming {title}\n{'=' * (len(title) + 10)}\n")
            shown = 0
        text = self._log_text(latest)
        _print(text[shown:], end="")
        return latest, len(text)

    def _streamed_log(self) -> str | None:
        names = self._log_names()
        for pattern in reversed(_STREAMED):
            matching = sorted(name for name in names if pattern.fullmatch(name))
            if matching:
                first_rank = [name for name in matching if _FIRST_RANK.search(name)]
                return (first_rank or matching)[-1]
        return None

    def _show_summary(self, details: dict[str, Any], *, with_error: bool) -> None:
        _print("Execution Summary\n=================")
        _print(f"RunId: {self.id}\nWeb View: {self.get_portal_url()}")
        if "warnings" in details:
            _print("\nWarnings:")
            for warning in details["warnings"]:
                _print(terminal.shown(warning["message"], lines=True))
        if with_error and "error" in details:
            error = json.dumps(details["error"], indent=4, ensure_ascii=False)
            _print(f"\nError:\n{terminal.shown_in_json(error)}")
        _print("")


def _print(text: str, end: str = "\n") -> None:
    print(text, end=end, flush=True)  # noqa: T201  what show_output asks for
