"""``mlflow-workspace data``: the datasets of a workspace, its datastores, and files for them."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlflow_workspace_plugin.cli.layout import words
from mlflow_workspace_plugin.cli.options import (
    HubPlace,
    echo,
    hub_option,
    json_option,
    plain_errors,
    print_facts,
    print_json,
    print_table,
)
from mlflow_workspace_plugin.cli.which_workspace import open_workspace, workspace_option

if TYPE_CHECKING:
    from mlflow_workspace_plugin.data.files.manifest import Changes
    from mlflow_workspace_plugin.stores.data.datasets import DatasetVersion
    from mlflow_workspace_plugin.stores.tracking import WorkspaceTrackingStore

_KINDS = ("files", "csv", "tsv", "parquet", "json-lines")

_datastore_option = click.option(
    "--datastore",
    "-d",
    metavar="NAME",
    help="The datastore; by default the workspace's own, or which one was set for it.",
)


@click.group()
def data() -> None:
    """List and register datasets, and copy files to datastores and from them."""


@data.command("list")
@click.option("--datastores", is_flag=True, help="List the datastores.")
@workspace_option
@hub_option
@json_option
@plain_errors
def list_(datastores: bool, workspace: str | None, hub: HubPlace, as_json: bool) -> None:  # noqa: FBT001
    """List the datasets of a workspace, the newest version of each."""
    store = open_workspace(workspace, hub).tracking_store
    if datastores:
        facts, title = _datastores(store), "Datastores"
        rows = [each | {"default": "yes" if each["default"] else ""} for each in facts]
    else:
        found = store.newest_datasets()
        facts, title = [_facts(each) for each in found], "Datasets"
        rows = [_row(each) for each in found]
    if as_json:
        print_json(facts)
    else:
        print_table(title, rows)


@data.command()
@click.argument("dataset", metavar="NAME[:VERSION]")
@workspace_option
@hub_option
@json_option
@plain_errors
def show(dataset: str, workspace: str | None, hub: HubPlace, as_json: bool) -> None:  # noqa: FBT001
    """Show a dataset: what it is, its files, and what became of them since it was registered."""
    from mlflow_workspace_plugin.data import datasets
    from mlflow_workspace_plugin.data.definition import DatasetDefinition
    from mlflow_workspace_plugin.data.files.found import resolve
    from mlflow_workspace_plugin.errors import DatasetExecutionError

    store = open_workspace(workspace, hub).tracking_store
    version = _version(store, dataset)
    try:
        files = resolve(store, DatasetDefinition.from_json(version.definition), are_asked=True)
    except DatasetExecutionError:
        # None is left, which is said below.
        files = []
    became = datasets.changes(store, version)
    size = sum(each.stored.size or 0 for each in files)
    facts = _facts(version) | {
        "files": len(files),
        "bytes": size,
        "changes": None if became is None else vars(became),
    }
    if as_json:
        print_json(facts)
        return
    shown = {key: facts[key] for key in ("name", "version", "kind", "description")}
    shown["paths"] = ", ".join(facts["paths"])
    shown["files"] = f"{words.count(len(files), 'file')}, {words.size(size)}"
    shown["since"] = _since(version, became)
    shown["tags"] = ", ".join(f"{key}={value}" for key, value in facts["tags"].items())
    shown["id"] = version.id
    print_facts({key: value for key, value in shown.items() if value not in (None, "")})


@data.command()
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@click.argument("target", default="")
@_datastore_option
@click.option("--overwrite", is_flag=True, help="Write over files that are there.")
@workspace_option
@hub_option
@plain_errors
def upload(
    source: Path,
    target: str,
    datastore: str | None,
    overwrite: bool,  # noqa: FBT001
    workspace: str | None,
    hub: HubPlace,
) -> None:
    """Store file or folder SOURCE in folder TARGET of a datastore.

    Files that are there already are left as they are, but with --overwrite.
    """
    from mlflow_workspace_plugin.artifacts.local_files import files_in
    from mlflow_workspace_plugin.data.storages.find import storage_of

    store = open_workspace(workspace, hub).tracking_store
    name = datastore or store.default_datastore()
    folder, paths = source.parent, [source.name]
    if source.is_dir():
        folder, paths = source, sorted(files_in(source))
    prefix = f"{target.strip('/')}/" if target.strip("/") else ""
    done = storage_of(store, name).upload(
        [(folder / path, f"{prefix}{path}") for path in paths], overwrite=overwrite
    )
    text = f"Stored {words.count(done.count, 'file')} in {name}/{prefix}"
    if done.skipped:
        text += f"; {done.skipped:,} were there already (--overwrite replaces them)"
    if done.waiting:
        text += f"; {done.waiting:,} wait on this machine until the datastore answers"
    echo(f"{text}.")


@data.command()
@click.argument("what", metavar="NAME[:VERSION]|PATH")
@click.argument("target", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--datastore",
    "-d",
    metavar="NAME",
    help="Copy PATH of this datastore, and no registered dataset.",
)
@click.option("--overwrite", is_flag=True, help="Write over files that are there.")
@workspace_option
@hub_option
@plain_errors
def download(
    what: str,
    target: Path,
    datastore: str | None,
    overwrite: bool,  # noqa: FBT001
    workspace: str | None,
    hub: HubPlace,
) -> None:
    """Copy the files of a dataset, or of a datastore's path, to folder TARGET."""
    from mlflow_workspace_plugin.data import datasets
    from mlflow_workspace_plugin.data.definition import DatasetDefinition, InDatastore

    store = open_workspace(workspace, hub).tracking_store
    version = None
    if datastore is not None:
        definition = DatasetDefinition("file", (InDatastore(datastore, what.strip("/")),))
    else:
        version = _version(store, what)
        definition = DatasetDefinition.from_json(version.definition)
    files = datasets.found(store, definition, version)
    copied = datasets.download(files, target, overwrite=overwrite)
    echo(f"Copied {words.count(len(copied), 'file')} to {str(target)!r}.")


