"""Our own routes and pages of a hub behind their gate, in a server of the tests' process."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from tests.servers import free_port

PASSWORD = "a password of the tests"


@dataclass
class Api:
    """A running server.

    Attributes:
        address: of it.
        hub: that it serves.
        asked: method and path of each request that reached it, and the bytes that came and went.
    """

    address: str
    hub: Any
    asked: list[tuple[str, str, list[int]]] = field(default_factory=list)

    def add_user(self, name: str, workspace: str, role: str) -> None:
        """Add an account with a role."""
        from mlflow_workspace_plugin.accounts.people import People

        People(self.hub).add(name, PASSWORD)
        People(self.hub).grant(name, workspace, role)

    def http(self, name: str, **options: Any) -> "Http":
        """Return what asks it as an account; options as of ``Tokens.issue``."""
        from mlflow_workspace_plugin.accounts.tokens import Tokens

        return Http(self.address, Tokens(self.hub).issue(name, **options).access)

    def body_bytes(self) -> int:
        """Return how many bytes went through it, but for what was asked and said in JSON."""
        return sum(
            sum(sizes) for _, path, sizes in self.asked if path.endswith(("content", "append"))
        )


class Http:
    """Asks a hub's server once, as whoever a token is of.

    Args:
        address: of the server.
        token: of who asks.
    """

    def __init__(self, address: str, token: str) -> None:
        self.address = address
        self.token = token
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["Authorization"] = f"Bearer {token}"

    def request(
        self,
        method: str,
        path: str,
        *,
        patience_s: float | None = None,
        timeout_s: float | None = None,
        again: bool = True,
        wants_object: bool = False,
        **options: Any,
    ) -> requests.Response:
        """Return the answer to a request, or raise the error that it is."""
        from mlflow_workspace_plugin.errors import HubUnreachableError
        from mlflow_workspace_plugin.remote.http import _refusal

        del patience_s, timeout_s, again, wants_object
        try:
            answer = self._session.request(method, self.address + path, timeout=60, **options)
        except requests.RequestException as error:
            raise HubUnreachableError(str(error)) from error
        if answer.ok:
            return answer
        raise _refusal(answer.json())


@contextmanager
def hub_api_server(hub_path: Path, oidc: Any = None, port: int = 0) -> Iterator[Api]:
    """Serve the routes of a hub until the block is left.

    Args:
        hub_path: the folder of the hub.
        oidc: the provider of identities, as its options.
        port: where it listens; by default one that is free.
    """
    import uvicorn

    from mlflow_workspace_plugin.accounts.access import Access
    from mlflow_workspace_plugin.app.hub_api.api import hub_api
    from mlflow_workspace_plugin.app.pages.pages import Pages
    from mlflow_workspace_plugin.app.served.asking.gate import gate
    from mlflow_workspace_plugin.app.served.configuration import Served
    from mlflow_workspace_plugin.hub.hub import open_hub

    hub, port = open_hub(hub_path), port or free_port()
    api = Api(f"http://127.0.0.1:{port}", hub)
    served = Served(hub_path, api.address, hub_path / "metrics-token", oidc=oidc)
    access = Access(hub, takes_passwords=served.takes_passwords)
    inner = Pages(hub_api(hub, access, served), hub)
    gated = gate(inner, hub, access)

    async def counted(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await gated(scope, receive, send)
            return
        sizes = [0, 0]
        api.asked.append((scope["method"], scope["path"], sizes))

        async def take() -> Any:
            message = await receive()
            sizes[0] += len(message.get("body", b""))
            return message

        async def give(message: Any) -> None:
            sizes[1] += len(message.get("body", b""))
            await send(message)

        await gated(scope, take, give)

    server = uvicorn.Server(
        uvicorn.Config(counted, host="127.0.0.1", port=port, log_level="warning", lifespan="off")
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    try:
        yield api
    finally:
        server.should_exit = True
        thread.join(30)
