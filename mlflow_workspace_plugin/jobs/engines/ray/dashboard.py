"""Asking the dashboard of a Ray cluster, as a server that may be slow, wrong or somebody else's."""

import json
import time
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import requests

from mlflow_workspace_plugin.errors import ComputeTargetException
from mlflow_workspace_plugin.jobs.engines.in_time import in_time
from mlflow_workspace_plugin.jobs.engines.ray import token
from mlflow_workspace_plugin.web_answers import Bearer, content_within

_CONNECT_S = 5
_ANSWER_S = 8
"""To a question, in all."""
_DONE_S = 15
"""Until something is done, in all."""
_LARGEST = 16 * 2**20
_EXAMPLE = "such as http://ray-head:8265"


class Answer(NamedTuple):
    """What a dashboard answers.

    Attributes:
        status: the status of HTTP.
        text: as it came.
    """

    status: int
    text: str

    def json(self) -> Any:
        """Return what it holds; None where that is no JSON."""
        try:
            return json.loads(self.text)
        except (ValueError, RecursionError):
            return None


class DashboardError(ComputeTargetException):
    """A dashboard does not answer, or not as one does."""


class Dashboard:
    """The dashboard of a cluster.

    Args:
        name: of the compute target, for errors.
        address: of the dashboard, such as ``http://ray-head:8265``.

    Raises:
        ComputeTargetException: it is none, or it carries a secret.
    """

    def __init__(self, name: str, address: str | None) -> None:
        self._name = name
        self.address = _checked(name, address)

    def get(self, path: str) -> Answer:
        """Ask for something.

        Args:
            path: on the dashboard.

        Raises:
            DashboardError: there is no answer of a dashboard's.
            ComputeTargetException: the token cannot be used.
        """
        return self._ask("GET", path, None, _ANSWER_S)

    def post(self, path: str, body: Any = None) -> Answer:
        """Have something done; what is raised is that of :meth:`get`.

        Args:
            path: on the dashboard.
            body: sent as JSON.
        """
        return self._ask("POST", path, body, _DONE_S)

    def _ask(self, method: str, path: str, body: Any, within_s: float) -> Answer:
        bearer = token.find(self.address)
        end = time.monotonic() + within_s

        def ask() -> tuple[requests.Response, str]:
            with requests.request(
                method,
                f"{self.address}{path}",
                json=body,
                auth=Bearer(bearer),
                timeout=(_CONNECT_S, within_s),
                # The token is for this address, and for no other that it names.
                allow_redirects=False,
                stream=True,
            ) as response:
                content = content_within(response, _LARGEST, end)
                return response, content.decode("utf-8", "replace")

        try:
            # Time-outs of sockets begin anew with each byte.
            response, text = in_time(within_s, ask)
        except (requests.RequestException, OSError) as error:
            raise self._error(f"does not answer: {_reason(error)}", "reached from here") from error
        if response.is_redirect:
            raise self._error("leads to another address", "the one it leads to, if you know it")
        if response.status_code in (401, 403):
            said = "takes no job without a token" if bearer is None else "does not take the token"
            raise DashboardError(
                f"The Ray cluster of compute target {self._name!r}, {self.address}, {said}. Set "
                f"{token.VARIABLE}, or run: mlflow-workspace compute token {self._name}"
            )
        return Answer(response.status_code, text)

    def _error(self, what: str, remedy: str) -> DashboardError:
        return DashboardError(
            f"The Ray cluster of compute target {self._name!r}, {self.address}, {what}. Check that "
            f"this is the address of its dashboard, and {remedy}."
        )


def _checked(name: str, address: str | None) -> str:
    """Return an address as its parts are understood, without a path's last slash."""
    if not address:
        raise ComputeTargetException(
            f"Compute target {name!r} is a Ray cluster, and nothing says where. Name the address "
            f"of its dashboard, {_EXAMPLE}, with --address."
        )
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        # What cannot be read as a port may be a password.
        raise _refused(name, "it cannot be read") from None
    if "@" in address or parts.username is not None:
        raise _refused(
            name,
            "it carries a user name or password, which everybody could read who sees the workspace",
            " A cluster's token is kept by: mlflow-workspace compute token NAME",
        )
    if parts.scheme == "ray":
        raise _refused(name, "ray:// is for Ray's own client, which runs no jobs")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise _refused(name, "it does not begin with http:// or https:// and a host")
    if parts.query or parts.fragment:
        raise _refused(name, "it has a query or a fragment")
    if any(each.isspace() or not each.isprintable() for each in address) or "\\" in address:
        raise _refused(name, "it has characters that no address has")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    where = "" if port is None else f":{port}"
    return f"{parts.scheme}://{host}{where}{parts.path.rstrip('/')}"


def _refused(name: str, why: str, remedy: str = "") -> ComputeTargetException:
    return ComputeTargetException(
        f"The address of compute target {name!r} cannot be used: {why}. Name that of the cluster's "
        f"dashboard, {_EXAMPLE}.{remedy}"
    )


def _reason(error: Exception) -> str:
    """Return what went wrong, without the text of libraries, which tells objects and addresses."""
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate is not trusted here, or it speaks no TLS"
    if isinstance(error, requests.ConnectTimeout):
        return "no connection in time"
    if isinstance(error, (requests.Timeout, TimeoutError)):
        return "no answer in time"
    if isinstance(error, requests.ConnectionError):
        return "no connection, or it was cut"
    return str(error)