@data.command()
@click.argument("name")
@click.argument("paths", nargs=-1, required=True)
@_datastore_option
@click.option(
    "--as",
    "kind",
    type=click.Choice(_KINDS),
    default="files",
    show_default=True,
    help="How it is read: as files, or as rows of such.",
)
@click.option("--separator", help="Of csv, instead of a comma.")
@click.option("--encoding", default="utf8", show_default=True, help="Of csv, tsv and json-lines.")
@click.option("--description", help="What it is, in words.")
@click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE", help="May be given again.")
@click.option("--new-version", is_flag=True, help="Make a new version if the name is taken.")
@workspace_option
@hub_option
@plain_errors
def register(
    name: str,
    paths: tuple[str, ...],
    datastore: str | None,
    kind: str,
    separator: str | None,
    encoding: str,
    description: str | None,
    tags: tuple[str, ...],
    new_version: bool,  # noqa: FBT001
    workspace: str | None,
    hub: HubPlace,
) -> None:
    """Register PATHS of a datastore, or URLs, as dataset NAME.

    A path is of a file or a folder, or has * and ** in it. No file is read for that.
    """
    from mlflow_workspace_plugin.sdk.data.datasets.dataset import Dataset
    from mlflow_workspace_plugin.sdk.data.datastores.datastore import Datastore

    wrong = [each for each in tags if "=" not in each]
    if wrong:
        raise click.BadParameter(f"{wrong[0]!r} is no tag. Write KEY=VALUE.", param_hint="--tag")
    in_workspace = open_workspace(workspace, hub)
    of = Datastore.get(in_workspace, datastore or in_workspace.tracking_store.default_datastore())
    places: Any = [each if "://" in each else (of, each) for each in paths]
    rows = Dataset.Tabular
    readers = {
        "files": lambda: Dataset.File.from_files(places, validate=False),
        "csv": lambda: rows.from_delimited_files(
            places, separator=separator or ",", encoding=encoding
        ),
        "tsv": lambda: rows.from_delimited_files(places, separator="\t", encoding=encoding),
        "parquet": lambda: rows.from_parquet_files(places),
        "json-lines": lambda: rows.from_json_lines_files(places, encoding=encoding),
    }
    made = readers[kind]().register(
        in_workspace,
        name,
        description=description,
        tags=dict(each.split("=", 1) for each in tags) or None,
        create_new_version=new_version,
    )
    echo(f"Dataset {name!r} is registered, as version {made.version}.")


def _datastores(store: "WorkspaceTrackingStore") -> list[dict[str, Any]]:
    from mlflow_workspace_plugin.data.storages.find import storage_of
    from mlflow_workspace_plugin.errors import AzureMLException, clause

    default = store.default_datastore()
    found = []
    for each in store.datastores():
        try:
            place = storage_of(store, each.name).uri()
        except AzureMLException as error:
            place = f"cannot be used: {clause(error)}"
        facts = {"name": each.name, "type": each.type, "default": each.name == default}
        found.append({**facts, "place": place})
    return found


def _version(store: "WorkspaceTrackingStore", named: str) -> "DatasetVersion":
    """Return the version of a dataset that is named.

    Raises:
        DatasetNotFoundError: there is none.
    """
    from mlflow_workspace_plugin.errors import DatasetNotFoundError

    # A name may end as a version does.
    found = store.dataset_version(named, None)
    name, _, number = named.rpartition(":")
    if found is None and name and number.isdecimal():
        found = store.dataset_version(name, int(number))
    if found is None:
        raise DatasetNotFoundError(
            f"There is no dataset {named!r} in the workspace. mlflow-workspace data list shows "
            "those that there are; a version stands behind a colon: NAME:2."
        )
    return found


def _facts(version: "DatasetVersion") -> dict[str, Any]:
    from mlflow_workspace_plugin.data.definition import DatasetDefinition
    from mlflow_workspace_plugin.errors import DatasetExecutionError

    try:
        definition = DatasetDefinition.from_json(version.definition)
        kind, paths = definition.kind, [str(path) for path in definition.paths]
    except DatasetExecutionError:
        # It is one of many, and what is wrong is said to who wants it.
        kind, paths = None, []
    return {
        "name": version.name,
        "version": version.version,
        "kind": kind,
        "description": version.description,
        "paths": paths,
        "tags": dict(version.tags),
        "created_at": words.iso(version.created_at),
        "id": version.id,
    }


def _row(version: "DatasetVersion") -> dict[str, Any]:
    facts = _facts(version)
    return {
        "name": facts["name"],
        "version": facts["version"],
        "kind": facts["kind"] or "not known here",
        "registered": words.ago(version.created_at),
        "paths": ", ".join(facts["paths"]),
        "description": facts["description"] or "",
    }


def _since(version: "DatasetVersion", became: "Changes | None") -> str:
    when = f"it was registered ({words.ago(version.created_at)})"
    if became is None:
        return f"whether they are those of when {when} is not known"
    return f"{became} since {when}" if became else f"as they were when {when}"
