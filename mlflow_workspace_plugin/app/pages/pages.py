"""Our pages as a whole: which of them there are, and where they stand beside MLflow's server."""

from collections.abc import Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from mlflow_workspace_plugin.app.own_threads import OwnThreads
from mlflow_workspace_plugin.app.pages import (
    compare_routes,
    compute_routes,
    figure_routes,
    file_routes,
    hub_routes,
    run_routes,
    view_routes,
)
from mlflow_workspace_plugin.app.pages.answers import AT_ONCE, json_response
from mlflow_workspace_plugin.app.pages.assets import PREFIX, load_assets
from mlflow_workspace_plugin.app.pages.guard import Guard
from mlflow_workspace_plugin.app.pages.sources import Sources
from mlflow_workspace_plugin.hub.hub import Hub

_ROOT = "/pages"
_KEPT = "public, max-age=31536000, immutable"
_NO_SUCH_PAGE = "There is no such page."

# The HTML of a page is the same for everybody: what it shows, its script asks for.
_FRAMES = {
    "/": "front",
    "/runs/{run_id}": "run",
    "/compare": "compare",
    "/views": "views",
    "/views/{view_id}": "compare",
    "/computes": "computes",
    "/experiments/{experiment_id}": "experiment",
}


class Pages:
    """Answers what is asked below ``/pages``.

    Args:
        app: answers all other requests.
        hub: whose runs are shown.
    """

    def __init__(self, app: ASGIApp, hub: Hub) -> None:
        self._app = app
        self._pages = Guard(pages_of(hub))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path = scope.get("path", "")
        is_ours = scope["type"] == "http" and (path == _ROOT or path.startswith(f"{_ROOT}/"))
        await (self._pages if is_ours else self._app)(scope, receive, send)


def routes() -> list[BaseRoute]:
    """Return all routes of our pages."""
    frames = [Route(_ROOT + path, _frame(name), methods=["GET"]) for path, name in _FRAMES.items()]
    return [
        Route(_ROOT, _to_front, methods=["GET"]),
        *frames,
        Route(PREFIX + "/{version}/{path:path}", _asset, methods=["GET"]),
        *hub_routes.ROUTES,
        *run_routes.ROUTES,
        *figure_routes.ROUTES,
        *file_routes.ROUTES,
        *compare_routes.ROUTES,
        *view_routes.ROUTES,
        *compute_routes.ROUTES,
    ]


def pages_of(hub: Hub) -> Starlette:
    """Return our pages of a hub, as they are behind the guard."""
    app = Starlette(routes=routes(), exception_handlers={404: _unknown, 405: _unknown})
    app.state.sources = Sources(hub)
    app.state.threads = OwnThreads(AT_ONCE)
    return app


def _frame(name: str) -> Callable[[Request], Response]:
    def show(request: Request) -> Response:
        del request
        return Response(load_assets().frames[name], media_type="text/html")

    return show


def _asset(request: Request) -> Response:
    assets = load_assets()
    found = assets.files.get(request.path_params["path"])
    # A page that was open while the server was updated asks for what is no more.
    if found is None or request.path_params["version"] != assets.version:
        return json_response({"code": "RESOURCE_DOES_NOT_EXIST", "message": _NO_SUCH_PAGE}, 404)
    return Response(found[0], media_type=found[1], headers={"Cache-Control": _KEPT})


def _to_front(request: Request) -> Response:
    query = request.url.query
    return RedirectResponse(f"{_ROOT}/?{query}" if query else f"{_ROOT}/", status_code=307)


def _unknown(request: Request, error: Exception) -> Response:
    del request
    status = getattr(error, "status_code", 404)
    message = _NO_SUCH_PAGE if status == 404 else "That cannot be asked of this page."
    return json_response({"code": "ENDPOINT_NOT_FOUND", "message": message}, status)
