"""The methods of our stores that are none of MLflow's, called over the network."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

from mlflow_workspace_plugin.errors import HubProtocolError
from mlflow_workspace_plugin.protocol.calls import CALLS, route_of
from mlflow_workspace_plugin.remote.endpoints import may_be_stored
from mlflow_workspace_plugin.remote.http import HubHttp
from mlflow_workspace_plugin.stores.journalling.beneath import Beneath
from mlflow_workspace_plugin.stores.travelling import form_of

_JSON = {"Content-Type": "application/json"}


def call(http: HubHttp, name: str, *args: Any, **kwargs: Any) -> Any:
    """Call a method of a workspace's store, once.

    Args:
        http: asks the hub about the workspace.
        name: of the method.
        args: its arguments.
        kwargs: its arguments by name.

    Raises:
        HubError: the hub did not answer, or does not know who asks.
        Exception: what the method raises.
    """
    form, path = form_of(name), route_of(http.uri.name, name)
    body = form.call_to_json(args, kwargs)
    with may_be_stored(may_be_repeated=CALLS[name].may_be_repeated):
        answer = http.call("POST", path, data=body, headers=_JSON, wants_object=True)
    try:
        return form.answer_of_json(answer.content)
    except ValueError as error:
        raise HubProtocolError.of_answer(http.address, path) from error


def calls_over(beneath: type) -> Callable[[type], type]:
    """Let a store call over the network what another one does.

    Args:
        beneath: the class whose methods are called; what the store does itself stays its own.

    Returns:
        A decorator for the store, which has ``_http``.
    """

    def decorated(store: type) -> type:
        for name in CALLS:
            method = getattr(beneath, name, None)
            own = inspect.getattr_static(store, name, None)
            if method is not None and own in (None, vars(Beneath).get(name)):
                setattr(store, name, _calling(name, inspect.unwrap(method)))
        return store

    return decorated


def _calling(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def called(self: Any, *args: Any, **kwargs: Any) -> Any:
        return call(self._http, name, *args, **kwargs)

    return called
