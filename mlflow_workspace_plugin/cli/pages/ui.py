"""``mlflow-workspace ui``: MLflow's own server and UI on a hub, within layers of ours."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, NoReturn
from urllib.parse import urlsplit

import click

from mlflow_workspace_plugin import settings, uris
from mlflow_workspace_plugin.app.asgi import HUB_VARIABLE, SECRET_VARIABLE
from mlflow_workspace_plugin.artifacts.paths import ARTIFACT_ROOT
from mlflow_workspace_plugin.cli.completion import complete_workspaces
from mlflow_workspace_plugin.cli.options import echo, hub_folder_option, plain_errors
from mlflow_workspace_plugin.cli.pages.browser import open_in_browser
from mlflow_workspace_plugin.hub.ui_address import ServedUi, announced, ui_folder

if TYPE_CHECKING:
    from mlflow_workspace_plugin.hub.hub import Hub

# Settings of MLflow clients, which would stop or mislead the server.
_CLIENT_ONLY = ("MLFLOW_WORKSPACE", "MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")
_FIRST_PORT = 5000
_PORTS_TRIED = 100
_START_S = 120
_END_S = 1.0


@click.command()
@click.option(
    "--workspace",
    "-w",
    metavar="NAME",
    help="Open the UI in this workspace.",
    shell_complete=complete_workspaces,
)
@hub_folder_option
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    help=f"The port to serve on; by default that of {settings.UI_URL.name}, else the first that is "
    f"free from {_FIRST_PORT} on.",
)
@click.option("--open", "in_browser", is_flag=True, help="Open it in the browser, too.")
@click.option(
    "--no-token", is_flag=True, help="Let every user and program of this machine in, without link."
)
@click.option("--print", "print_only", is_flag=True, help="Print the command, and do not run it.")
@plain_errors
def ui(
    workspace: str | None,
    hub: Path,
    port: int | None,
    in_browser: bool,  # noqa: FBT001
    no_token: bool,  # noqa: FBT001
    print_only: bool,  # noqa: FBT001
) -> None:
    """Serve MLflow's UI, with all workspaces of a hub, to this user of this machine.

    The link that is printed lets one browser in. For another one: mlflow-workspace open
    """
    from mlflow_workspace_plugin.app.entrance import new_secret
    from mlflow_workspace_plugin.hub.hub import open_hub

    opened = open_hub(hub)
    if workspace is not None:
        workspace = opened.catalog.get(workspace).name
    port = port or _port_of_links()
    if print_only:
        command = server_command(opened, port or _FIRST_PORT)
        echo(" ".join(["mlflow", *command[3:]]))
        return
    port = _free_port() if port is None else _checked_free(port)
    secret = None if no_token else new_secret()
    served = ServedUi(f"http://127.0.0.1:{port}", secret)
    with _running(opened, port, secret) as server, announced(opened.path, served):
        link = link_to(served, "experiments" if workspace else "", workspace)
        echo(f"Hub {opened.path} is served at\n  {link}\nCtrl-C stops it.")
        if in_browser:
            open_in_browser(link, ui_folder())
        sys.exit(server.wait())


def link_to(served: ServedUi, page: str, workspace: str | None) -> str:
    """Return a link to a page of a served UI, which lets one browser in.

    Args:
        served: where it is.
        page: such as ``experiments/1/runs/RUN``.
        workspace: in which the page is.
    """
    from mlflow_workspace_plugin.app.entrance import TOKEN, link_token

    token = {} if served.secret is None else {TOKEN: link_token(served.secret)}
    return f"{served.address}/{uris.ui_location(page, workspace, token)}"


def server_command(hub: "Hub", port: int) -> list[str]:
    """Return the command that serves a hub with MLflow's own server, on loopback.

    Both artifact options are needed: MLflow's defaults are folders below the working directory.
    """
    from mlflow_workspace_plugin.artifacts.repository import server_destination

    return [
        sys.executable,
        "-m",
        "mlflow",
        "server",
        "--backend-store-uri",
        str(uris.HubUri(hub.path)),
        "--enable-workspaces",
        "--serve-artifacts",
        "--default-artifact-root",
        ARTIFACT_ROOT,
        "--artifacts-destination",
        server_destination(hub)[0],
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        # One person looks at it: MLflow's four workers would only take four times as long to start.
        "--workers",
        "1",
    ]


@contextmanager
def _running(hub: "Hub", port: int, secret: str | None) -> "Iterator[subprocess.Popen[bytes]]":
    """Run the server until the block is left; begins once it answers."""
    command = [
        *server_command(hub, port),
        "--app-name",
        "mlflow-workspace",
        "--uvicorn-opts",
        f"--log-level warning --no-access-log --timeout-graceful-shutdown {_END_S:.0f}",
    ]
    # In a group of its own, so that Ctrl-C reaches this process, which ends the server in order.
    # MLflow prints there what it was told by its options; its errors go to the other stream.
    server = subprocess.Popen(
        command,
        env=_environment(hub, secret),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    threading.Thread(target=_pass_on, args=[server.stderr], daemon=True).start()
    try:
        with _ending_on_signals():
            _wait_until_it_answers(server, port)
            yield server
    finally:
        _end(server)


def _pass_on(said: IO[bytes]) -> None:
    for line in said:
        # That it serves this machine only is what it was told.
        if not line.startswith(b"[MLflow] Security middleware enabled"):
            echo(line.decode(errors="replace").rstrip("\n"), err=True)


def _environment(hub: "Hub", secret: str | None) -> Mapping[str, str]:
    from mlflow_workspace_plugin.artifacts.repository import server_destination

    environment = {key: value for key, value in os.environ.items() if key not in _CLIENT_ONLY}
    environment |= server_destination(hub)[1]
    environment[HUB_VARIABLE] = str(hub.path)
    if secret is not None:
        environment[SECRET_VARIABLE] = secret
    # Server-side jobs need a plain database URI, which MLflow would warn of.
    environment.setdefault("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")
    # MLflow's own code is what these would be about.
    environment.setdefault("PYTHONWARNINGS", "ignore")
    # What a person looks at on his own machine is nobody else's business.
    return environment | {"MLFLOW_DISABLE_TELEMETRY": "true"}


@contextmanager
def _ending_on_signals() -> Iterator[None]:
    def _leave(_number: int, _frame: object) -> NoReturn:
        raise SystemExit(0)

    before = {each: signal.signal(each, _leave) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _wait_until_it_answers(server: "subprocess.Popen[bytes]", port: int) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise click.ClickException(
                "MLflow's server ended before it answered. What it said stands above."
            )
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health"):
            return
        time.sleep(0.1)
    raise click.ClickException(f"MLflow's server did not answer within {_START_S} s.")


def _end(server: "subprocess.Popen[bytes]") -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        # Of the server's own processes, too; they may have ended meanwhile.
        with suppress(ProcessLookupError):
            os.killpg(server.pid, number)
        with suppress(subprocess.TimeoutExpired):
            server.wait(_END_S)
            return


def _port_of_links() -> int | None:
    if not settings.UI_URL.is_set():
        return None
    url = settings.UI_URL.get()
    try:
        return urlsplit(url).port
    except ValueError:
        raise click.UsageError(
            f"{settings.UI_URL.name} is {url!r}, whose port is no number. "
            "Set it to an address such as http://127.0.0.1:5000."
        ) from None


def _free_port() -> int:
    for port in range(_FIRST_PORT, _FIRST_PORT + _PORTS_TRIED):
        if _why_not(port) is None:
            if port != _FIRST_PORT:
                echo(f"Port {_FIRST_PORT} is in use; {port} is taken.")
            return port
    raise click.ClickException(
        f"None of the ports from {_FIRST_PORT} to {_FIRST_PORT + _PORTS_TRIED - 1} can be served "
        "on. Choose one with --port."
    )


def _checked_free(port: int) -> int:
    # MLflow's server would say so among its own lines, after ten seconds, and exit with 0.
    reason = _why_not(port)
    if reason is not None:
        raise click.ClickException(
            f"Port {port} cannot be served on: {reason}. Choose another with --port."
        )
    return port


def _why_not(port: int) -> str | None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            return error.strerror
    return None
