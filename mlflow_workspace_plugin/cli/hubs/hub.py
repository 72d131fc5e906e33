"""``mlflow-workspace hub``: make, trust and upgrade hubs."""

from pathlib import Path

import click

from mlflow_workspace_plugin import settings
from mlflow_workspace_plugin.cli.completion import complete_workspaces
from mlflow_workspace_plugin.cli.options import echo, hub_folder_option, plain_errors
from mlflow_workspace_plugin.hub.files.layout import JOURNAL_MODES, JournalMode
from mlflow_workspace_plugin.uris import hub_folder


@click.group()
def hub() -> None:
    """Make, trust and upgrade hubs."""


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
    from mlflow_workspace_plugin.artifacts.repository import check_access
    from mlflow_workspace_plugin.hub import azure
    from mlflow_workspace_plugin.hub.hub import create_hub

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
@click.argument("name", shell_complete=complete_workspaces)
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@hub_folder_option
@plain_errors
def link(name: str, folder: Path, hub: Path) -> None:
    """Keep the files of workspace NAME in FOLDER, on another disk, say.

    A link leads there from the hub, and is noted in this user's own record: no other link in a hub
    is followed. Who else uses the workspace runs the same command.
    """
    from mlflow_workspace_plugin.artifacts.repository import link_workspace
    from mlflow_workspace_plugin.hub.hub import open_hub

    opened = open_hub(hub)
    record = opened.catalog.get(name)
    link_workspace(opened, record.name, folder)
    echo(f"The files of workspace {record.display_name!r} are in {folder.resolve()}")


@hub.command("trust")
@click.argument("folder")
@click.option("--yes", is_flag=True, help="Do not ask.")
@plain_errors
def trust_(folder: str, yes: bool) -> None:  # noqa: FBT001
    """Let the hub in FOLDER send secrets of yours where its hub.toml says.

    A hub that somebody else made, or that was changed, is used only after that. Nothing is sent
    meanwhile, nor here.
    """
    from mlflow_workspace_plugin.errors import HubNotFoundError
    from mlflow_workspace_plugin.hub import trust
    from mlflow_workspace_plugin.hub.files.folder import HubFolder

    path: Path = hub_folder(folder)
    found = HubFolder(path)
    if found.identity() is None:
        raise HubNotFoundError(f"There is no hub in {str(path)!r}. Name the folder of one.")
    wanted = trust.destinations(found.load_settings())
    if not wanted:
        echo(f"Hub {path} keeps all in its folder: it sends no secret, and needs no trust.")
        return
    echo(f"Hub {path} sends secrets of yours to what its hub.toml names:")
    for each in wanted:
        echo(f"  {each}\n    with {each.secrets}")
    if not yes:
        click.confirm("Do you know these places, and may they have that?", abort=True)
    trust.remember(wanted)
    echo(f"Hub {path} is trusted, until its hub.toml names another place or variable.")


@hub.command()
@click.argument("folder", required=False)
@click.option(
    "--force", is_flag=True, help="Upgrade although others are connected to the database."
)
@plain_errors
def upgrade(folder: str | None, force: bool) -> None:  # noqa: FBT001
    """Migrate the hub in FOLDER, by default the default hub, to the installed versions.

    That is one which an older MLflow, or an older version of this package, made. Of hub.db a copy
    is migrated and checked, and written back in one transaction, with a backup beside it; a
    PostgreSQL database is to be backed up with pg_dump. Whenever this fails, or is killed, the hub
    is as it was. Nothing else may use it meanwhile: while others have the database open they are
    named, and nothing is done. Older versions cannot open the hub any more.
    """
    from mlflow_workspace_plugin.hub.hub import upgrade_hub

    path: Path = hub_folder(settings.HUB.get() if folder is None else folder)
    done = upgrade_hub(path, force=force)
    if done is None:
        echo(f"Hub {path} is up to date.")
    elif done.backup is None:
        echo(f"Hub {path} was upgraded.")
    else:
        echo(f"Hub {path} was upgraded. The database as it was before: {done.backup}")
