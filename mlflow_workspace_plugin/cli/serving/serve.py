"""``mlflow-workspace serve``: a hub for a team, behind one address, with accounts."""

import errno
import ipaddress
import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from mlflow_workspace_plugin import settings, uris
from mlflow_workspace_plugin.cli.options import echo, plain_errors

if TYPE_CHECKING:
    from mlflow_workspace_plugin.app.served.preparing import Plan

_PORT = 5000
_THIS_PROXY = ("127.0.0.1", "::1")
_DEFAULT_PORTS = {"http": 80, "https": 443}


@click.command()
@click.argument("folder", required=False, metavar="[DIR]")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=_PORT,
    show_default=True,
    help="The port to listen on.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=2,
    show_default=True,
    help="How many processes answer; each takes some 300 MB.",
)
@click.option(
    "--public-url",
    metavar="URL",
    help="Where people and clients reach it, such as https://hub.example.org. By default the "
    "address and port that it listens on.",
)
@click.option(
    "--tls-cert",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The file of the TLS certificate, with those between it and a root.",
)
@click.option(
    "--tls-key",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The file of the certificate's key.",
)
@click.option(
    "--behind-proxy",
    is_flag=True,
    help="A proxy in front does TLS: here it is plain HTTP, which nobody else may reach.",
)
@click.option(
    "--trusted-proxy",
    "trusted_proxies",
    metavar="ADDRESS",
    multiple=True,
    help="The address, or network, of the proxy: what it says of a request's origin is believed. "
    "Repeatable; by default a proxy on this machine.",
)
@click.option(
    "--oidc-issuer",
    metavar="URL",
    help="People may log in by this provider of identities (OpenID Connect), in a browser. Its "
    "secret for the hub, if there is one, is in the variable MLFLOW_WORKSPACE_OIDC_SECRET.",
)
@click.option("--oidc-client-id", metavar="ID", help="What the provider calls the hub.")
@click.option(
    "--oidc-name", metavar="NAME", help="What people call the provider; by default its host."
)
@click.option(
    "--oidc-tenant",
    "oidc_tenants",
    metavar="TENANT",
    multiple=True,
    help="Only people of this organisation may log in by it. Repeatable; by default all of them.",
)
@click.option(
    "--oidc-tenant-claim",
    default="tid",
    show_default=True,
    metavar="CLAIM",
    help="What says in the provider's tokens of which organisation somebody is.",
)
@click.option("--oidc-only", is_flag=True, help="Nobody logs in by a password.")
@click.option("--no-access-log", is_flag=True, help="Do not print a line for each request.")
@click.option("--print", "print_only", is_flag=True, help="Print MLflow's command; do not run it.")
@plain_errors
def serve(
    folder: str | None,
    host: str,
    port: int,
    workers: int,
    public_url: str | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    behind_proxy: bool,  # noqa: FBT001
    trusted_proxies: tuple[str, ...],
    oidc_issuer: str | None,
    oidc_client_id: str | None,
    oidc_name: str | None,
    oidc_tenants: tuple[str, ...],
    oidc_tenant_claim: str,
    oidc_only: bool,  # noqa: FBT001
    no_access_log: bool,  # noqa: FBT001
    print_only: bool,  # noqa: FBT001
) -> None:
    """Serve the hub in DIR, by default the default hub, to a team.

    Everybody logs in: make the first account with "user add NAME --admin". On another address than
    this machine's own it needs TLS: certificate and key, or a proxy in front that has them. For one
    person on one machine there is "ui". Ctrl-C, or SIGTERM, answers what is being asked, and stops.
    """
    certificate = _certificate(tls_cert, tls_key, behind_proxy)
    _check_exposure(host, certificate, behind_proxy)
    proxies = _proxies(behind_proxy, trusted_proxies)
    url = _public_url(public_url, host, port, is_tls=certificate is not None, behind=behind_proxy)
    path: Path = uris.hub_folder(settings.HUB.get() if folder is None else folder)
    if oidc_issuer is None and (oidc_client_id or oidc_name or oidc_tenants or oidc_only):
        raise click.UsageError("--oidc-issuer names the provider of identities. Add it.")
    if oidc_issuer is not None and not oidc_client_id:
        raise click.UsageError("The provider of identities calls the hub --oidc-client-id. Add it.")

    from mlflow_workspace_plugin.hub.hub import open_hub

    opened = open_hub(path)

    from mlflow_workspace_plugin.app.served.oidc.options import OidcOptions

    try:
        from mlflow_workspace_plugin.app.served.preparing import Plan, prepare, server_arguments
    except ImportError as error:
        from mlflow_workspace_plugin.accounts.database import INSTALL_SERVER
        from mlflow_workspace_plugin.errors import HubSettingsError

        raise HubSettingsError(
            f"Serving a hub needs more than is installed: {error}. Install it with: "
            f"{INSTALL_SERVER}"
        ) from error

    oidc = None
    if oidc_issuer is not None and oidc_client_id is not None:
        called = oidc_name or oidc_issuer.partition("://")[2].partition("/")[0]
        whose = (oidc_tenants, oidc_tenant_claim, oidc_only)
        oidc = OidcOptions(oidc_issuer, oidc_client_id, called, *whose)
    plan = Plan(opened, url, host, port, workers, proxies, certificate, not no_access_log, oidc)
    if print_only:
        import shlex

        echo(shlex.join(["mlflow", *server_arguments(plan)]))
        return
    _check_free(host, port)
    environment = prepare(plan)
    _say(plan)
    # Its own process: what stops this one stops the server, which ends in order.
    arguments = [sys.executable, "-m", "mlflow", *server_arguments(plan)]
    sys.stdout.flush()
    os.execve(sys.executable, arguments, environment)  # noqa: S606


