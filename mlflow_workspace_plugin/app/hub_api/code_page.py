"""The page where somebody who is logged in says yes to a terminal that shows a code."""

import html
from urllib.parse import parse_qs

from starlette.responses import HTMLResponse, Response

from mlflow_workspace_plugin.accounts.codes import Codes
from mlflow_workspace_plugin.app.hub_api.answers import Asked, get, post
from mlflow_workspace_plugin.app.hub_api.log_in import CODE_PAGE
from mlflow_workspace_plugin.app.pages.assets import PREFIX, load_assets, page_text

_MAX_BODY = 4096
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # With "no-referrer" browsers would not say of the form that it is ours.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_UNKNOWN = "No terminal shows this code, or not any more. Look again, or start anew there."
_DONE = "The terminal is logged in. This page may be closed."


def _ask(_: Asked) -> Response:
    return _page()


def _answer(asked: Asked) -> Response:
    fields = parse_qs(asked.body.decode("latin-1"), encoding="utf-8")
    typed, codes = fields.get("shown", [""])[0][:100], Codes(asked.hub)
    label = codes.waiting(typed)
    if label is None or asked.principal is None:
        return _page(_UNKNOWN, status=404)
    # Who it is, is shown before it is let in: somebody may have sent the code.
    if "yes" not in fields:
        return _page(shown=typed.strip().upper(), label=label, name=asked.principal.name)
    if not codes.allow(typed, asked.principal):
        return _page(_UNKNOWN, status=404)
    return _page(_DONE, is_done=True)


def _page(
    said: str = "",
    *,
    status: int = 200,
    shown: str = "",
    label: str = "",
    name: str = "",
    is_done: bool = False,
) -> Response:
    hidden = " hidden"
    text = page_text("code")
    for place, value in {
        "assets": f"{PREFIX}/{load_assets().version}",
        "said": html.escape(said),
        "ask": hidden if shown or is_done else "",
        "confirm": "" if shown else hidden,
    }.items():
        text = text.replace(f"{{{{{place}}}}}", value)
    # Last, and none into another: they are what somebody sent.
    parts = {"shown": shown, "label": label or "somebody", "name": name}
    for place, value in parts.items():
        text = text.replace(f"{{{{{place}}}}}", html.escape(value).replace("{", "&#123;"))
    return HTMLResponse(text, status, headers=_HEADERS)


ROUTES = [get(CODE_PAGE, _ask), post(CODE_PAGE, _answer, _MAX_BODY)]
