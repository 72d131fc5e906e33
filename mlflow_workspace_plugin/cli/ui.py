"""``mlflow-workspace ui``: MLflow's own server and UI on a hub."""

import os
import socket
import sys
from pathlib import Path
from urllib.parse import urlsplit

import click

from mlflow_workspace_plugin import settings, uris
from mlflow_workspace_plugin.artifacts.paths import ARTIFACT_ROOT
from mlflow_workspace_plugin.artifacts.repository import server_destination
from mlflow_workspace_plugin.cli.options import echo, hub_option, plain_errors
from mlflow_workspace_plugin.hub.hub import Hub, open_hub

# Settings of MLflow clients, which would stop or mislead the server.
_CLIENT_ONLY = ("MLFLOW_WORKSPACE", "MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")


@click.command()
@hub_option
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=lambda: _port_of_links(),
    show_default=f"that of {settings.UI_URL.name}, else 5000",
    help="The port to serve on.",
)
@click.option("--print", "print_only", is_flag=True, help="Print the command, and do not run it.")
@plain_errors
def ui(hub: Path, port: int, print_only: bool) -> None:  # noqa: FBT001
    """Serve MLflow's UI, with all workspaces of a hub, on this machine only."""
    opened = open_hub(hub)
    command = server_command(opened, port)
    if print_only:
        echo(" ".join(["mlflow", *command[3:]]))
        return
    _check_free(port)
    environment = {key: value for key, value in os.environ.items() if key not in _CLIENT_ONLY}
    environment |= server_destination(opened)[1]
    echo(f"Serving hub {hub} on http://127.0.0.1:{port} (Ctrl-C stops it)")
    # The server takes this process's place, so that signals reach it.
    os.execvpe(command[0], command, environment)  # noqa: S606  no shell is wanted


def _check_free(port: int) -> None:
    # MLflow's server would say so among its own lines, after ten seconds, and exit with 0.
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise click.ClickException(
                f"Port {port} cannot be served on: {error.strerror}. Choose another with --port."
            ) from error


def _port_of_links() -> int:
    url = settings.UI_URL.get()
    try:
        return urlsplit(url).port or 5000
    except ValueError:
        raise click.UsageError(
            f"{settings.UI_URL.name} is {url!r}, whose port is no number. "
            "Set it to an address such as http://127.0.0.1:5000."
        ) from None


def server_command(hub: Hub, port: int) -> list[str]:
    """Return the command that serves a hub with MLflow's own server, on loopback.

    Both artifact options are needed: MLflow's defaults are folders below the working directory.
    """
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
