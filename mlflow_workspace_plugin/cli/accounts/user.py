"""``mlflow-workspace user``: the accounts of a served hub, and their roles."""

import click

from mlflow_workspace_plugin.cli.accounts.asked import ask_password
from mlflow_workspace_plugin.cli.accounts.place import open_place, place_options
from mlflow_workspace_plugin.cli.layout import words
from mlflow_workspace_plugin.cli.options import (
    HubPlace,
    echo,
    json_option,
    plain_errors,
    print_json,
    print_table,
)

_ROLES = ("reader", "member", "manager")


@click.group()
def user() -> None:
    """Say who may use a served hub, and in which workspaces.

    Done on the hub's folder, or through its server by an administrator who is logged in there.
    """


@user.command()
@click.argument("name")
@click.option("--admin", is_flag=True, help="It may do everything on the hub.")
@click.option("--machine", is_flag=True, help="It has no password; give it one by token create.")
@place_options
@plain_errors
def add(name: str, admin: bool, machine: bool, server: str | None, hub: HubPlace) -> None:  # noqa: FBT001
    """Add account NAME. Its password is asked for, or is the first line of standard input."""
    place = open_place(server, hub)
    password = None if machine else ask_password(f"Password for {name}", again=True)
    place.add_user(name, password, is_admin=admin)
    what = "an administrator" if admin else "in no workspace yet: user grant gives it a role"
    echo(f"Account {name!r} is added, {what}.")


@user.command("list")
@place_options
@json_option
@plain_errors
def list_(server: str | None, hub: HubPlace, as_json: bool) -> None:  # noqa: FBT001
    """List the accounts and their roles."""
    users = open_place(server, hub).users()
    if as_json:
        print_json(users)
        return
    rows = [
        {
            "name": each["name"],
            "admin": "yes" if each["is_admin"] else "",
            "roles": ", ".join(
                f"{workspace}: {'/'.join(roles)}" for workspace, roles in each["roles"].items()
            ),
        }
        for each in users
    ]
    print_table("Accounts", rows)


@user.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@place_options
@plain_errors
def remove(name: str, yes: bool, server: str | None, hub: HubPlace) -> None:  # noqa: FBT001
    """Remove account NAME, and end what it is logged in by. What it logged stays."""
    place = open_place(server, hub)
    if not yes:
        click.confirm(f"Remove account {name!r}?", abort=True)
    place.remove_user(name)
    echo(f"Account {name!r} is removed.")


@user.command()
@click.argument("name", required=False)
@place_options
@plain_errors
def password(name: str | None, server: str | None, hub: HubPlace) -> None:
    """Set the password of NAME, by default your own. Browsers are logged out by it.

    Scripts stay logged in: token list shows by what, and token revoke ends that.
    """
    place = open_place(server, hub)
    me = place.me()
    if name is None and me is None:
        raise click.UsageError("Name the account.")
    name = name or str(me)
    before = ask_password("Password so far") if name == me else None
    place.set_password(name, ask_password(f"New password for {name}", again=True), before)
    echo(f"The password of {name!r} is set.")


@user.command()
@click.argument("name")
@click.option("--no", is_flag=True, help="It is one no more.")
@place_options
@plain_errors
def admin(name: str, no: bool, server: str | None, hub: HubPlace) -> None:  # noqa: FBT001
    """Make account NAME an administrator of the hub."""
    open_place(server, hub).set_admin(name, is_admin=not no)
    echo(f"Account {name!r} is {'no administrator any more' if no else 'an administrator'}.")


@user.command()
@click.argument("name")
@click.argument("workspace")
@click.argument("role", type=click.Choice(_ROLES))
@place_options
@plain_errors
def grant(name: str, workspace: str, role: str, server: str | None, hub: HubPlace) -> None:
    """Give account NAME a role in WORKSPACE, in the place of the one it has there.

    A reader reads everything. A member reads, creates and logs, and deletes what it created. A
    manager does everything there, and says who has which role.
    """
    open_place(server, hub).grant(name, workspace, role)
    echo(f"Account {name!r} is {role} of workspace {workspace!r}, within five seconds.")


@user.command()
@click.argument("name")
@click.argument("workspace")
@place_options
@plain_errors
def withdraw(name: str, workspace: str, server: str | None, hub: HubPlace) -> None:
    """Take from account NAME all that it may do in WORKSPACE."""
    open_place(server, hub).withdraw(name, workspace)
    echo(f"Account {name!r} has nothing in workspace {workspace!r}, within five seconds.")


@user.command()
@place_options
@json_option
@plain_errors
def identities(server: str | None, hub: HubPlace, as_json: bool) -> None:  # noqa: FBT001
    """List who logs in by a provider of identities, and as which account.

    Somebody is an issuer and a subject. What the provider calls them tells nobody apart.
    """
    found = open_place(server, hub).identities()
    if as_json:
        print_json(found)
        return
    rows = [
        {
            "account": each["name"],
            "issuer": each["issuer"],
            "subject": each["subject"],
            "called": each["shown"],
            "logged in": words.ago(each["used_at"]) if each["used_at"] else "",
        }
        for each in found
    ]
    print_table("Identities", rows)


@user.command()
@click.argument("name")
@click.option("--issuer", required=True, help="The provider of identities: iss in its tokens.")
@click.option("--subject", required=True, help="Its name for somebody: sub in its tokens.")
@place_options
@plain_errors
def bind(name: str, issuer: str, subject: str, server: str | None, hub: HubPlace) -> None:
    """Let somebody whom a provider of identities knows log in as account NAME.

    If they have another account by now, what they are logged in by as that one is ended.
    """
    before = open_place(server, hub).bind(name, issuer, subject)
    was = "" if before is None else f", and account {before!r} no more"
    echo(f"Subject {subject!r} of {issuer} logs in as {name!r}{was}.")


@user.command()
@click.option("--issuer", required=True, help="The provider of identities.")
@click.option("--subject", required=True, help="Its name for somebody.")
@place_options
@plain_errors
def unbind(issuer: str, subject: str, server: str | None, hub: HubPlace) -> None:
    """Take the account from somebody whom a provider of identities knows, and log them out.

    When they log in again, they get a new account, without any role.
    """
    name = open_place(server, hub).unbind(issuer, subject)
    if name is None:
        raise click.ClickException(
            "Nobody of this issuer and subject has an account: user identities shows who has."
        )
    echo(f"Subject {subject!r} of {issuer} logs in as {name!r} no more.")
