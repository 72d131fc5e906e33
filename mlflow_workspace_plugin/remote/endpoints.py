"""MLflow's own routes of a served hub, asked by our HTTP."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.utils.proto_json_utils import parse_dict

from mlflow_workspace_plugin.remote.http import HubHttp, UnansweredError
from mlflow_workspace_plugin.stores.journalling.in_call import in_call

_REPEATABLE = ("Get", "Search", "List", "BatchGet", "Query", "Calculate", "Set", "Update")
"""How the names of MLflow's messages begin that change nothing, or the same if they come again."""
_REPEATABLE_TOO = frozenset(
    {
        # What is there, by its name and digest, or as a model, is not added again.
        "LogInputs",
        # Of a model that is there the hub's store keeps the greatest step.
        "LogOutputs",
        # What is linked is not linked again.
        "LinkTracesToRun",
        "LinkPromptsToTrace",
        "AddDatasetToExperiments",
        # A record is found by its inputs.
        "UpsertDatasetRecords",
        # The trace, and what it has, is found by the ids that it comes with.
        "StartTraceV3",
        # They set a status, a stage, or when something was deleted.
        "FinalizeLoggedModel",
        "TransitionModelVersionStage",
        "DeleteRun",
        "RestoreRun",
        "DeleteLoggedModel",
        # What is gone is no error to them.
        "DeleteAssessment",
        "DeleteModelVersionTag",
        "DeleteRegisteredModelAlias",
        "DeleteRegisteredModelTag",
        "RemoveDatasetFromExperiments",
        # Who asks looks first what is there.
        "LogLoggedModelParamsRequest",
    }
)
"""Others of which the same is so, in MLflow's stores or in ours."""


def is_repeatable(message: str) -> bool:
    """Whether what one of MLflow's messages asks for may be asked again after a lost answer.

    Args:
        message: the name of its class.
    """
    return message.startswith(_REPEATABLE) or message in _REPEATABLE_TOO


class Endpoints:
    """Asks a hub about one workspace, by MLflow's routes.

    Args:
        http: asks it.
    """

    def __init__(self, http: HubHttp) -> None:
        self._http = http

    def call(
        self,
        api: Any,
        endpoint: str,
        method: str,
        json_body: str | None,
        response: Any,
        headers: dict[str, str] | None = None,
        *,
        may_be_repeated: bool = False,
    ) -> Any:
        """Ask by one of MLflow's messages; return the one that is answered.

        Args:
            api: the class of the message.
            endpoint: the path.
            method: HTTP's.
            json_body: the message as JSON.
            response: the message that is filled with the answer.
            headers: more headers.
            may_be_repeated: whether the caller sees to it that it may come again.

        Raises:
            HubError: the hub did not answer, or does not know who asks.
            MlflowException: it refuses what is asked.
        """
        body = None if json_body is None else json.loads(json_body)
        sent: dict[str, Any] = {"params": body} if method == "GET" else {"json": body}
        again = may_be_repeated or is_repeatable(api.__name__)
        answer = self.ask(method, endpoint, headers=headers, may_be_repeated=again, **sent)
        parse_dict(answer, response)
        return response

    def ask(
        self,
        method: str,
        endpoint: str,
        *,
        json: Any = None,
        params: Any = None,
        headers: dict[str, str] | None = None,
        may_be_repeated: bool = False,
    ) -> Any:
        """Ask by one of MLflow's routes that has no message; return the object that is answered.

        Args:
            method: HTTP's.
            endpoint: the path.
            json: what is sent as JSON.
            params: what is sent with the path.
            headers: more headers.
            may_be_repeated: whether it changes nothing, or the same if it comes again, as each
                ``GET`` does.

        Raises:
            HubError: the hub did not answer, or does not know who asks.
            MlflowException: it refuses what is asked.
        """
        with may_be_stored(may_be_repeated=may_be_repeated or method == "GET"):
            answer = self._http.call(
                method, endpoint, json=json, params=params, headers=headers, wants_object=True
            )
        return answer.json()

    def send(self, endpoint: str, content: bytes, headers: dict[str, str]) -> None:
        """Send something that is stored once, however often it comes.

        Args:
            endpoint: the path.
            content: what is sent.
            headers: more headers.

        Raises:
            HubError: the hub did not answer, or does not know who asks.
            MlflowException: it refuses what is sent.
        """
        with may_be_stored(may_be_repeated=True):
            self._http.call("POST", endpoint, data=content, headers=headers)


@contextmanager
def may_be_stored(*, may_be_repeated: bool) -> Iterator[None]:
    """Note of a request whether a part of the call that it is of may be stored then.

    Args:
        may_be_repeated: it stores nothing, or the same if it is made again.
    """
    asked = None if may_be_repeated else in_call.asked
    if asked is not None:
        asked.append(None)
    try:
        yield
    except MlflowException as error:
        may_be_done = isinstance(error, UnansweredError) and error.may_be_done
        if asked is not None and not may_be_done:
            asked.pop()
        in_call.may_have_stored |= may_be_done and not may_be_repeated
        raise
    in_call.may_have_stored |= not may_be_repeated
