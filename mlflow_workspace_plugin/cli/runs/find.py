"""Which run a command means: by its id, by the beginning of that, or by its name."""

import difflib
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from mlflow_workspace_plugin.cli.completion import complete_runs
from mlflow_workspace_plugin.cli.hub_seen import SeenHub, seen_hub
from mlflow_workspace_plugin.cli.layout import words
from mlflow_workspace_plugin.cli.options import HubPlace
from mlflow_workspace_plugin.terminal import shown

if TYPE_CHECKING:
    from mlflow_workspace_plugin.overview.source import Source
    from mlflow_workspace_plugin.sdk.runs.run import Run
    from mlflow_workspace_plugin.sdk.workspace import Workspace
    from mlflow_workspace_plugin.stores.reads.run_lookup import RunPlace

Command = TypeVar("Command", bound=Callable[..., Any])

SHORT_ID = 8
_COMPARED = 2_000
_LISTED = 10


def run_argument(command: Command, **options: Any) -> Command:
    """Add the argument ``RUN``, for :func:`find_run`."""
    options = {"metavar": "RUN"} | options
    return click.argument("run", shell_complete=complete_runs, **options)(command)


def optional_run_argument(command: Command) -> Command:
    """Add the argument ``RUN``, which may be left out."""
    return run_argument(command, metavar="[RUN]", required=False)


@dataclass(frozen=True)
class FoundRun:
    """A run that a command means.

    Attributes:
        hub: where it is.
        place: what it is, and its workspace and experiment.
        is_by_id: whether it was named by its full id.
    """

    hub: "SeenHub"
    place: "RunPlace"
    is_by_id: bool

    @property
    def id(self) -> str:
        """MLflow's id of it."""
        return self.place.run_id

    @property
    def title(self) -> str:
        """How people call it: its name, and the beginning of its id."""
        return title(self.place.name, self.id)

    def workspace(self) -> "Workspace":
        """Open its workspace."""
        from mlflow_workspace_plugin.sdk.workspace import Workspace

        return Workspace.get(self.place.workspace, hub=self.hub.place)

    def source(self) -> "Source":
        """Return its workspace as it is stored, beside what this process logs."""
        from mlflow_workspace_plugin.overview.source import source_of

        return source_of(self.hub.uri(self.place.workspace))

    def read(self) -> "Run":
        """Read it from its workspace."""
        return self.workspace().get_run(self.id)


def title(name: str | None, run_id: str) -> str:
    """Return how people call a run: its name, and the beginning of its id."""
    short = run_id[:SHORT_ID]
    return f"'{shown(name)}' ({short})" if name else short


def said(place: "RunPlace") -> str:
    """Return a line about a run that tells it from others: its whole id, and what it is of."""
    return (
        f"{place.run_id}  {words.ago(place.start_time)}, {shown(place.workspace)}, "
        f"{shown(place.experiment)}, {shown(place.name or '')}"
    )


def find_run(given: str, workspace: str | None, hub: HubPlace) -> FoundRun:
    """Return the run that is meant: in a workspace, else in the one around, else in the hub.

    Args:
        given: an id, the beginning of one, or a name.
        workspace: as ``--workspace`` names it.
        hub: as ``--hub`` names it.

    Raises:
        RunNotFoundError: there is none.
        UserErrorException: several are called so.
        HubError: the hub cannot be opened.
    """
    from mlflow_workspace_plugin.cli.which_workspace import workspace_around

    around = None
    if workspace is None and (found := workspace_around(hub)) is not None:
        seen, around = seen_hub(found._hub_place), found._record.name
    else:
        seen = seen_hub(hub)
    if workspace is not None:
        workspace = seen.workspace(workspace).name
    runs = [] if around is None else seen.runs_called(given, around)
    runs = runs or seen.runs_called(given, workspace)
    if not runs:
        _raise_unknown(seen, given, workspace)
    if len(runs) > 1:
        _raise_ambiguous(seen, given, runs)
    return FoundRun(seen, runs[0], is_by_id=runs[0].run_id == given)


def _raise_unknown(hub: "SeenHub", given: str, workspace: str | None) -> NoReturn:
    from mlflow_workspace_plugin.errors import RunNotFoundError
    from mlflow_workspace_plugin.hub.workspace_record import find

    hint = _did_you_mean(given, hub.newest_runs(_COMPARED, workspace))
    if workspace is None and find(hub.workspaces(), given) is not None:
        hint = f"A workspace is called so: -w {shlex.quote(given)} names it."
    where = "any workspace" if workspace is None else f"workspace {workspace!r}"
    raise RunNotFoundError(
        f"There is no such run: '{shown(given)}' is not in {where} of hub "
        f"{str(hub.place)!r}. {hint}"
    )


def _did_you_mean(given: str, newest: "Sequence[RunPlace]") -> str:
    by_word: dict[str, RunPlace] = {}
    for each in newest:
        # The newest of a name is the one that is meant, most likely.
        by_word.setdefault(each.run_id, each)
        by_word.setdefault(each.run_id[: len(given)], each)
        if each.name:
            by_word.setdefault(each.name, each)
    close = difflib.get_close_matches(given, by_word, n=1)
    if close:
        place = by_word[close[0]]
        return f"Did you mean {title(place.name, place.run_id)} of workspace {place.workspace!r}?"
    if not newest:
        return "No run has been logged there."
    return "mlflow-workspace runs lists those of a workspace; --hub names another hub."


def _raise_ambiguous(hub: "SeenHub", given: str, runs: "Sequence[RunPlace]") -> NoReturn:
    from mlflow_workspace_plugin.cli.layout.tables import cut, terminal_width
    from mlflow_workspace_plugin.errors import UserErrorException

    lines = [cut(f"  {said(each)}", terminal_width()) for each in runs[:_LISTED]]
    if len(runs) > _LISTED:
        lines.append(f"  and {len(runs) - _LISTED:,} more")
    raise UserErrorException(
        f"'{shown(given)}' may mean {len(runs):,} runs of hub {str(hub.place)!r}. "
        "Name one by its id:\n" + "\n".join(lines)
    )