def _certificate(
    certificate: Path | None,
    key: Path | None,
    behind_proxy: bool,  # noqa: FBT001
) -> tuple[Path, Path] | None:
    if certificate is None and key is None:
        return None
    if behind_proxy:
        raise click.UsageError(
            "TLS is done here (--tls-cert) or by a proxy (--behind-proxy). Name one of them."
        )
    if certificate is None or key is None:
        missing = "--tls-cert" if certificate is None else "--tls-key"
        raise click.UsageError(f"TLS needs a certificate and its key. Add {missing}.")
    return certificate.resolve(), key.resolve()


def _check_exposure(
    host: str,
    certificate: tuple[Path, Path] | None,
    behind_proxy: bool,  # noqa: FBT001
) -> None:
    if uris.is_loopback(host) or certificate is not None or behind_proxy:
        return
    raise click.UsageError(
        f"On {host} everybody on the network could read passwords and tokens on their way. Add "
        "--tls-cert and --tls-key; or --behind-proxy, if a proxy in front does TLS and nobody else "
        "reaches this port; or serve this machine only: --host 127.0.0.1"
    )


def _proxies(behind_proxy: bool, named: tuple[str, ...]) -> tuple[str, ...]:  # noqa: FBT001
    if named and not behind_proxy:
        raise click.UsageError("--trusted-proxy names a proxy. Add --behind-proxy.")
    for each in named:
        try:
            network = ipaddress.ip_network(each)
        except ValueError:
            raise click.BadParameter(
                f"{each!r} is no address or network. Write such as 10.0.0.7 or 10.0.0.0/24.",
                param_hint="--trusted-proxy",
            ) from None
        if network.prefixlen == 0:
            raise click.BadParameter(
                f"{each!r} is everybody, who could claim to be anybody. Name the proxy.",
                param_hint="--trusted-proxy",
            )
    return named or (_THIS_PROXY if behind_proxy else ())


def _public_url(given: str | None, host: str, port: int, *, is_tls: bool, behind: bool) -> str:
    """Return where it is reached, as browsers write it: without a path, or a port that is usual."""
    if given is None:
        if behind or host in ("0.0.0.0", "::"):  # noqa: S104
            raise click.UsageError(
                "Where people reach it cannot be told from the address that it listens on. Add "
                "--public-url, such as https://hub.example.org"
            )
        shown = f"[{host}]" if ":" in host else host
        given = f"{'https' if is_tls else 'http'}://{shown}:{port}"
    try:
        parts = urlsplit(given)
        number, name = parts.port, parts.hostname or ""
    except ValueError:
        number, name, parts = None, "", urlsplit("")
    is_whole = parts.scheme in _DEFAULT_PORTS and name and not (parts.query or parts.fragment)
    if not is_whole or parts.path not in ("", "/") or "@" in parts.netloc:
        raise click.BadParameter(
            f"{given!r} is no address of a server. Write such as https://hub.example.org, with a "
            "port if it needs one, and without a path.",
            param_hint="--public-url",
        )
    if parts.scheme == "http" and not uris.is_loopback(name):
        raise click.BadParameter(
            f"{given!r} is reached without TLS, and passwords and tokens could be read on their "
            "way. Write the https:// address.",
            param_hint="--public-url",
        )
    usual = number is None or number == _DEFAULT_PORTS[parts.scheme]
    shown = f"[{name}]" if ":" in name else name
    return f"{parts.scheme}://{shown}" + ("" if usual else f":{number}")


def _check_free(host: str, port: int) -> None:
    # MLflow's server would say so among its own lines, after ten seconds, and exit with 0.
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(found[0], socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(found[4])
    except OSError as error:
        is_of_port = error.errno in (errno.EADDRINUSE, errno.EACCES)
        remedy = "Choose another port." if is_of_port else "Name an address of this machine's."
        raise click.ClickException(
            f"Port {port} of {host} cannot be served on: {error.strerror}. {remedy}"
        ) from None


def _say(plan: "Plan") -> None:
    name = urlsplit(plan.public_url).netloc
    token = plan.hub.folder.server / "metrics-token"
    oidc = ""
    if plan.oidc is not None:
        from mlflow_workspace_plugin.app.served.oidc.options import BACK

        oidc = f"  {plan.oidc.name} has to know as redirect URI: {plan.public_url}{BACK}\n"
    echo(
        f"Hub {plan.hub.path} is served at {plan.public_url}\n"
        f"  people log in there; scripts by: mlflow-workspace login {name}\n{oidc}"
        f"  health: /hub/health, readiness: /hub/ready, metrics: /hub/metrics with the token in "
        f"{token}\nCtrl-C stops it."
    )
