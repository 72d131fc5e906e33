"""``mlflow-workspace token``: what machines and scripts are logged in by at a served hub."""

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

import click

from mlflow_workspace_plugin.cli.accounts.place import DAY_S, open_place, place_options
from mlflow_workspace_plugin.cli.layout import words
from mlflow_workspace_plugin.cli.options import (
    HubPlace,
    echo,
    json_option,
    plain_errors,
    print_json,
    print_table,
)

_KINDS = {"person": "terminal", "session": "browser", "machine": "machine", "job": "job"}
_CAPS = {"reader": "read", "member": "edit", "manager": "manage"}


@click.group()
def token() -> None:
    """Give machines tokens for a served hub, see who is logged in, and end that."""


@token.command()
@click.argument("name", required=False)
@click.option(
    "--days",
    type=click.IntRange(1, 366),
    default=30,
    show_default=True,
    help="For how long it is good.",
)
@click.option(
    "--workspace",
    "-w",
    "workspaces",
    metavar="WORKSPACE",
    multiple=True,
    help="It is for this workspace only. Repeatable; by default for all of the account's.",
)
@click.option(
    "--role",
    type=click.Choice(tuple(_CAPS)),
    help="It may do no more than this, whatever the account may.",
)
@click.option("--label", default="", help="What it is for, as token list shows it.")
@place_options
@plain_errors
def create(
    name: str | None,
    days: int,
    workspaces: Sequence[str],
    role: str | None,
    label: str,
    server: str | None,
    hub: HubPlace,
) -> None:
    """Print a new token of account NAME, by default your own, which is shown this once.

    A machine logs in by it: login HOST --token, which reads it from a pipe.
    """
    place = open_place(server, hub)
    name = name or place.me()
    if name is None:
        raise click.UsageError("Name the account.")
    said = {
        "name": name,
        "seconds": days * DAY_S,
        "workspaces": list(workspaces) or None,
        "cap": None if role is None else _CAPS[role],
        "label": label,
    }
    click.echo(place.new_token(said))
    echo(f"It is good for {days} days, and shown this once.", err=True)


@token.command("list")
@click.option("--all", "of_all", is_flag=True, help="Of all accounts; for administrators.")
@place_options
@json_option
@plain_errors
def list_(of_all: bool, server: str | None, hub: HubPlace, as_json: bool) -> None:  # noqa: FBT001
    """List what accounts are logged in by, and from which of these it came, if from one.

    Those are terminals, browsers, machines and jobs.
    """
    found = open_place(server, hub).tokens(of_all=of_all)
    if as_json:
        print_json(found)
        return
    rows = [
        {
            "id": each["id"],
            "account": each["name"],
            "what": f"{_KINDS[each['kind']]} {each['label']}".strip(),
            "for": _scope(each),
            # A server of before does not say it.
            "from": each.get("parent") or "",
            "used": words.ago(each["used_at"]) if each["used_at"] else "",
            "until": _day(each["expires_at"]),
        }
        for each in found
    ]
    print_table("Log-ins", rows)


@token.command()
@click.argument("id_", metavar="ID")
@place_options
@plain_errors
def revoke(id_: str, server: str | None, hub: HubPlace) -> None:
    """End the log-in ID, with all its tokens and the log-ins that came from it.

    It takes effect within five seconds.
    """
    was_there = open_place(server, hub).revoke(id_)
    echo("It is ended." if was_there else "It has ended already, or there is none of this id.")


def _scope(each: dict[str, Any]) -> str:
    parts = list(each["workspaces"] or [])
    if each["cap"]:
        parts.append(next(role for role, cap in _CAPS.items() if cap == each["cap"]))
    if each["run_id"]:
        parts.append(f"run {each['run_id'][:8]}")
    return ", ".join(parts)


def _day(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, timezone.utc):%Y-%m-%d}"
