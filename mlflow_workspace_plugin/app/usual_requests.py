"""Which requests of MLflow's API may be answered without MLflow's app, and with what.

They are those that scripts send all the time, in the form that MLflow's clients send. Whatever is
unusual is left to MLflow's app, which knows what to say.
"""

import logging
import threading
from collections.abc import Callable

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode
from mlflow.server.fastapi_security import get_allowed_hosts
from mlflow.server.security_utils import is_allowed_host_header
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Scope

from mlflow_workspace_plugin.hub.hub import Hub
from mlflow_workspace_plugin.stores.tracking import HubTrackingStore
from mlflow_workspace_plugin.terminal import get_logger

_logger = get_logger(__name__)

WORKSPACE_HEADER = "x-mlflow-workspace"
JSON = "application/json"
_OF_BROWSERS = ("origin", "sec-fetch-site")

MayRun = Callable[[str, str], bool]
"""Whether who asks may do it to a run, by the name of a workspace and the id of the run."""


def everybody_may(_workspace: str, _run_id: str) -> bool:
    """Return that they may: where nobody has to log in."""
    return True


class UsualRequests:
    """What those who answer such requests have in common.

    Args:
        hub: that is served.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._hosts = get_allowed_hosts()
        self._opened: HubTrackingStore | None = None
        self._lock = threading.Lock()

    @property
    def store(self) -> HubTrackingStore:
        """The hub's store; opened by the first who asks, which takes long."""
        with self._lock:
            self._opened = self._opened or HubTrackingStore(self._hub)
            return self._opened

    def workspace(self, scope: Scope) -> str | None:
        """Return the workspace of a script's request; None if MLflow's app has to answer it.

        Browsers name the page that asks, and MLflow's app knows which ones may, and what else
        their answers need. It also says what is wrong with a host that is not the server's.

        Args:
            scope: of the request.
        """
        headers = Headers(scope=scope)
        if any(each in headers for each in _OF_BROWSERS):
            return None
        if not is_allowed_host_header(self._hosts, headers.get("host", "")):
            return None
        return headers.get(WORKSPACE_HEADER, "").strip() or None


def refusal(error: MlflowException, fault: str) -> Response | None:
    """Return what MLflow's app would answer; None if it has to look what is not there.

    Args:
        error: that was raised.
        fault: what went wrong, for the log where that is ours.
    """
    if error.error_code == ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
        # It may be the workspace.
        return None
    status = int(error.get_http_status_code())
    if status >= 500:
        _logger.error("%s: %s", fault, error, exc_info=_logger.isEnabledFor(logging.DEBUG))
    return Response(error.serialize_as_json(), status, media_type=JSON)
