"""Views: which charts and columns are shown of which runs, as they are kept and exchanged."""

import getpass
import json
import math
import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from mlflow_workspace_plugin.errors import (
    UserErrorException,
    ViewChangedError,
    ViewNotFoundError,
    ViewNotYoursError,
)
from mlflow_workspace_plugin.overview.runs.compare import MOST_RUNS
from mlflow_workspace_plugin.overview.runs.experiment import experiments, found_runs
from mlflow_workspace_plugin.overview.runs.facts import Column
from mlflow_workspace_plugin.overview.source import Source
from mlflow_workspace_plugin.overview.viewer import viewer
from mlflow_workspace_plugin.stores.views import View

MOST_BYTES = 256 * 1024
"""So large a definition may be."""

_KIND = "view of mlflow-workspace-plugin"
_VERSION = 1
_NAME_LENGTH = 255
_MOST_CHARTS = 2_000
_MOST_TEXT = 4_000
_ID_LENGTH = 32
_X = ("step", "relative", "time")
_MAY_CHANGE = ("owner", "everybody")

Definition = dict[str, Any]


def checked(definition: Any) -> Definition:
    """Return a definition with all its parts, which are as they must be.

    Args:
        definition: from anywhere. Parts that are missing are as in a new one.

    Raises:
        UserErrorException: it is none; the message says which part is wrong.
    """
    given = _object(definition, "A view's definition")
    known = ("runs", "charts", "ranges", "columns", "x", "smoothing", "log_scale", "may_change")
    _only(given, *known)
    made = {
        "runs": _runs(given.get("runs")),
        "charts": _list(given.get("charts"), "charts", _MOST_CHARTS, _chart),
        "columns": _list(given.get("columns"), "columns", 10_000, _column),
        "x": _among(given.get("x", "step"), "x", _X),
        "smoothing": _smoothing(given.get("smoothing", 0)),
        "log_scale": _truth(given.get("log_scale", False), "log_scale"),
        "may_change": _among(given.get("may_change", "owner"), "may_change", _MAY_CHANGE),
    }
    if ranges := _ranges(given.get("ranges", {})):
        # Where there are none, earlier versions read it, too.
        made["ranges"] = ranges
    if len(json.dumps(made)) > MOST_BYTES:
        raise _wrong("it", f"takes more than {MOST_BYTES // 1024} kB")
    return made


def user() -> str:
    """Return the name of who looks, by which views are owned: of this process's user, mostly."""
    looking = viewer.get()
    if looking is not None:
        return looking.name
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # Of a container's number nobody may have said a name.
        return f"user {os.getuid()}"


def listed(source: Source) -> list[dict[str, Any]]:
    """Return the views of a workspace, by name, as JSON has them."""
    return [shown(each) for each in sorted(source.store.views(), key=lambda each: each.name)]


def found(source: Source, view_id: str) -> View:
    """Return a view.

    Args:
        source: the workspace.
        view_id: its id.

    Raises:
        ViewNotFoundError: the workspace has none of that id.
    """
    view = source.store.view(view_id)
    if view is None:
        raise ViewNotFoundError(
            f"View {view_id!r} was not found in workspace {source.workspace!r}. It may have been "
            "deleted, or be in another workspace: mlflow-workspace views list shows what is there."
        )
    return view


def named(source: Source, view: str) -> View:
    """Return a view by its id, or by its name if only one has that.

    Args:
        source: the workspace.
        view: the id or the name.

    Raises:
        ViewNotFoundError: the workspace has none.
        UserErrorException: several have the name.
    """
    called = [each for each in source.store.views() if view in (each.id, each.name)]
    by_id = [each for each in called if each.id == view]
    if len(called) > 1 and not by_id:
        ids = ", ".join(each.id for each in called)
        raise UserErrorException(f"Several views are called {view!r}. Name one by its id: {ids}.")
    return (by_id or called or [found(source, view)])[0]


def shown(view: View) -> dict[str, Any]:
    """Return a view as JSON has it, with who may change it."""
    definition, fault = None, None
    try:
        definition = checked(view.definition)
    except UserErrorException as error:
        # A row may be anybody's, or of a later version.
        fault = error.message
    return {
        "id": view.id,
        "name": view.name,
        "owner": view.owner,
        "definition": definition,
        "fault": fault,
        "created_at": view.created_at,
        "changed_at": view.changed_at,
        "is_own": view.owner == user(),
        "may_change": _may_change(view),
        "who_may_change": who_may_change(view),
    }


def who_may_change(view: View) -> str:
    """Say who may change a view, for people."""
    if _is_everybodys(view):
        return f"Saved by {view.owner}. Everybody who uses this hub may change it."
    return (
        f"Saved by {view.owner}, who alone may change it here. Others save a copy, which is theirs."
    )


