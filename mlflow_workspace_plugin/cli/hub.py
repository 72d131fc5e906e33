"""``mlflow-workspace hub``: make and upgrade hubs."""

from pathlib import Path

import click

from mlflow_workspace_plugin.artifacts.repository import check_access, link_workspace
from mlflow_workspace_plugin.cli.options import echo, hub_option, plain_errors
from mlflow_workspace_plugin.hub import azure
from mlflow_workspace_plugin.hub.folder import JOURNAL_MODES, JournalMode
from mlflow_workspace_plugin.hub.hub import create_hub, open_hub, upgrade_hub
from mlflow_workspace_plugin.uris import hub_folder


@click.group()
def hub() -> None:
    """Make and upgrade hubs."""


@hub.command()
@click.argument("folder")
@click.option(
    "--journal-mode",
    type=click.Choice(JOURNAL_MODES),
    help="SQLite's journal mode; by default wal, or delete on a network file system.",
)
@click.option(
    "--database",
    metavar="URL",
    help="Keep the rows in PostgreSQL: postgresql+psycopg://USER:${PASSWORD_VARIABLE}@HOST/DATABASE",
)
@click.option(
    "--artifacts",
    metavar="URI",
    help="Keep the files in Azure Blob Storage: azure://ACCOUNT/CONTAINER/PREFIX, with "
    "?credential=${VARIABLE} for a connection string, key or SAS that is in no usual variable.",
)
@plain_errors
def init(
    folder: str, journal_mode: JournalMode | None, database: str | None, artifacts: str | None
) -> None:
    """Make a hub in FOLDER."""
    if artifacts is not None:
        # Before a hub is made whose files nobody could store.
        check_access(azure.parse(artifacts))
    opened, notice = create_hub(hub_folder(folder), journal_mode, database, artifacts)
    if notice:
        echo(notice, err=True)
    how = opened.settings.database or f"journal_mode {opened.settings.journal_mode}"
    where = "" if opened.settings.artifacts is None else f", files in {opened.place_of()}"
    echo(f"Hub {opened.path} is ready ({how}{where}).")


@hub.command()
@click.argument("name")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@hub_option
@plain_errors
def link(name: str, folder: Path, hub: Path) -> None:
    """Keep the files of workspace NAME in FOLDER, on another disk, say.

    A link leads there from the hub, and is noted in this user's own record: no other link in a hub
    is followed. Who else uses the workspace runs the same command.
    """
    opened = open_hub(hub)
    record = opened.catalog.get(name)
    link_workspace(opened, record.name, folder)
    echo(f"The files of workspace {record.display_name!r} are in {folder.resolve()}")


@hub.command()
@click.argument("folder")
@click.option(
    "--force", is_flag=True, help="Upgrade although others are connected to the database."
)
@plain_errors
def upgrade(folder: str, force: bool) -> None:  # noqa: FBT001
    """Migrate the hub in FOLDER, which an older MLflow made, to the installed MLflow.

    hub.db is backed up first and checked afterwards; a PostgreSQL database is to be backed up
    with pg_dump, and stays as it was if the migration fails. Nothing else may use the hub
    meanwhile: while others are connected to PostgreSQL they are named, and nothing is done.
    Older MLflow versions cannot open the hub any more.
    """
    path: Path = hub_folder(folder)
    done = upgrade_hub(path, force=force)
    if done is None:
        echo(f"Hub {path} is up to date.")
    elif done.backup is None:
        echo(f"Hub {path} was upgraded.")
    else:
        echo(f"Hub {path} was upgraded. The database as it was before: {done.backup}")
