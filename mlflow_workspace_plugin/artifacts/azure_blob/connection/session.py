"""The HTTP session below the SDK, which for a small file is half of its processor time."""

from collections.abc import Mapping
from typing import Any

import requests

from mlflow_workspace_plugin.fresh_connections import FreshConnections

_LOOK_S = 5.0


class DirectSession(requests.Session):
    """A session that sends each request as the SDK made it.

    What the environment says of proxies and certificates is looked up once, not at each request;
    cookies, redirects, and passwords of ``.netrc`` are nothing that a storage account asks for.

    Args:
        service: the URL of the blob service, to which all requests go.
        connections: how many are kept open.
    """

    def __init__(self, service: str, connections: int) -> None:
        super().__init__()
        for scheme in ("https://", "http://"):
            self.mount(scheme, FreshConnections(pool_maxsize=connections))
        found = self.merge_environment_settings(service, {}, stream=None, verify=True, cert=None)
        self._service = service
        self._of_environment = {name: found[name] for name in ("proxies", "verify", "cert")}

    def request(  # type: ignore[override]  # what the SDK's transport gives
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        data: Any,
        files: Any,
        timeout: tuple[float, float],
        stream: bool = False,
        **_: Any,
    ) -> requests.Response:
        """Send a request, and read the answer unless it is to be streamed.

        Raises:
            requests.RequestException: there is none.
        """
        prepared = requests.PreparedRequest()
        prepared.prepare(method=method, url=url, headers=headers, files=files, data=data)
        response = self.get_adapter(url).send(
            prepared, stream=stream, timeout=timeout, **self._of_environment
        )
        if not stream:
            response.content  # noqa: B018  keeps it, and lets the connection go
        return response

    def is_unreachable(self) -> bool:
        """Whether the service answers nobody at all."""
        head = requests.Request("HEAD", self._service).prepare()
        try:
            self.get_adapter(self._service).send(head, timeout=_LOOK_S, **self._of_environment)
        except requests.exceptions.SSLError:
            return False
        except requests.RequestException:
            return True
        return False
