"""``mlflow-workspace login`` and ``logout``: who this machine's user is at a served hub."""

import sys

import click

from mlflow_workspace_plugin.cli.accounts.asked import ask_password
from mlflow_workspace_plugin.cli.options import echo, plain_errors

_ROLES = {"read": "reader", "edit": "member", "manage": "manager"}
"""The roles that people are given, by what these let them do."""


@click.command()
@click.argument("host")
@click.option("--name", metavar="NAME", help="The account; asked for without it.")
@click.option("--code", is_flag=True, help="Show a code, to be typed in a browser anywhere.")
@click.option("--token", is_flag=True, help="Keep a machine's token, asked for or from a pipe.")
@click.option("--keyring", is_flag=True, help="Keep it in the system's keyring, not in a file.")
@plain_errors
def login(host: str, name: str | None, code: bool, token: bool, keyring: bool) -> None:  # noqa: FBT001
    """Log in at the hub that HOST serves, for all scripts of this user on this machine.

    HOST is a name with or without a port, or a workspace's URI. The password is asked for, or is
    the first line of standard input. Who has none, because they log in by somebody else in a
    browser, logs in with --code. The log-in lasts while it is used, and 30 days without.
    """
    from mlflow_workspace_plugin.remote import logging_in
    from mlflow_workspace_plugin.uris import is_loopback

    address = logging_in.address_of(host)
    scheme, _, rest = address.partition("://")
    if scheme == "http" and not is_loopback(rest.rpartition(":")[0].strip("[]") or rest):
        echo(f"{address} is not encrypted: others on the way can read what is sent.", err=True)
    if code and token:
        raise click.UsageError("--code and --token are two ways to log in. Choose one.")
    if token:
        file = logging_in.keep_token(address, ask_password("Token"), keyring=keyring)
    elif code:
        file = logging_in.log_in_by_code(address, _show, keyring=keyring)
    elif not (ways := logging_in.ways_of(address)).password:
        echo(f"There are no passwords at {address}: people log in with {ways.provider}.")
        file = logging_in.log_in_by_code(address, _show, keyring=keyring)
    else:
        if ways.provider is not None:
            echo(
                f"Who logs in there with {ways.provider} has no password, and types a code in a "
                f"browser: mlflow-workspace login {host} --code",
                err=True,
            )
        if name is None and not sys.stdin.isatty():
            raise click.UsageError("Nobody can be asked here. Name the account with --name.")
        name = name or click.prompt("Name")
        file = logging_in.log_in(address, name, ask_password("Password"), keyring=keyring)
    me = logging_in.asked(address, "GET", "/me")
    echo(f"Logged in at {address} as {me['name']}.")
    echo(f"That is kept in {'the keyring, named in ' if keyring else ''}{file}")
    for workspace, level in sorted(me["workspaces"].items()):
        echo(f"  {workspace}: {_ROLES.get(level, level)}")
    if not me["workspaces"]:
        echo("You have no role in any workspace yet. Ask an administrator of the hub for one.")
        return
    example = next(iter(sorted(me["workspaces"])), "NAME")
    query = "" if logging_in.address_of(rest) == address else f"?scheme={scheme}"
    echo(f"To log to one: export MLFLOW_TRACKING_URI=workspace://{rest}/{example}{query}")


@click.command()
@click.argument("host")
@plain_errors
def logout(host: str) -> None:
    """Log out at the hub that HOST serves: what this machine kept of it is good no more."""
    from mlflow_workspace_plugin.errors import HubUnreachableError
    from mlflow_workspace_plugin.remote import logging_in

    address = logging_in.address_of(host)
    try:
        ended = logging_in.log_out(address)
    except HubUnreachableError as error:
        echo(f"The log-in is forgotten here, and not ended there: {error.message}", err=True)
        return
    if ended is None:
        echo(f"Nobody was logged in at {address}.")
    elif ended.refresh is None:
        echo(
            f"The token is forgotten here. It is good at {address} until it is ended, by: "
            f"mlflow-workspace token revoke ID --server {address}"
        )
    else:
        echo(f"Logged out at {address}.")


def _show(code: str, page: str) -> None:
    echo(f"Open {page}")
    echo(f"and type there: {code}")
    sys.stdout.flush()
