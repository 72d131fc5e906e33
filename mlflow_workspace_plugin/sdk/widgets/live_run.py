"""A run that is looked at again and again."""

import time
from collections.abc import Callable
from typing import Any

from mlflow_workspace_plugin.drawing.seen_run import ChildSeen, SeenRun
from mlflow_workspace_plugin.overview.figures.figures import figure_names_of_runs, figures_of_run
from mlflow_workspace_plugin.overview.figures.latest import LatestValues
from mlflow_workspace_plugin.overview.live.tick import Tick, tick
from mlflow_workspace_plugin.overview.run.log import LogPiece
from mlflow_workspace_plugin.overview.run.overview import children_of_run, facts_of_run
from mlflow_workspace_plugin.overview.source import Source
from mlflow_workspace_plugin.sdk.widgets.live_figures import LiveFigures
from mlflow_workspace_plugin.sdk.widgets.thumbnails import Thumbnails

POINTS = 600
"""So many of a curve are read: two for each column of pixels, and some."""

_CHILDREN = 40
_DEPTH = 4
_CHILDREN_EVERY_S = 4
_PATIENCE = 20
_LOG = 12_000
_PARAMETERS = 20


class LiveRun:
    """What is seen of a run; each look asks only for what has changed.

    Args:
        source: the workspace.
        run_id: the run.
        page_of: returns the address of the page of a run, by its id.
        points: so many of a curve are read.
        within_s: after so many seconds a look reads no more figures; None is all of them.
    """

    def __init__(
        self,
        source: Source,
        run_id: str,
        page_of: Callable[[str], str],
        points: int = POINTS,
        within_s: float | None = None,
    ) -> None:
        self._source = source
        self._run_id = run_id
        self._page_of = page_of
        self._cursor: dict[str, Any] | None = None
        self._head: dict[str, Any] = {}
        self._figures = LiveFigures(
            lambda names: list(figures_of_run(source, run_id, names=names, points=points)),
            points,
            within_s,
        )
        self._experiment: str | None = None
        self._facts: dict[str, Any] = {}
        self._children: list[ChildSeen] = []
        self._are_more_children = False
        self._children_again_at = 0.0
        self._log: LogPiece | None = None
        self._thumbnails = Thumbnails()
        self.is_over = False
        """Nothing changes any more."""

    def look(self, *, reads: bool = True) -> bool:
        """Ask what has changed; return whether anything has.

        Args:
            reads: figures, too, which may take long; else they wait for the next look.

        Raises:
            MlflowException: the run is not there, or it cannot be asked for.
        """
        found = tick(self._source, self._run_id, self._cursor)
        changed = self._take_tick(found, reads=reads)
        if self._take_children(is_over=found.is_over):
            changed = True
        # What a failure kept from being read is read at the next look.
        self._cursor = found.cursor
        self.is_over = found.is_over
        return changed

    @property
    def left_out(self) -> int:
        """How many metrics are not among what is seen."""
        return self._figures.left_out

    def seen(self, note: str | None = None) -> SeenRun:
        """Return what is seen of the run.

        Args:
            note: what is to be said of it.
        """
        head, figures = self._head, self._figures.figures
        return SeenRun(
            run_id=self._run_id,
            name=head["name"],
            experiment=self._experiment or "",
            status=head["status"],
            is_over=self.is_over,
            at=head["now"],
            duration_ms=_duration(head),
            facts=self._told(),
            reason=head["reason"] or head["warning"],
            page=self._page_of(self._run_id),
            metrics=self._figures.metrics(),
            figures=figures,
            children=self._children,
            are_more_children=self._are_more_children,
            log_name=self._log.name if self._log else None,
            log=as_printed(self._log.text) if self._log else "",
            images=self._thumbnails.of(figures, self._source.repository, self._run_id),
            note=note,
        )

    def _take_tick(self, found: Tick, *, reads: bool) -> bool:
        changed = bool(found.head or found.facts or found.log)
        if found.head or not self._head:
            self._head = dict(found.head or {})
        self._head["now"] = time.time_ns() // 1_000_000
        if found.facts or not self._facts:
            run = self._source.store.get_run(self._run_id)
            self._facts = facts_of_run(run)
            if self._experiment is None:
                experiment = self._source.store.get_experiment(run.info.experiment_id)
                self._experiment = experiment.name
        if found.log:
            self._log = _joined(self._log, found.log)
        again, texts = set(found.again), {}
        if found.files:
            # What MLflow's own calls log as files is no metric.
            names = figure_names_of_runs(self._source, [self._run_id])
            again |= set(self._figures.of_files(names))
        if found.again:
            texts = dict(LatestValues(self._source).of(self._source.store.get_run(self._run_id)))
        told = found.points, again, found.latest | texts
        return self._figures.take(*told, is_over=found.is_over, reads=reads) or changed

    def _take_children(self, *, is_over: bool) -> bool:
        now = time.monotonic()
        if now < self._children_again_at and not is_over:
            return False
        found: list[ChildSeen] = []
        self._are_more_children = self._add_children(found, self._run_id, 0)
        took = time.monotonic() - now
        self._children_again_at = now + max(_CHILDREN_EVERY_S, _PATIENCE * took)
        changed = found != self._children
        self._children = found
        return changed

    def _add_children(self, found: list[ChildSeen], run_id: str, depth: int) -> bool:
        """Add the children of a run, and theirs; return whether there are more."""
        room = _CHILDREN - len(found)
        if room <= 0 or depth >= _DEPTH:
            return True
        page = children_of_run(self._source, run_id, 0, room)
        are_more = page["next"] is not None
        for each in page["children"]:
            if len(found) >= _CHILDREN:
                return True
            took = _duration(each | {"now": None})
            page_of_child = self._page_of(each["run_id"])
            told = each["name"], each["run_id"], each["status"], took, page_of_child
            found.append(ChildSeen(depth, *told))
            if each["children"]:
                are_more = self._add_children(found, each["run_id"], depth + 1) or are_more
        return are_more

    def _told(self) -> list[tuple[str, str]]:
        head = self._head
        facts = [
            ("Remark", head.get("remark")),
            ("Compute", head["compute"]),
            ("Waits for", head["waits"]),
            ("Exit code", None if head["exit_code"] is None else str(head["exit_code"])),
        ]
        told = [(label, text) for label, text in facts if text]
        parameters = self._facts["params"]
        said = ", ".join(f"{name} = {value}" for name, value in parameters[:_PARAMETERS])
        return [*told, ("Parameters", said)] if said else told


def as_printed(text: str) -> str:
    """Return what a terminal would show of text: a carriage return begins the line again."""
    lines = text.replace("\r\n", "\n").split("\n")
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines)


def _joined(known: LogPiece | None, piece: LogPiece) -> LogPiece:
    """Return the end of a log, with a piece that came to it."""
    follows = known is not None and known.name == piece.name and known.end == piece.start
    text = f"{known.text}{piece.text}" if known is not None and follows else piece.text
    if len(text) > _LOG:
        text = text[-_LOG:].partition("\n")[2] or text[-_LOG:]
    return LogPiece(piece.name, piece.start, piece.end, text)


def _duration(head: dict[str, Any]) -> int | None:
    started, ended = head["started"], head["ended"] or head["now"]
    return None if started is None or ended is None else max(0, ended - started)