def create(source: Source, name: Any, definition: Any) -> View:
    """Keep a new view of this user's.

    Args:
        source: the workspace.
        name: any text that is not empty; several views may have it.
        definition: what it shows.

    Raises:
        UserErrorException: the name or the definition is none.
    """
    made = View(uuid.uuid4().hex, _name(name), user(), checked(definition))
    return source.store.put_view(made)


def change(
    source: Source,
    view_id: str,
    *,
    name: Any = None,
    definition: Any = None,
    seen_at: int | None = None,
) -> View:
    """Rename a view, or change what it shows.

    Args:
        source: the workspace.
        view_id: its id.
        name: the new one; None leaves it.
        definition: the new one; None leaves it.
        seen_at: when the view had been changed that the change was made from; None does not ask.

    Raises:
        ViewNotFoundError: there is none of that id.
        ViewNotYoursError: it is somebody else's, who alone may change it.
        ViewChangedError: it was changed meanwhile.
        UserErrorException: the name or the definition is none.
    """
    view = found(source, view_id)
    _refuse_others(view)
    if seen_at is not None and view.changed_at != seen_at:
        raise _changed_meanwhile(view)
    changed = view
    if name is not None:
        changed = replace(changed, name=_name(name))
    if definition is not None:
        made = checked(definition)
        if view.owner != user():
            # Who may change what is shown may not close it to the others.
            made["may_change"] = "everybody"
        changed = replace(changed, definition=made)
    stored = source.store.change_view(changed)
    if stored is None:
        # Or it was deleted, which is said then.
        raise _changed_meanwhile(found(source, view_id))
    return stored


def drop(source: Source, view_id: str) -> None:
    """Delete a view.

    Args:
        source: the workspace.
        view_id: its id.

    Raises:
        ViewNotFoundError: there is none of that id.
        ViewNotYoursError: it is somebody else's, who alone may change it.
    """
    _refuse_others(found(source, view_id))
    source.store.drop_view(view_id)


def exported(view: View) -> str:
    """Return a view as a text, which :func:`imported` reads: in other workspaces, too."""
    text = {_KIND: _VERSION, "name": view.name, "definition": checked(view.definition)}
    return json.dumps(text, indent=2, ensure_ascii=False) + "\n"


def imported(source: Source, text: str) -> View:
    """Keep the view that a text is, as a new one of this user's.

    Args:
        source: the workspace.
        text: as :func:`exported` returned it.

    Raises:
        UserErrorException: it is none.
    """
    if len(text) > MOST_BYTES:
        raise _wrong("the file", f"takes more than {MOST_BYTES // 1024} kB")
    try:
        given = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _wrong("the file", f"is no JSON: {error}") from error
    if not isinstance(given, dict) or _KIND not in given:
        raise _wrong("the file", f"is none of ours: it lacks {_KIND!r}")
    if given[_KIND] != _VERSION:
        raise _wrong("the file", f"is of version {given[_KIND]!r}, and {_VERSION} is known here")
    return create(source, given.get("name"), given.get("definition"))


def runs_of(source: Source, definition: Mapping[str, Any]) -> tuple[list[str], str | None]:
    """Return the ids of the runs that a view shows now, and what is to be said of them.

    Args:
        source: the workspace.
        definition: of the view.

    Raises:
        MlflowException: its filter or its order is none.
    """
    wanted = definition["runs"]
    if "ids" in wanted:
        return list(wanted["ids"]), None
    known = {each["name"]: each["id"] for each in experiments(source)}
    name = wanted["experiment"]
    if name is not None and name not in known:
        return [], f"This workspace has no experiment {name!r}."
    within = [known[name]] if name is not None else list(known.values())
    runs, there_are_more = found_runs(
        source, within, wanted["filter"], order_by=wanted["order_by"], limit=wanted["limit"]
    )
    note = f"There are more: these are the first {len(runs):,}." if there_are_more else None
    return [run.info.run_id for run in runs], note


def _changed_meanwhile(view: View) -> ViewChangedError:
    return ViewChangedError(
        f"View {view.name!r} was changed since you opened it. Save a copy, or open it again."
    )


def _refuse_others(view: View) -> None:
    if not _may_change(view):
        raise ViewNotYoursError(
            f"View {view.name!r} is {view.owner}'s, who alone may change it. Save a copy, which is "
            "yours."
        )


def _may_change(view: View) -> bool:
    return view.owner == user() or _is_everybodys(view)


def _is_everybodys(view: View) -> bool:
    # A row may be anybody's, and hold any JSON.
    definition: Any = view.definition
    return isinstance(definition, dict) and definition.get("may_change") == "everybody"


