"""Showing a run until it ends: on a terminal, or line by line where there is none."""

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import click
from mlflow.exceptions import MlflowException
from rich.console import Console
from rich.live import Live
from sqlalchemy.exc import SQLAlchemyError

from mlflow_workspace_plugin.cli.layout.words import value
from mlflow_workspace_plugin.cli.options import echo
from mlflow_workspace_plugin.cli.seen.screen import has_blocks, screen
from mlflow_workspace_plugin.errors import clause
from mlflow_workspace_plugin.overview.run.status import says_run_is_gone
from mlflow_workspace_plugin.terminal import shown

if TYPE_CHECKING:
    from mlflow_workspace_plugin.cli.seen.followed import Followed, News

_METRICS_EVERY_S = 10.0
_IN_A_LINE = 5
_PRINTED_LOG_LINES = 20
_SLOWEST_S = 30.0


def show_once(followed: "Followed") -> None:
    """Print what is known of a run: all of its metrics, and the last lines of its log."""
    console = Console(highlight=False)
    seen = followed.seen()
    shown_of_it = replace(seen, log=seen.log[-_PRINTED_LOG_LINES:])
    with console.capture() as captured:
        console.print(screen(shown_of_it, console.width, blocks=has_blocks(console)))
    for line in captured.get().splitlines():
        click.echo(line.rstrip(" "))


def on_terminal(followed: "Followed", every_s: float) -> None:
    """Show a run on the whole terminal until it ends, then print what it came to.

    Args:
        followed: the run.
        every_s: how often it is looked at.
    """
    console = Console(highlight=False)
    # Before anything is cleared: what is wrong at first is better read there.
    followed.look()
    with Live(console=console, screen=True, auto_refresh=False) as live:
        problem, pause = "", every_s
        while True:
            seen = followed.seen(problem)
            blocks = has_blocks(console)
            live.update(screen(seen, console.width, console.height, blocks=blocks), refresh=True)
            if followed.is_over:
                break
            time.sleep(pause)
            _, problem = _look(followed)
            pause = min(pause * 2, _SLOWEST_S) if problem else every_s
    show_once(followed)


def in_lines(followed: "Followed", every_s: float) -> None:
    """Print what is new of a run until it ends, in lines that can be searched.

    Args:
        followed: the run.
        every_s: how often it is looked at.
    """
    told = _Told(followed)
    news: News | None = followed.look()
    problem, pause = "", every_s
    while True:
        told.tell(news, problem)
        if followed.is_over:
            return
        time.sleep(pause)
        news, problem = _look(followed)
        pause = min(pause * 2, _SLOWEST_S) if problem else every_s


class _Told:
    """What was printed of a run."""

    def __init__(self, followed: "Followed") -> None:
        self._followed = followed
        self._status = ""
        self._problem = ""
        self._latest: dict[str, float | str] = {}
        self._metrics_at = time.monotonic()

    def tell(self, news: "News | None", problem: str) -> None:
        """Print what is new.

        Args:
            news: what was read; None where it could not be.
            problem: why.
        """
        if problem != self._problem:
            self._problem = problem
            echo(problem or "It can be read again.", err=True)
        if news is None:
            return
        head, is_over = self._followed.head, self._followed.is_over
        for line in news.lines:
            click.echo(shown(line))
        self._latest |= news.latest
        now = time.monotonic()
        if self._latest and (is_over or now - self._metrics_at >= _METRICS_EVERY_S):
            self._metrics_at = now
            said = [f"{shown(name)}: {value(last)}" for name, last in self._latest.items()]
            more = f", and {len(said) - _IN_A_LINE:,} more" if len(said) > _IN_A_LINE else ""
            echo(", ".join(said[:_IN_A_LINE]) + more)
            self._latest = {}
        if head["status"] != self._status:
            self._status = head["status"]
            reason = head.get("reason") if is_over else None
            echo(f"Run {head['run_id']} is {self._status}" + (f": {reason}" if reason else "."))


def _look(followed: "Followed") -> "tuple[News | None, str]":
    """Look at a run again; return what is new, or why that is not known now.

    Raises:
        MlflowException: there is no such run any more.
    """
    try:
        return followed.look(), ""
    except (MlflowException, OSError, SQLAlchemyError) as error:
        if says_run_is_gone(error):
            raise
        return None, f"It cannot be read now, and is tried again: {clause(error)}."
