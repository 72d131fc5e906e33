"""Routes of saved views."""

from typing import Any

from starlette.responses import Response

from mlflow_workspace_plugin.app.pages.answers import (
    Asked,
    disposition_of,
    file_name_of,
    posting,
    reading,
    writing,
)
from mlflow_workspace_plugin.errors import UserErrorException
from mlflow_workspace_plugin.overview.runs import views


def _listed(asked: Asked) -> dict[str, Any]:
    return {"views": views.listed(asked.source), "user": views.user()}


def _new(asked: Asked) -> dict[str, Any]:
    sent = _object(asked)
    return views.shown(views.create(asked.source, sent.get("name"), sent.get("definition")))


def _imported(asked: Asked) -> dict[str, Any]:
    text = _object(asked).get("text")
    if not isinstance(text, str):
        raise UserErrorException("No text was sent. Send one that a view was exported to.")
    return views.shown(views.imported(asked.source, text))


def _view(asked: Asked) -> dict[str, Any]:
    view = views.shown(views.found(asked.source, asked.path["view_id"]))
    if view["definition"] is None:
        raise UserErrorException(view["fault"])
    runs, note = views.runs_of(asked.source, view["definition"])
    return {**view, "runs": runs, "note": note}


def _found(asked: Asked) -> dict[str, Any]:
    """Return the runs that a definition shows, before it is saved."""
    runs, note = views.runs_of(asked.source, views.checked(asked.body))
    return {"runs": runs, "note": note}


def _changed(asked: Asked) -> dict[str, Any]:
    sent = _object(asked)
    seen_at = sent.get("seen_at")
    changed = views.change(
        asked.source,
        asked.path["view_id"],
        name=sent.get("name"),
        definition=sent.get("definition"),
        seen_at=seen_at if isinstance(seen_at, int) else None,
    )
    return views.shown(changed)


def _dropped(asked: Asked) -> dict[str, Any]:
    views.drop(asked.source, asked.path["view_id"])
    return {}


def _text(asked: Asked) -> Response:
    view = views.found(asked.source, asked.path["view_id"])
    name = file_name_of(view.name, ".view.json", "view")
    text = views.exported(view).encode("utf-8", "backslashreplace")
    headers = {"Content-Disposition": disposition_of(name, is_saved=True)}
    return Response(text, media_type="application/json", headers=headers)


def _object(asked: Asked) -> dict[str, Any]:
    if not isinstance(asked.body, dict):
        raise UserErrorException("What was sent is no JSON object. Send one.")
    return asked.body


ROUTES = [
    reading("/views", _listed),
    posting("/views", _new),
    posting("/views/import", _imported),
    posting("/views/runs", _found),
    reading("/views/{view_id}", _view),
    reading("/views/{view_id}/text", _text),
    writing("/views/{view_id}", _changed, "PATCH"),
    writing("/views/{view_id}", _dropped, "DELETE"),
]
