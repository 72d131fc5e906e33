"""Who may see what on our own pages, where MLflow's rules close single runs and experiments."""

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from mlflow_workspace_plugin.app.pages.answers import API
from mlflow_workspace_plugin.app.served.asking.refusals import Refusal
from mlflow_workspace_plugin.app.served.routes.table import Found
from mlflow_workspace_plugin.hub.catalog import DEFAULT_WORKSPACE

if TYPE_CHECKING:
    from mlflow_workspace_plugin.accounts.access import Access
    from mlflow_workspace_plugin.accounts.principal import Principal

_OF_NOTHING = (f"{API}/hub",)
"""Routes that say nothing of runs."""
_OF_NAMED = f"{API}/compare"
"""Routes that say something of the runs that the address names."""
_RUNS = ("runs", "other")
_MOST_RUNS = 500


def refused(
    found: Found,
    query_string: bytes,
    *,
    principal: "Principal",
    workspace: str,
    access: "Access",
) -> Refusal | None:
    """Return the refusal of what somebody may not see or change; called from a thread.

    Args:
        found: the route.
        query_string: of the request.
        principal: who asks.
        workspace: of which it is asked, where it has a role.
        access: knows who may what.
    """
    path = found.line.path
    if not path.startswith(f"{API}/") or path in _OF_NOTHING:
        return None
    if found.parameters.get("experiment_id") == "0" and workspace != DEFAULT_WORKSPACE:
        # Reading it there would make the workspace's own.
        return _closed("experiment 0, which is in the workspace 'default'")
    if access.sees_all(principal, workspace):
        return None
    query = dict(parse_qsl(query_string.decode("latin-1")))
    runs = [each for name in _RUNS for each in query.get(name, "").split(",") if each]
    runs += [found.parameters[name] for name in ("run_id",) if name in found.parameters]
    experiment = found.parameters.get("experiment_id")
    # Where the answer is not about the runs that are named, naming some opens nothing.
    is_of_runs = "run_id" in found.parameters or path.startswith(_OF_NAMED)
    if len(runs) > _MOST_RUNS or not ((runs and is_of_runs) or experiment):
        return _closed("all runs of the workspace")
    may = all(access.may(principal, workspace, run_id=each.strip(), level="read") for each in runs)
    if may and experiment is not None:
        may = access.may(principal, workspace, experiment_id=experiment, level="read")
    return None if may else _closed("what you asked for")


def _closed(what: str) -> Refusal:
    return Refusal(
        403,
        f"Your roles do not let you see {what}. MLflow's own pages show what they let you see.",
    )
