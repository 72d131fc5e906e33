"""Datasets of a workspace: saved, registered under a name, resolved, brought to this machine."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow_workspace_plugin import settings
from mlflow_workspace_plugin.data import urls
from mlflow_workspace_plugin.data.definition import AtUrl, DatasetDefinition
from mlflow_workspace_plugin.data.files.copies import download
from mlflow_workspace_plugin.data.files.found import (
    FoundFile,
    resolve,
    single_file,
    sources,
    whole_folder,
)
from mlflow_workspace_plugin.data.files.kept_manifests import manifests_of
from mlflow_workspace_plugin.data.files.manifest import Changes, Manifest
from mlflow_workspace_plugin.data.files.mount import Mount
from mlflow_workspace_plugin.errors import (
    AzureMLException,
    DatasetExecutionError,
    DatasetValidationError,
    clause,
)
from mlflow_workspace_plugin.stores.data.datasets import DatasetVersion
from mlflow_workspace_plugin.terminal import get_logger

if TYPE_CHECKING:
    from mlflow_workspace_plugin.stores.tracking import WorkspaceTrackingStore

__all__ = [
    "changes",
    "download",
    "found",
    "mount",
    "register",
    "registered_files",
    "save",
    "single_file",
    "without_missing",
]

_logger = get_logger(__name__)

_said: set[tuple[str, str]] = set()


def save(store: "WorkspaceTrackingStore", definition: DatasetDefinition) -> str:
    """Save a definition in a workspace; return its id.

    Raises:
        DatasetValidationError: a URL in it holds a secret, which would be stored.
    """
    for place in definition.paths:
        if isinstance(place, AtUrl) and urls.holds_secret(place.url):
            raise DatasetValidationError(
                f"URL {str(place)!r} was given with a secret, which would be stored with the "
                "dataset. Register the storage as a datastore, which keeps no secret, or read the "
                "dataset without registering it."
            )
    return store.put_dataset(definition.to_json())


def register(
    store: "WorkspaceTrackingStore",
    definition: DatasetDefinition,
    name: str,
    *,
    description: str | None = None,
    tags: Mapping[str, str] | None = None,
    new_version: bool = False,
) -> DatasetVersion:
    """Register a definition under a name, with a list of the files that it has now.

    No file is read for that. What cannot be listed now is registered all the same.

    Args:
        store: of the workspace.
        definition: of the dataset.
        name: what it is to be found by.
        description: in words.
        tags: texts by name.
        new_version: make it a new version if the name is taken.

    Raises:
        DatasetValidationError: a URL in it holds a secret, which would be stored.
        DatasetExistsError: another definition has the name, and ``new_version`` is False.
        UnstorableValueError: the database cannot store one of the texts.
    """
    dataset_id = save(store, definition)
    try:
        manifest = _listed(store, definition)
    except AzureMLException as error:
        _logger.warning(
            "Dataset %r is registered without a list of its files, so later changes of them are "
            "not noticed: %s",
            name,
            clause(error),
        )
        return store.register_dataset(
            name, dataset_id, description=description, tags=tags, new_version=new_version
        )
    with manifests_of(store.tracking_uri).keeping(manifest) as kept:
        return store.register_dataset(
            name,
            dataset_id,
            description=description,
            tags=tags,
            manifest=kept,
            new_version=new_version,
        )


def found(
    store: "WorkspaceTrackingStore | None",
    definition: DatasetDefinition,
    version: DatasetVersion | None = None,
) -> list[FoundFile]:
    """Return the files of a dataset, in the order in which they are read.

    Args:
        store: of the workspace; None where no datastore is named.
        definition: of the dataset.
        version: under which it was registered. What became of the files since is a warning, or
            an error where ``MLFLOW_WORKSPACE_STRICT_DATA`` says so.

    Raises:
        DatasetExecutionError: there are none, or not those of the registration.
        AzureMLException: a storage cannot be reached or used.
    """
    if store is None or version is None or version.manifest is None:
        return resolve(store, definition)
    then = _manifest(store, version)
    try:
        files = resolve(store, definition, are_asked=then is not None)
    except DatasetExecutionError as error:
        raise DatasetExecutionError(f"{_named(version)}: {error.message}") from error
    if then is not None:
        is_listed = sources(definition) is definition
        now = Manifest.of(files) if is_listed else _listed(store, definition)
        if became := then.compare(now):
            _say(store, version, then, became)
    return files


def registered_files(store: "WorkspaceTrackingStore", version: DatasetVersion) -> Manifest | None:
    """Return the files that a version had when it was registered; None if that is not known."""
    if version.manifest is None:
        return None
    try:
        return manifests_of(store.tracking_uri).read(version.manifest)
    except (AzureMLException, ValueError) as error:
        _logger.debug("The list of the files of %s is not read: %s", _named(version), error)
        return None


def changes(store: "WorkspaceTrackingStore", version: DatasetVersion) -> Changes | None:
    """Return what became of the files of a version since its registration; None if unknown.

    Raises:
        AzureMLException: a storage cannot be reached or used.
    """
    then = None if version.manifest is None else _manifest(store, version)
    if then is None:
        return None
    try:
        now = _listed(store, DatasetDefinition.from_json(version.definition))
    except DatasetExecutionError:
        now = Manifest({})
    return then.compare(now)


def without_missing(files: Sequence[FoundFile]) -> list[FoundFile]:
    """Return the files but for those of the web at whose URLs nothing is, which is said.

    Args:
        files: of a dataset.
    """
    left = []
    for file in files:
        # What a storage has listed is there.
        is_there = file.stored.size is not None or any(file.storage.files(file.stored.path))
        if is_there:
            left.append(file)
        else:
            _logger.warning("There is nothing at %r, which is left out.", file.key)
    return left


def mount(
    definition: DatasetDefinition, files: Sequence[FoundFile], target: Path | None = None
) -> Mount:
    """Return a folder in which the files of a dataset seem to be, once it is started.

    Args:
        definition: of the dataset.
        files: what it resolves to.
        target: the folder, empty or not there yet; None is a new one.
    """
    whole = whole_folder(definition, files) if files else None
    return Mount(files, target, whole=whole)


def _listed(store: "WorkspaceTrackingStore", definition: DatasetDefinition) -> Manifest:
    return Manifest.of(resolve(store, sources(definition), are_asked=True))


def _manifest(store: "WorkspaceTrackingStore", version: DatasetVersion) -> Manifest | None:
    try:
        then = manifests_of(store.tracking_uri).read(version.manifest or "")
    except ValueError as error:
        reason: object = error
    else:
        if then is not None:
            return then
        reason = "it is gone"
    _logger.warning(
        "The list of the files that %s had cannot be read: %s. Whether they are still those is not "
        "known. Register it as a new version.",
        _named(version),
        reason,
    )
    return None


def _say(
    store: "WorkspaceTrackingStore", version: DatasetVersion, then: Manifest, became: Changes
) -> None:
    registered = datetime.fromtimestamp(version.created_at / 1000, timezone.utc)
    text = (
        f"{_named(version)} is not what it was when it was registered, at "
        f"{registered:%Y-%m-%d %H:%M} UTC with {len(then.files):,} files: {became}."
    )
    if settings.STRICT_DATA.get() == "1":
        raise DatasetExecutionError(
            f"{text} Register it as a new version, put the files back, or read what is there now: "
            f"unset {settings.STRICT_DATA.name}."
        )
    # Once, though a script reads it for each epoch.
    if (said := (store.tracking_uri, text)) not in _said:
        _said.add(said)
        _logger.warning("%s What is there now is read.", text)


def _named(version: DatasetVersion) -> str:
    return f"Version {version.version} of dataset {version.name!r}"
