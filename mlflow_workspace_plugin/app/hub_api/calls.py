"""Calls of the methods of our stores that are none of MLflow's: ``.../call/METHOD``."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import ENDPOINT_NOT_FOUND, PERMISSION_DENIED
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID
from starlette.responses import Response

from mlflow_workspace_plugin.accounts.access import Access
from mlflow_workspace_plugin.accounts.principal import Principal
from mlflow_workspace_plugin.app.hub_api.answers import Asked, post
from mlflow_workspace_plugin.app.served.faults import is_away
from mlflow_workspace_plugin.errors import RoleNeededError, UserErrorException
from mlflow_workspace_plugin.protocol.calls import CALLS, ROUTE, Call, method_of
from mlflow_workspace_plugin.stores.build import workspace_store
from mlflow_workspace_plugin.stores.deliveries.checks import checked_values
from mlflow_workspace_plugin.stores.tracking import WorkspaceTrackingStore
from mlflow_workspace_plugin.stores.travelling import form_of

_MAX_BODY = 16 * 2**20
_MOST_NAMED = 30_000
"""So many runs may a call name, or models: fewer than a statement has parameters, with any
database."""
_CHECKS: Mapping[str, Callable[..., dict[str, Any]]] = {"log_values": checked_values}
"""What looks at the arguments of calls whose methods trust who calls them."""


def _called(asked: Asked) -> Response:
    return Response(_answer(asked), media_type="application/json")


def _answer(asked: Asked) -> bytes:
    called = asked.path["method"]
    method = method_of(called)
    if method is None:
        raise MlflowException(
            f"This hub knows no call {called!r}. Upgrade mlflow-workspace-plugin on the server.",
            ENDPOINT_NOT_FOUND,
        )
    if asked.principal is None:
        raise _denied()
    call, form = CALLS[method], form_of(method)
    given = form.call_of_json(asked.body)
    workspace = asked.path["workspace"]
    asking = _Asking(asked.access, asked.principal, workspace, call)
    store = workspace_store(asked.hub, workspace)
    asking.check(given, store)
    if method in _CHECKS:
        given = _CHECKS[method](store, **given)
    found = getattr(store, method)(**given)
    return form.answer_to_json(asking.seen(found) if call.lists else found)


class _Asking:
    """What who asks may do by a call.

    Args:
        access: knows who may what.
        principal: who asks.
        workspace: of which it is asked.
        call: how the method may be called.
    """

    def __init__(self, access: Access, principal: Principal, workspace: str, call: Call) -> None:
        self._access = access
        self._principal = principal
        self._workspace = workspace
        self._call = call

    def check(self, given: Mapping[str, Any], store: WorkspaceTrackingStore) -> None:
        """Refuse what is not allowed.

        Args:
            given: the arguments.
            store: of the workspace, which says what is to be said of an experiment that it does not
                have.

        Raises:
            RoleNeededError: nothing is that changes something.
            MlflowException: it is not allowed.
        """
        if self._call.removes and self._principal.cap == "edit":
            raise MlflowException(
                "This token deletes nothing. Do it with a log-in of your own.", PERMISSION_DENIED
            )
        if self._call.runs is not None:
            named = given[self._call.runs]
            self._check_runs({named} if isinstance(named, str) else set(named))
            if self._call.metrics is not None:
                models = {each.model_id for each in given[self._call.metrics]}
                self._check_models(models - {None})
        elif self._call.experiment is not None:
            self._check_creation(given, store)
        elif not self._may():
            raise self._denied()

    def seen(self, found: Iterable[Any]) -> list[Any]:
        """Return what is of runs, or of experiments, that may be seen."""
        found, name = list(found), self._call.lists or ""
        named = {str(getattr(each, name)) for each in found}
        allowed = self._allowed(named) if name == "run_id" else self._allowed_experiments(named)
        return [each for each in found if str(getattr(each, name)) in allowed]

    def _check_runs(self, run_ids: set[str]) -> None:
        _check_number(run_ids, "runs")
        # Of those that are not there the store says so.
        left = run_ids - self._allowed(run_ids)
        if self._access.in_workspace(self._workspace, left):
            raise self._denied()

    def _check_models(self, model_ids: set[str]) -> None:
        # As MLflow's server, which refuses those that are not there, too.
        _check_number(model_ids, "logged models")
        needs = self._call.needs
        if self._access.may_models(self._principal, self._workspace, model_ids, needs) != model_ids:
            raise self._denied()

    def _check_creation(self, given: Mapping[str, Any], store: WorkspaceTrackingStore) -> None:
        # Whichever of several the store keeps.
        parents = {each.value for each in given["tags"] if each.key == MLFLOW_PARENT_RUN_ID}
        if parents:
            self._check_runs(parents)
        elif self._principal.run_id is not None:
            raise self._denied()
        # A job makes runs below its own, wherever its owner may.
        owner = self._principal._replace(run_id=None)
        experiment_id = str(given[self._call.experiment or ""])
        if not self._access.may(
            owner, self._workspace, experiment_id=experiment_id, level=self._call.needs
        ) and (
            # Asking for that one would make it, where it is not.
            experiment_id == store.DEFAULT_EXPERIMENT_ID
            or _is_there(store.get_experiment, experiment_id)
        ):
            raise self._denied()

    def _may(self) -> bool:
        principal = self._principal
        if self._call.by_jobs:
            # What is not of runs a job may do as its owner.
            principal = principal._replace(run_id=None)
        if self._call.shared:
            return self._access.reads_shared(principal, self._workspace)
        return self._access.may(principal, self._workspace, level=self._call.needs)

    def _denied(self) -> MlflowException:
        if self._call.needs == "edit" and not self._access.writes_somewhere(
            self._principal, self._workspace
        ):
            return RoleNeededError.to_change(self._workspace)
        return _denied()

    def _allowed(self, run_ids: set[str]) -> set[str]:
        return self._access.may_runs(self._principal, self._workspace, run_ids, self._call.needs)

    def _allowed_experiments(self, experiment_ids: set[str]) -> set[str]:
        return {
            each
            for each in experiment_ids
            if self._access.may(self._principal, self._workspace, experiment_id=each)
        }


def _check_number(named: set[str], what: str) -> None:
    if len(named) > _MOST_NAMED:
        raise UserErrorException(f"More than {_MOST_NAMED:,} {what} are named. Ask in parts.")


def _is_there(read: Callable[[str], Any], id: str) -> bool:  # noqa: A002
    """Whether the store has something of an id."""
    try:
        read(id)
    except MlflowException as error:
        if is_away(error):
            raise
        return False
    return True


def _denied() -> MlflowException:
    return MlflowException(
        "You may not do this in the workspace, or to what it names. Ask a manager of it.",
        PERMISSION_DENIED,
    )


ROUTES = [post(ROUTE, _called, max_body=_MAX_BODY)]