def _name(given: Any) -> str:
    if not isinstance(given, str) or not given.strip() or len(given.strip()) > _NAME_LENGTH:
        raise UserErrorException(
            f"The name of a view is a text of 1 to {_NAME_LENGTH} characters. Give it another one."
        )
    return given.strip()


def _runs(given: Any) -> dict[str, Any]:
    wanted = _object(given, "runs")
    if "ids" in wanted:
        _only(wanted, "ids")
        ids = _list(wanted["ids"], "runs.ids", MOST_RUNS, _run_id)
        return {"ids": list(dict.fromkeys(ids or ()))}
    _only(wanted, "experiment", "filter", "order_by", "limit")
    experiment = wanted.get("experiment")
    limit = wanted.get("limit", 50)
    if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= MOST_RUNS:
        raise _wrong("runs.limit", f"is no number from 1 to {MOST_RUNS}")
    return {
        "experiment": None if experiment is None else _text(experiment, "runs.experiment"),
        "filter": _text(wanted.get("filter", ""), "runs.filter"),
        "order_by": _text(wanted.get("order_by", ""), "runs.order_by"),
        "limit": limit,
    }


def _chart(given: Any) -> dict[str, Any]:
    chart = _object(given, "a chart")
    _only(chart, "metric", "x", "smoothing", "log_scale")
    made: dict[str, Any] = {"metric": _text(chart.get("metric"), "a chart's metric")}
    if "x" in chart:
        made["x"] = _among(chart["x"], "a chart's x", _X)
    if "smoothing" in chart:
        made["smoothing"] = _smoothing(chart["smoothing"])
    if "log_scale" in chart:
        made["log_scale"] = _truth(chart["log_scale"], "a chart's log_scale")
    return made


def _ranges(given: Any) -> dict[str, dict[str, Any]]:
    """Return what is zoomed to, by figure: a part of the x that it is over, None of rows' own."""
    ranges = _object(given, "ranges")
    if len(ranges) > _MOST_CHARTS:
        raise _wrong("ranges", f"holds more than {_MOST_CHARTS:,}")
    return {_text(name, "a figure of ranges"): _range(each) for name, each in ranges.items()}


def _range(given: Any) -> dict[str, Any]:
    wanted = _object(given, "a range")
    _only(wanted, "x", "from", "to")
    x = wanted.get("x")
    low, high = _number(wanted.get("from")), _number(wanted.get("to"))
    if low >= high:
        raise _wrong("a range", "ends before it begins")
    return {"x": None if x is None else _among(x, "a range's x", _X), "from": low, "to": high}


def _number(given: Any) -> float:
    fault = _wrong("a range", "is not from one number to another")
    if isinstance(given, bool) or not isinstance(given, (int, float)):
        raise fault
    try:
        number = float(given)
    except OverflowError:
        raise fault from None
    if not math.isfinite(number):
        raise fault
    return number


def _smoothing(given: Any) -> float:
    if isinstance(given, bool) or not isinstance(given, (int, float)) or not 0 <= given < 1:
        raise _wrong("smoothing", "is no number from 0 to below 1")
    return float(given)


def _column(given: Any) -> list[str]:
    column = Column.of_json(given)
    return [column.of, _text(column.name, "a column's name")]


def _run_id(given: Any) -> str:
    if not isinstance(given, str) or len(given) != _ID_LENGTH or not given.isalnum():
        raise _wrong("runs.ids", f"holds {given!r}, which is no id of a run")
    return given


def _text(given: Any, what: str) -> str:
    if not isinstance(given, str) or len(given) > _MOST_TEXT:
        raise _wrong(what, f"is no text of {_MOST_TEXT:,} characters at most")
    return given


def _truth(given: Any, what: str) -> bool:
    if not isinstance(given, bool):
        raise _wrong(what, "is neither true nor false")
    return given


def _among(given: Any, what: str, choices: Sequence[str]) -> str:
    if given not in choices:
        raise _wrong(what, f"is none of {', '.join(choices)}")
    return str(given)


def _list(given: Any, what: str, most: int, part: Any) -> list[Any] | None:
    if given is None:
        return None
    if not isinstance(given, list) or len(given) > most:
        raise _wrong(what, f"is no list of {most:,} at most")
    return [part(each) for each in given]


def _object(given: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(given, dict):
        raise _wrong(what, "is no JSON object")
    return given


def _only(given: Mapping[str, Any], *known: str) -> None:
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise _wrong("it", f"has parts that are not known here: {', '.join(unknown)}")


def _wrong(what: str, fault: str) -> UserErrorException:
    return UserErrorException(
        f"This is no view: {what} {fault}. Export one, to see what it is made of."
    )
