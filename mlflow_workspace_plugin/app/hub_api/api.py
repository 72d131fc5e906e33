"""All routes of our own for clients, as one app."""

from importlib.metadata import version

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from mlflow_workspace_plugin.accounts.access import Access
from mlflow_workspace_plugin.app.hub_api import (
    accounts,
    calls,
    code_page,
    gc,
    journal,
    kept,
    log_in,
    workspaces,
)
from mlflow_workspace_plugin.app.hub_api.answers import AT_ONCE, refusal
from mlflow_workspace_plugin.app.hub_api.files import routes as files
from mlflow_workspace_plugin.app.own_threads import OwnThreads
from mlflow_workspace_plugin.app.served.configuration import Served
from mlflow_workspace_plugin.hub.hub import Hub
from mlflow_workspace_plugin.protocol.headers import HAND_SHAKE
from mlflow_workspace_plugin.protocol.version import OLDEST, PROTOCOL

_DISTRIBUTION = "mlflow-workspace-plugin"


def hub_api(hub: Hub, access: Access, served: Served) -> ASGIApp:
    """Return our routes of a hub, as they are behind the layers that say who asks.

    Args:
        hub: the hub.
        access: what who may.
        served: how the hub is served.
    """
    app = Starlette(routes=routes(), exception_handlers={404: _unknown, 405: _unknown})
    app.state.hub = hub
    app.state.access = access
    app.state.served = served
    app.state.threads = OwnThreads(AT_ONCE)
    return app


def routes() -> list[BaseRoute]:
    """Return all of them."""
    return [
        Route(HAND_SHAKE, _hand_shake, methods=["GET"]),
        *log_in.ROUTES,
        *code_page.ROUTES,
        *accounts.ROUTES,
        *journal.ROUTES,
        *calls.ROUTES,
        *files.ROUTES,
        *kept.ROUTES,
        *gc.ROUTES,
        *workspaces.ROUTES,
    ]


async def _hand_shake(_: Request) -> Response:
    """Say which protocol is spoken; to everybody, so nothing else."""
    content = {"protocol": PROTOCOL, "oldest": OLDEST, "version": version(_DISTRIBUTION)}
    return JSONResponse(content)


async def _unknown(request: Request, error: Exception) -> Response:
    del request
    status = getattr(error, "status_code", 404)
    message = (
        "There is no such route. This hub's server may be older than what asks."
        if status == 404
        else "That cannot be asked of this route."
    )
    return refusal(status, "ENDPOINT_NOT_FOUND", message)
