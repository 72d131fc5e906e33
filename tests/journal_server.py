"""A server that takes journals, without accounts: everybody is let in."""

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests
import uvicorn

from mlflow_workspace_plugin.accounts.principal import Principal
from mlflow_workspace_plugin.app.hub_api.api import hub_api
from mlflow_workspace_plugin.app.served.asking.identity import current_principal
from mlflow_workspace_plugin.app.served.faults import Faults
from mlflow_workspace_plugin.hub.hub import open_hub
from tests.servers import free_port


class Access:
    """What the server asks of rights: all may write to all runs, but to some."""

    def __init__(self, denied=()):
        self.denied = set(denied)
        self.role = "edit"

    def may_runs(self, principal, workspace, run_ids, level):
        """The runs of some that may be written to."""
        return set(run_ids) - self.denied if self.role == "edit" else set()

    def may_models(self, principal, workspace, model_ids, level):
        """The logged models of some that may be written to: whoever may write to runs may."""
        return set(model_ids) if self.role == "edit" else set()

    def writes_somewhere(self, principal, workspace):
        """Whether anything may be written in the workspace."""
        return self.role == "edit"

    def level(self, principal, workspace):
        """What may be done in the whole workspace."""
        return self.role


class _Known:
    """Lets everybody in."""

    def __init__(self, app):
        self._app = app

    async def __call__(self, scope, receive, send):
        current_principal.set(Principal("alice"))
        await self._app(scope, receive, send)


def app_of(hub, access):
    """The app of the server."""
    return Faults(_Known(hub_api(hub, access, None)))


class Asking:
    """Asks a server, as a client does; ``fault`` is asked before and after each request.

    It is given the method, the path and the answer, which is None before. What it returns is the
    answer then, and what it raises is a lost connection.
    """

    def __init__(self, port):
        self.address = f"http://127.0.0.1:{port}"
        self.fault = lambda _method, _path, _answer: None
        self.sent = 0
        self._session = requests.Session()

    def __call__(self, method, path, body, headers) -> Any:
        """Ask once."""
        found = self.fault(method, path, None)
        if found is None:
            self.sent += len(body or b"")
            found = self._session.request(
                method, self.address + path, data=body, headers=dict(headers), timeout=10
            )
            return self.fault(method, path, found) or found
        return found


@contextlib.contextmanager
def journal_server(folder: Path, denied=()) -> Iterator[Asking]:
    """Serve a hub from a thread of this process until the block is left."""
    port = free_port()
    access = Access(denied)
    config = uvicorn.Config(app_of(open_hub(folder), access), port=port, log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        asking = Asking(port)
        asking.access = access
        yield asking
    finally:
        server.should_exit = True
        thread.join(10)


def serve(folder, port):
    """Serve a hub from this process, until it is killed."""
    uvicorn.run(app_of(open_hub(Path(folder)), Access()), port=port, log_level="error")
