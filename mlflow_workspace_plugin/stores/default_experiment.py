"""Experiment 0, which MLflow's clients fall back on, is in no workspace but ``default``."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from mlflow.store.tracking.sqlalchemy_workspace_store import WorkspaceAwareSqlAlchemyStore

from mlflow_workspace_plugin.stores.signatures import parameters_of

_EXPERIMENT_PARAMETERS = ("experiment_id", "experiment_ids", "location", "locations")

StoreClass = TypeVar("StoreClass", bound=type)


def experiment_zero_is_default(store: StoreClass) -> StoreClass:
    """Let experiment 0 mean the workspace's own ``Default``, in every public method that takes one.

    MLflow's clients fall back on experiment 0, which exists in the workspace ``default`` only.
    """
    for name, _ in inspect.getmembers(WorkspaceAwareSqlAlchemyStore, inspect.isfunction):
        if name.startswith("_") or not hasattr(store, name):
            continue
        method = getattr(store, name)
        taken = [each for each in _EXPERIMENT_PARAMETERS if each in parameters_of(method)]
        if taken:
            setattr(store, name, _translating(method, inspect.signature(method), taken))
    return store


def _translating(
    method: Callable[..., Any], signature: inspect.Signature, parameters: list[str]
) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(self, *args, **kwargs)
        for parameter in parameters:
            given = bound.arguments.get(parameter)
            if isinstance(given, (list, tuple)):
                bound.arguments[parameter] = [self._own_experiment(each) for each in given]
            elif given is not None:
                bound.arguments[parameter] = self._own_experiment(given)
        return method(*bound.args, **bound.kwargs)

    return call
