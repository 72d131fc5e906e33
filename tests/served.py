"""A hub that is served with accounts: the real command, in processes of its own."""

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import requests

from tests.servers import free_port

ADMIN = "admin"
PASSWORD = "a password of the tests"
"""Of every account that the tests make."""
_START_S = 180


class ServedHub:
    """A hub and its server.

    Args:
        path: the folder of the hub.
        log: the file that the server's output goes to.
        options: of ``mlflow-workspace serve``, such as ``--workers 2``.
        env: variables of the server's.
    """

    def __init__(
        self, path: Path, log: Path, options: tuple[str, ...] = (), env: Mapping[str, str] = {}
    ) -> None:
        self.path = path
        self.log = log
        self.port = free_port()
        # Of a certificate that the tests made, which nobody else trusts.
        self.verify = options[options.index("--tls-cert") + 1] if "--tls-cert" in options else True
        scheme = "http" if self.verify is True else "https"
        self.address = f"{scheme}://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None
        self._options = options
        self._env = env
        self._sessions: list[Session] = []

    @cached_property
    def hub(self) -> Any:
        """The open hub, beneath the server."""
        from mlflow_workspace_plugin.hub.hub import open_hub

        return open_hub(self.path)

    @cached_property
    def people(self) -> Any:
        """The accounts of the hub, beneath the server."""
        from mlflow_workspace_plugin.accounts.people import People

        return People(self.hub)

    def start(self) -> None:
        """Start the server; returns once it is ready."""
        command = [sys.executable, "-m", "mlflow_workspace_plugin.cli", "serve", str(self.path)]
        command += ["--port", str(self.port), "--workers", "1", *self._options]
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                command,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env={**os.environ, **self._env},
            )
        deadline = time.monotonic() + _START_S
        while not self.is_ready():
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.1)

    def is_ready(self) -> bool:
        """Whether it says that it can work."""
        try:
            answer = requests.get(f"{self.address}/hub/ready", timeout=10, verify=self.verify)
            return answer.ok
        except requests.RequestException:
            return False

    def said(self) -> str:
        """Return the end of what the server has printed."""
        return self.log.read_text()[-6000:]

    def stop(self) -> int:
        """Stop it as a supervisor does; return its exit status."""
        assert self.process is not None
        self.leave()
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def leave(self) -> None:
        """Close what is open to it: with TLS it waits up to half a minute for idle clients."""
        for each in self._sessions:
            each.close()

    def kill(self) -> None:
        """Kill it and its workers at once."""
        assert self.process is not None
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(30)

    def add_user(self, name: str, *, admin: bool = False, **roles: str) -> None:
        """Add an account.

        Args:
            name: of the account.
            admin: whether it may do everything.
            roles: its role in each workspace, whose name has ``_`` for ``-``: ``team_a="member"``.
        """
        self.people.add(name, PASSWORD, is_admin=admin)
        for workspace, role in roles.items():
            self.people.grant(name, workspace.replace("_", "-"), role)

    def deny(self, name: str, workspace: str, experiment_id: str) -> Callable[[], None]:
        """Deny an account an experiment by MLflow's rules; return what takes that back."""
        store = self.people._accounts.store
        role = store.create_role(f"no-{experiment_id}-of-{name}", workspace)
        store.add_role_permission(role.id, "experiment", experiment_id, "DENY")
        store.assign_role_to_user(store.get_user(name).id, role.id)
        return partial(store.delete_role, role.id)

    def token(self, name: str, **options: Any) -> str:
        """Return an access token of an account; options as of ``Tokens.issue``."""
        from mlflow_workspace_plugin.accounts.tokens import Tokens

        return Tokens(self.hub).issue(name, **options).access

    def session(self, name: str | None, workspace: str | None = None, **options: Any) -> "Session":
        """Return what asks the server as an account, of a workspace; None is nobody."""
        session = Session(self.address)
        self._sessions.append(session)
        session.verify = self.verify
        if name is not None:
            session.headers["Authorization"] = f"Bearer {self.token(name, **options)}"
        if workspace is not None:
            session.headers["X-MLFLOW-WORKSPACE"] = workspace
        return session


class Session(requests.Session):
    """Asks one server; paths are enough.

    Args:
        address: of the server.
    """

    def __init__(self, address: str) -> None:
        super().__init__()
        self._address = address
        # Neither a proxy nor a password of the machine's.
        self.trust_env = False

    def request(self, method: Any, url: Any, *args: Any, **options: Any) -> requests.Response:
        options.setdefault("timeout", 60)
        return super().request(method, f"{self._address}{url}", *args, **options)


@contextmanager
def served_hub(
    hub: Path, log: Path, *options: str, env: Mapping[str, str] | None = None
) -> Iterator[ServedHub]:
    """Serve a hub until the block is left, with an administrator ``ADMIN``.

    Args:
        hub: the folder of the hub, which is there.
        log: the file that the server's output goes to.
        options: of ``mlflow-workspace serve``.
        env: variables of the server's.
    """
    served = ServedHub(hub, log, options, env or {})
    if not any(each.name == ADMIN for each in served.people.list()):
        served.people.add(ADMIN, PASSWORD, is_admin=True)
    try:
        served.start()
        yield served
    finally:
        if served.process is not None and served.process.poll() is None:
            try:
                served.stop()
            finally:
                served.kill()


def raw(
    served: ServedHub, method: str, target: str, headers: list[tuple[str, str]], body: bytes = b""
) -> tuple[int, bytes]:
    """Ask with an address and headers exactly as they are given; return status and content."""
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
    connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
    for name, value in [("Host", f"127.0.0.1:{served.port}"), *headers]:
        connection.putheader(name, value)
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer.status, text


def access_log(log: Path) -> list[dict[str, Any]]:
    """Return the lines of the access log in what a server has printed."""
    lines = log.read_text().splitlines()
    return [json.loads(line) for line in lines if line.startswith('{"time"')]


@contextmanager
def hub_of_two_teams(template: Path, folder: Path) -> Iterator["ServedHub"]:
    """Serve a hub with workspaces team-a, of which there are a reader and a member, and team-b.

    Args:
        template: the folder of a new hub, to be copied.
        folder: for the hub and the server's log.
    """
    from mlflow_workspace_plugin import Workspace

    hub = shutil.copytree(template, folder / "hub")
    for name in ("team-a", "team-b"):
        Workspace.create(name, hub=hub)
    with served_hub(hub, folder / "server.log") as server:
        for role in ("reader", "member"):
            server.add_user(role, team_a=role)
        yield server
