"""The app that is served: our layers, outermost first, around MLflow's own."""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp

HUB_VARIABLE = "_MLFLOW_WORKSPACE_APP_HUB"
"""Names the hub's folder to the server's process."""
SECRET_VARIABLE = "_MLFLOW_WORKSPACE_APP_SECRET"  # noqa: S105  a name
"""Holds the secret that links and cookies are made with; unset, the app is open to this machine."""


def create_app() -> "ASGIApp":
    """Return the app; MLflow's server calls this by the entry point ``mlflow.app``."""
    # MLflow imports this module to look whether it holds a factory, before there is a server.
    from pathlib import Path

    from mlflow.server.fastapi_app import app as mlflow_app

    from mlflow_workspace_plugin.app.browser_images import BrowserImages
    from mlflow_workspace_plugin.app.closed_routes import ClosedRoutes
    from mlflow_workspace_plugin.app.entrance import Entrance
    from mlflow_workspace_plugin.app.front_page import FrontPage
    from mlflow_workspace_plugin.app.known_workspace import KnownWorkspace
    from mlflow_workspace_plugin.app.logged_metrics import LoggedMetrics
    from mlflow_workspace_plugin.app.otlp_traces import OtlpTraces
    from mlflow_workspace_plugin.app.pages.pages import Pages
    from mlflow_workspace_plugin.app.parent import end_with_parent
    from mlflow_workspace_plugin.app.read_runs import ReadRuns
    from mlflow_workspace_plugin.app.root_listing import RootListing
    from mlflow_workspace_plugin.app.usual_requests import UsualRequests
    from mlflow_workspace_plugin.hub.hub import open_hub

    end_with_parent()
    hub = open_hub(Path(os.environ[HUB_VARIABLE]))
    usual = UsualRequests(hub)
    app: ASGIApp = KnownWorkspace(OtlpTraces(mlflow_app))
    app = LoggedMetrics(ReadRuns(app, usual), usual)
    app = BrowserImages(RootListing(FrontPage(app), hub), hub)
    app = Pages(ClosedRoutes(app), hub)
    secret = os.environ.get(SECRET_VARIABLE)
    return app if secret is None else Entrance(app, secret)
