"""The app of a served hub: our layers, outermost first, around MLflow's own with its accounts."""

import logging
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


_THREADS = 16
"""How many requests MLflow's app answers at a time in one process. More would only wait for each
other, each with a connection to the database."""


def create_app() -> "ASGIApp":
    """Return the app; MLflow's server calls this by the entry point ``mlflow.app``."""
    # MLflow imports this module to look whether it holds a factory, before there is a server.
    from mlflow_workspace_plugin.app.served.configuration import Served
    from mlflow_workspace_plugin.hub.hub import open_hub

    served = Served.from_environment()
    # First: with it comes what lets MLflow connect to the hub's database server.
    hub = open_hub(served.hub)

    from mlflow.server import app as flask_app
    from mlflow.server.auth import create_app as create_mlflow_app

    from mlflow_workspace_plugin.accounts.access import Access
    from mlflow_workspace_plugin.app.hub_api.api import hub_api
    from mlflow_workspace_plugin.app.known_workspace import KnownWorkspace
    from mlflow_workspace_plugin.app.logged_metrics import LoggedMetrics
    from mlflow_workspace_plugin.app.otlp_traces import OtlpTraces
    from mlflow_workspace_plugin.app.read_runs import ReadRuns
    from mlflow_workspace_plugin.app.served.asking.gate import gate
    from mlflow_workspace_plugin.app.served.asking.identity import may_run
    from mlflow_workspace_plugin.app.served.asking.limits import Limits
    from mlflow_workspace_plugin.app.served.asking.one_meaning import OneMeaning
    from mlflow_workspace_plugin.app.served.browsers.ui import ui
    from mlflow_workspace_plugin.app.served.failed_lookups import fail_with_lookups
    from mlflow_workspace_plugin.app.served.fastapi_answers import answer_in_mlflows_form
    from mlflow_workspace_plugin.app.served.faults import Faults, MlflowFaults
    from mlflow_workspace_plugin.app.served.watching.watch import Watch
    from mlflow_workspace_plugin.app.usual_requests import UsualRequests

    # It logs a database's errors with their stacks; what became of a request is logged by ours.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    access = Access(hub, takes_passwords=served.takes_passwords)
    usual = UsualRequests(hub)
    mlflows = create_mlflow_app()
    fail_with_lookups(flask_app)
    answer_in_mlflows_form(mlflows)
    may_edit = partial(may_run, access, "edit")
    mlflow_app: ASGIApp = OneMeaning(KnownWorkspace(OtlpTraces(mlflows, may_edit)))
    mlflow_app = ReadRuns(mlflow_app, usual, partial(may_run, access, "read"))
    mlflow_app = LoggedMetrics(mlflow_app, usual, may_edit)
    others = ui(MlflowFaults(mlflow_app), hub, access, served)
    inner = _Split(hub_api(hub, access, served), others)
    app: ASGIApp = Faults(Limits(gate(inner, hub, access, served.public_url), served))
    return Watch(_Threads(app), hub, served)


class _Split:
    """Hands requests below ``/hub`` to our own routes, and all others to the UI and MLflow."""

    def __init__(self, hub_api: "ASGIApp", others: "ASGIApp") -> None:
        self._hub_api = hub_api
        self._others = others

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Answer one request."""
        is_ours = scope["type"] == "http" and scope["path"].startswith("/hub/")
        await (self._hub_api if is_ours else self._others)(scope, receive, send)


class _Threads:
    """Says, when the server starts, how many threads answer."""

    def __init__(self, app: "ASGIApp") -> None:
        self._app = app

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            from anyio.to_thread import current_default_thread_limiter

            current_default_thread_limiter().total_tokens = _THREADS
        await self._app(scope, receive, send)
