"""Who makes the present request, as told to whatever answers it.

It is told by a context variable and by no header, so that nothing that is sent can claim it.
"""

from contextvars import ContextVar
from typing import TYPE_CHECKING

from mlflow_workspace_plugin.accounts.principal import Principal

if TYPE_CHECKING:
    from werkzeug.datastructures import Authorization
    from werkzeug.wrappers import Response

    from mlflow_workspace_plugin.accounts.access import Access, Act

current_principal: ContextVar[Principal | None] = ContextVar("current_principal", default=None)
"""Who asks; None where nobody has to be known."""


def authorization() -> "Authorization | Response":
    """Return who asks in MLflow's terms: its ``authorization_function``.

    MLflow looks the name's roles up, and checks no password any more.
    """
    from werkzeug.datastructures import Authorization
    from werkzeug.wrappers import Response

    principal = current_principal.get()
    if principal is None:
        # The layer around MLflow lets nobody through to here.
        return Response("Nobody is logged in.", status=401)
    return Authorization("basic", {"username": principal.name, "password": ""})


def may_run(access: "Access", level: "Act", workspace: str, run_id: str) -> bool:
    """Whether who asks may read, or change, a run.

    Args:
        access: what everybody may.
        level: what is asked for.
        workspace: of the run.
        run_id: of it.
    """
    principal = current_principal.get()
    return principal is not None and bool(access.may_runs(principal, workspace, [run_id], level))
