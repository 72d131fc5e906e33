"""What browsers and MLflow's clients are answered behind the gate: pages, MLflow's UI, its API."""

from typing import TYPE_CHECKING

from starlette.types import ASGIApp

from mlflow_workspace_plugin import settings
from mlflow_workspace_plugin.app.front_page import FrontPage
from mlflow_workspace_plugin.app.pages.pages import Pages
from mlflow_workspace_plugin.app.root_listing import RootListing
from mlflow_workspace_plugin.app.served.asking.own_workspaces import OwnWorkspaces
from mlflow_workspace_plugin.app.served.browsers.asker import Asker
from mlflow_workspace_plugin.app.served.browsers.log_in_form import LogInForm
from mlflow_workspace_plugin.app.served.browsers.log_in_page import LogInPage
from mlflow_workspace_plugin.app.served.browsers.made_anew import MadeAnew
from mlflow_workspace_plugin.app.served.browsers.new_password import NewPassword
from mlflow_workspace_plugin.app.served.oidc.page import OidcPage

if TYPE_CHECKING:
    from mlflow_workspace_plugin.accounts.access import Access
    from mlflow_workspace_plugin.app.served.configuration import Served
    from mlflow_workspace_plugin.hub.hub import Hub


def ui(mlflow_app: ASGIApp, hub: "Hub", access: "Access", served: "Served") -> ASGIApp:
    """Return what answers all that is not below ``/hub/``.

    Args:
        mlflow_app: MLflow's server, with its own rules of accounts.
        hub: that is served.
        access: knows who people are and what they may.
        served: how it is served.
    """
    app: ASGIApp = MadeAnew(NewPassword(mlflow_app, hub, access), hub)
    app = RootListing(FrontPage(app), hub)
    app = OwnWorkspaces(app, access)
    app = Asker(Pages(app, hub), access)
    form = LogInForm(is_https=served.is_https, oidc=served.oidc)
    app = LogInPage(app, hub, access, form, public_url=served.public_url)
    secret = settings.OIDC_SECRET.get().strip()
    return OidcPage(app, hub, form, served.oidc, secret=secret, public_url=served.public_url)
