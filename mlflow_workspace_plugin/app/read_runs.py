"""MLflow's ``runs/get`` without its app, which with accounts looks who asks up four times."""

from urllib.parse import parse_qsl

from anyio import to_thread
from mlflow.exceptions import MlflowException
from mlflow.protos.service_pb2 import GetRun, Run
from mlflow.utils.proto_json_utils import message_to_json
from mlflow.utils.workspace_context import set_server_request_workspace
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from mlflow_workspace_plugin.app.usual_requests import (
    JSON,
    MayRun,
    UsualRequests,
    everybody_may,
    refusal,
)

_ROUTES = ("/api/2.0/mlflow/runs/get", "/ajax-api/2.0/mlflow/runs/get")
_NAMES = ("run_id", "run_uuid")


class ReadRuns:
    """Answers with runs that scripts ask for; hands on what else is asked.

    Args:
        app: MLflow's app.
        usual: what of it may be answered here.
        may_read: what decides; everybody may where nobody has to log in.
    """

    def __init__(
        self,
        app: ASGIApp,
        usual: UsualRequests,
        may_read: MayRun = everybody_may,
    ) -> None:
        self._app = app
        self._usual = usual
        self._may_read = may_read

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        run_id = _run_id_asked_for(scope)
        workspace = None if run_id is None else self._usual.workspace(scope)
        if run_id is not None and workspace is not None:
            answer = await to_thread.run_sync(self._answer, workspace, run_id)
            if answer is not None:
                await answer(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _answer(self, workspace: str, run_id: str) -> Response | None:
        if not self._may_read(workspace, run_id):
            return None
        try:
            # Of this request only: each has a context of its own.
            set_server_request_workspace(workspace)
            message = GetRun.Response(run=self._usual.store.get_run(run_id).to_proto())
        except MlflowException as error:
            return refusal(error, "A run was not read")
        if _names_models(message.run):
            return None
        return Response(message_to_json(message), media_type=JSON)


def _run_id_asked_for(scope: Scope) -> str | None:
    """Return the id of the run that a request asks for, if it asks as MLflow's clients do."""
    if scope["type"] != "http" or scope["method"] != "GET" or scope["path"] not in _ROUTES:
        return None
    query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    named = dict(query)
    # MLflow's clients name the run twice.
    if not query or len(named) < len(query) or any(each not in _NAMES for each in named):
        return None
    run_id, *others = set(named.values())
    return None if others or not run_id.isalnum() or "run_id" not in named else run_id


def _names_models(run: Run) -> bool:
    """Whether a run names models, which are withheld from those who may not read them."""
    models = run.inputs.model_inputs or run.outputs.model_outputs
    return bool(models) or any(each.model_id for each in run.data.metrics)
