"""``mlflow-workspace env``: the environments that jobs of this user have built on this machine."""

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import click

from mlflow_workspace_plugin.cli.layout import words
from mlflow_workspace_plugin.cli.options import (
    echo,
    json_option,
    older_than_option,
    plain_errors,
    print_json,
    print_table,
)

if TYPE_CHECKING:
    from mlflow_workspace_plugin.jobs.environments.built import BuiltEnvironment


@click.group()
def env() -> None:
    """List and remove the environments that jobs have built.

    They are on this machine, for this user, and made again when a job needs them.
    """


@env.command("list")
@json_option
@plain_errors
def list_(as_json: bool) -> None:  # noqa: FBT001
    """List them, the one that was used last first."""
    from mlflow_workspace_plugin.jobs.environments.built import built

    found = built()
    if as_json:
        print_json([_facts(each) for each in found])
        return
    print_table("Environments", [_row(each) for each in found])


@env.command()
@older_than_option("30d", "Only what no job began to use since then, such as 12h; 0s is all.")
@click.option("--dry-run", is_flag=True, help="Say what would be removed, and remove nothing.")
@json_option
@plain_errors
def prune(older_than: float, dry_run: bool, as_json: bool) -> None:  # noqa: FBT001
    """Remove those that no job uses now, nor has used for 30 days.

    What processes that were killed left of others is removed, too.
    """
    from mlflow_workspace_plugin.jobs.environments import built

    found = [_facts(each) for each in built.prune(older_than, dry_run=True)]
    removed = found
    if not dry_run:
        keys = {each.key for each in built.prune(older_than)}
        removed = [each for each in found if each["key"] in keys]
    if as_json:
        print_json({"dry_run": dry_run, "environments": removed})
        return
    echo(
        f"{'Would remove' if dry_run else 'Removed'} {len(removed):,} environments, "
        f"{words.size(sum(each['bytes'] for each in removed))}."
    )


def _facts(environment: "BuiltEnvironment") -> dict[str, Any]:
    used_at = datetime.fromtimestamp(environment.used_at, tz=timezone.utc)
    return {
        "key": environment.key,
        "name": environment.name,
        "python": environment.python,
        "packages": environment.packages,
        "used_at": used_at.isoformat(timespec="seconds"),
        "bytes": environment.size,
        "folder": str(environment.path),
    }


def _row(environment: "BuiltEnvironment") -> dict[str, Any]:
    facts = _facts(environment)
    return {
        "key": environment.key[:8],
        "name": environment.name,
        "python": environment.python,
        "packages": ", ".join(environment.packages),
        "used": facts["used_at"],
        "size": words.size(facts["bytes"]),
    }
