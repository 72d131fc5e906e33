"""SDK v1's ``AbstractDataset``: what datasets of files and of rows have in common."""

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, TypeVar

from mlflow_workspace_plugin.data import datasets
from mlflow_workspace_plugin.data.definition import DatasetDefinition, InDatastore
from mlflow_workspace_plugin.data.files.found import FoundFile, resolve
from mlflow_workspace_plugin.data.tables.partitions import partitions_of
from mlflow_workspace_plugin.errors import UserErrorException
from mlflow_workspace_plugin.sdk.data.datasets.factories import Factory
from mlflow_workspace_plugin.sdk.data.datasets.noted import note_read
from mlflow_workspace_plugin.sdk.data.datasets.registration import (
    RegisteredDatasets,
    Registration,
)
from mlflow_workspace_plugin.sdk.wanted import in_workspace
from mlflow_workspace_plugin.stores.data.datasets import DatasetVersion

if TYPE_CHECKING:
    from mlflow_workspace_plugin.sdk.data.consumption.consumption_config import (
        DatasetConsumptionConfig,
    )
    from mlflow_workspace_plugin.sdk.workspace import Workspace
    from mlflow_workspace_plugin.stores.tracking import WorkspaceTrackingStore

_LATEST = "latest"

Self = TypeVar("Self", bound="AbstractDataset")


class AbstractDataset:
    """A definition of data, which is resolved when it is read (SDK v1).

    Raises:
        UserErrorException: it is called: datasets are made by ``Dataset.File`` and
            ``Dataset.Tabular``.
    """

    File = Factory("file_factory:FileDatasetFactory")
    Tabular = Factory("tabular.factory:TabularDatasetFactory")

    _definition: DatasetDefinition
    _workspace: "Workspace | None"
    _id: str | None
    _version: DatasetVersion | None
    _consume_latest: bool

    def __init__(self) -> None:
        raise UserErrorException(
            f"A {type(self).__name__} is made by Dataset.File.from_files(), by the methods of "
            "Dataset.Tabular, or by Dataset.get_by_name()."
        )

    @classmethod
    def _of(
        cls: type[Self], definition: DatasetDefinition, workspace: "Workspace | None" = None
    ) -> Self:
        """Return a dataset that is not registered.

        Args:
            definition: of it.
            workspace: of the datastores that it names.
        """
        made = cls.__new__(cls)
        made._definition = definition
        made._workspace = workspace
        made._id = None
        made._version = None
        made._consume_latest = False
        return made

    def _with(self: Self, definition: DatasetDefinition) -> Self:
        """Return a dataset of the same kind and workspace that is not registered."""
        return self._of(definition, self._workspace)

    def _and_then(self: Self, do: str, **how: Any) -> Self:
        """Return a dataset with one more step."""
        return self._with(self._definition.and_then(do, **how))

    @staticmethod
    @in_workspace
    def get_by_name(
        workspace: "Workspace", name: str, version: "int | str | None" = _LATEST, **_kwargs: Any
    ) -> "AbstractDataset":
        """Return a registered dataset (SDK v1).

        Args:
            workspace: where it is registered.
            name: of the dataset.
            version: which; ``latest`` and None are the newest.

        Raises:
            UserErrorException: there is none such.
        """
        from mlflow_workspace_plugin.sdk.data.datasets.kinds import dataset_of_version

        number = _version_number(version)
        found = workspace.tracking_store.dataset_version(str(name), number)
        if found is None:
            asked = "" if number is None else f" (version: {number})"
            raise UserErrorException(
                f'Cannot find dataset registered with name "{name}"{asked} in the workspace. '
                f"Workspace {workspace.name!r} has {_registered(workspace, str(name))}."
            )
        dataset = dataset_of_version(workspace, found)
        note_read(workspace, dataset)
        return dataset

    @staticmethod
    @in_workspace
    def get_by_id(workspace: "Workspace", id: str, **_kwargs: Any) -> "AbstractDataset":  # noqa: A002
        """Return a saved dataset, as its newest version if it is registered (SDK v1).

        Args:
            workspace: where it is saved.
            id: of the dataset.

        Raises:
            UserErrorException: there is none such.
        """
        dataset = AbstractDataset._saved(workspace, id)
        note_read(workspace, dataset)
        return dataset

    @staticmethod
    def _saved(
        workspace: "Workspace",
        dataset_id: str,
        told: Callable[[], tuple[str | None, int | None]] | None = None,
    ) -> "AbstractDataset":
        """Return a saved dataset, as :meth:`get_by_id`, without noting that it is read.

        Args:
            workspace: where it is saved.
            dataset_id: of the dataset.
            told: under which name and version it was used. It is asked where there are several.
        """
        from mlflow_workspace_plugin.sdk.data.datasets.kinds import (
            dataset_of_saved,
            dataset_of_version,
        )

        store = workspace.tracking_store
        versions = store.versions_of_dataset(str(dataset_id))
        if versions:
            meant = told() if told is not None and len(versions) > 1 else None
            same = [each for each in versions if (each.name, each.version) == meant]
            return dataset_of_version(workspace, (same or versions)[0])
        saved = store.dataset(str(dataset_id))
        if saved is None:
            raise UserErrorException(
                f'Cannot find dataset with id "{dataset_id}" in the workspace. Ids are of one '
                f"workspace: open that of the dataset instead of {workspace.name!r}, or register "
                "it there."
            )
        return dataset_of_saved(workspace, saved)

    @staticmethod
    @in_workspace
    def get_all(workspace: "Workspace") -> RegisteredDatasets:
        """Return the newest version of each registered dataset, by name (SDK v1).

        Args:
            workspace: where they are registered.
        """
        return RegisteredDatasets(workspace)

    @property
    def id(self) -> str | None:
        """The id of the definition; None if it was not saved."""
        return self._id

    @property
    def name(self) -> str | None:
        """The name that it is registered under; None if it is not."""
        return None if self._version is None else self._version.name

    @property
    def version(self) -> int | None:
        """Which version of that name it is; None if it is not registered."""
        return None if self._version is None else self._version.version

    @property
    def description(self) -> str | None:
        """What was said of it when it was registered, or since."""
        return None if self._version is None else self._version.description

    @property
    def tags(self) -> dict[str, str] | None:
        """The tags of the registered version; None if it is not registered."""
        return None if self._version is None else dict(self._version.tags)

    @property
    def data_changed_time(self) -> datetime | None:
        """When the newest of its files was written, in UTC; None if nothing says so (SDK v1)."""
        times = [file.stored.modified_ms for file in self._asked()]
        known = [each for each in times if each is not None]
        if not known:
            return None
        return datetime.fromtimestamp(max(known) / 1000, timezone.utc).replace(tzinfo=None)

    @property
    def partition_keys(self) -> list[str]:
        """What is told by the paths of its files, by ``partition_format`` (SDK v1)."""
        written = self._definition.partition_format
        return [] if written is None else list(partitions_of(written).columns)

    def get_partition_key_values(
        self, partition_keys: list[str] | None = None
    ) -> list[dict[str, Any]]:
        """Return what the paths of its files tell, each combination once (SDK v1).

        Args:
            partition_keys: of which keys; None is all.

        Raises:
            UserErrorException: it has no such keys.
        """
        known = self.partition_keys
        if not known:
            raise UserErrorException(
                "cannot retrieve partition key values for a dataset that has no partition keys. "
                "Make it with partition_format=."
            )
        wanted = partition_keys or known
        unknown = [key for key in wanted if key not in known]
        if unknown:
            raise UserErrorException(f"{unknown} are invalid partition keys. It has {known}.")
        partitions = partitions_of(self._definition.partition_format or "")
        rows = (partitions.values(file.key) for file in self._found())
        once = dict.fromkeys(tuple(row[key] for key in wanted) for row in rows)
        return [dict(zip(wanted, values, strict=True)) for values in once]

    def as_named_input(self, name: str | None) -> "DatasetConsumptionConfig":
        """Return it as an input of a job (SDK v1).

        Args:
            name: what the job finds it by.
        """
        from mlflow_workspace_plugin.sdk.data.consumption.consumption_config import (
            DatasetConsumptionConfig,
        )

        return DatasetConsumptionConfig(name, self)

    @in_workspace
    def register(
        self: Self,
        workspace: "Workspace",
        name: str,
        description: str | None = None,
        tags: dict[str, str] | None = None,
        create_new_version: bool = False,  # noqa: FBT001, FBT002  SDK v1's signature
    ) -> Self:
        """Register it under a name, and return the registered one (SDK v1).

        What is registered is its definition, with a list of the files that are there. None is read
        for that.

        Args:
            workspace: where.
            name: what it is to be found by.
            description: in words.
            tags: texts by name.
            create_new_version: make it a new version if the name is taken. The same definition of
                the same files stays the version that it is.

        Raises:
            DatasetExistsError: another one has the name, and ``create_new_version`` is False.
            UserErrorException: it is of another workspace, or cannot be stored so.
        """
        if not isinstance(name, str) or not name.strip():
            raise UserErrorException(
                f"{name!r} is no name of a dataset. Give a text that it is to be found by."
            )
        store = self._store_to_save(workspace)
        version = datasets.register(
            store,
            self._definition,
            name,
            description=description,
            tags=_checked_tags(tags),
            new_version=create_new_version,
        )
        made = self._of(self._definition, workspace)
        made._id = version.id
        made._version = version
        return made

    def update(
        self: Self, description: str | None = None, tags: dict[str, str] | None = None
    ) -> "Self | UserErrorException":
        """Change what is said of the registered version (SDK v1).

        Args:
            description: in words; None leaves it.
            tags: all that it is to have; None leaves them.

        Returns:
            The changed dataset; of one that is not registered, as SDK v1, an error that nobody
            raises.
        """
        if self._version is None:
            return UserErrorException("To update this dataset it must be registered.")
        return self._changed(description=description, tags=_checked_tags(tags))

    def add_tags(self: Self, tags: dict[str, str] | None = None) -> "Self | UserErrorException":
        """Add tags to the registered version (SDK v1).

        Args:
            tags: texts by name.

        Returns:
            As for :meth:`update`.

        Raises:
            UserErrorException: a tag is there with another value.
        """
        if self._version is None:
            return UserErrorException("To add tags to this dataset it must be registered.")
        added = _checked_tags(tags) or {}
        there = self._version.tags
        other = [key for key, value in added.items() if there.get(key, value) != value]
        if other:
            raise UserErrorException(
                f"Dataset already contains different values for tags with the following keys "
                f"{other}. Remove them first, or give all tags to update()."
            )
        return self._changed(add_tags=added)

    def remove_tags(self: Self, tags: Iterable[str] | None = None) -> "Self | UserErrorException":
        """Remove tags from the registered version (SDK v1).

        Args:
            tags: their names; those that are not there are ignored.

        Returns:
            As for :meth:`update`.
        """
        if self._version is None:
            return UserErrorException("To remove tags from this dataset it must be registered.")
        return self._changed(remove_tags=list(tags or ()))

    def unregister_all_versions(self) -> None:
        """Forget the name that it is registered under, with all versions (SDK v1).

        Definitions and files stay. Of one that is not registered nothing is done.
        """
        if self._version is None or self._workspace is None:
            return
        self._workspace.tracking_store.unregister_dataset(self._version.name)
        self._version = None
        self._id = None

    @property
    def _registration(self) -> Registration | None:
        if self._version is None or self._workspace is None:
            return None
        return Registration(self._workspace, self._version)

    @property
    def _store(self) -> "WorkspaceTrackingStore | None":
        return None if self._workspace is None else self._workspace.tracking_store

    def _ensure_saved(self, workspace: "Workspace") -> str:
        """Save the definition, if that was not done; return its id."""
        if self._id is None or self._workspace is None or not _is_same(self._workspace, workspace):
            store = self._store_to_save(workspace)
            dataset_id = datasets.save(store, self._definition)
            if self._workspace is None:
                self._workspace = workspace
            self._id = dataset_id
        return self._id

    def _found(self) -> list[FoundFile]:
        """Return its files as they are now, of a registered one compared with what they were."""
        return datasets.found(self._store, self._definition, self._version)

    def _asked(self) -> list[FoundFile]:
        """Return its files as they are now, with what servers of the web say of them."""
        return resolve(self._store, self._definition, are_asked=True)

    def _store_to_save(self, workspace: "Workspace") -> "WorkspaceTrackingStore":
        names_stores = any(isinstance(path, InDatastore) for path in self._definition.paths)
        if names_stores and self._workspace and not _is_same(self._workspace, workspace):
            raise UserErrorException(
                f"The dataset names a datastore of workspace {self._workspace.name!r}, and cannot "
                f"be registered in {workspace.name!r}: workspaces share none. Upload its files to "
                "a datastore there."
            )
        return workspace.tracking_store

    def _changed(self: Self, **what: Any) -> Self:
        if self._version is None or self._workspace is None:
            raise UserErrorException("The dataset is not registered.")
        store = self._workspace.tracking_store
        self._version = store.change_dataset_version(
            self._version.name, self._version.version, **what
        )
        made = self._with(self._definition)
        made._id, made._version = self._id, self._version
        return made

    def __str__(self) -> str:
        return f"{type(self).__name__}\n{self!r}"

    def __repr__(self) -> str:
        content: dict[str, Any] = {
            "source": [_shown(path) for path in self._definition.paths],
            "definition": [
                *([str(self._definition.reader["format"])] if self._definition.reader else []),
                *(step["do"] for step in self._definition.steps),
            ],
        }
        if self._version is not None:
            content["registration"] = {
                "id": self.id,
                "name": self.name,
                "version": self.version,
                **({"description": self.description} if self.description else {}),
                **({"tags": self.tags} if self.tags else {}),
                "workspace": repr(self._workspace),
            }
        return json.dumps(content, indent=2)


def _shown(path: Any) -> str:
    if isinstance(path, InDatastore):
        return f"({path.datastore!r}, {path.path!r})"
    return str(path)


def _is_same(one: "Workspace", other: "Workspace") -> bool:
    return one.get_mlflow_tracking_uri() == other.get_mlflow_tracking_uri()


def _version_number(version: "int | str | None") -> int | None:
    if version is None or version == _LATEST:
        return None
    try:
        return int(version)
    except (TypeError, ValueError):
        raise UserErrorException(
            f'Invalid value {version} for version. Version value must be number or "{_LATEST}".'
        ) from None


def _registered(workspace: "Workspace", name: str) -> str:
    versions = [str(each.version) for each in workspace.tracking_store.dataset_versions(name)]
    if versions:
        return f"of it {_some('version', 'versions', versions[::-1])}"
    names = sorted(RegisteredDatasets(workspace))
    if not names:
        return "no datasets"
    return f"the {_some('dataset', 'datasets', [*map(repr, names)])}"


def _some(one: str, several: str, shown: list[str], most: int = 5) -> str:
    more = f", and {len(shown) - most:,} more" if len(shown) > most else ""
    return f"{one if len(shown) == 1 else several} {', '.join(shown[:most])}{more}"


def _checked_tags(tags: Mapping[str, str] | None) -> dict[str, str] | None:
    """Return tags as texts.

    Raises:
        UserErrorException: they are no dictionary.
    """
    if tags is None:
        return None
    if not isinstance(tags, Mapping):
        raise UserErrorException(
            f"Tags are a dictionary of texts, such as {{'stage': 'raw'}}, and not {tags!r}."
        )
    return {str(key): "" if value is None else str(value) for key, value in tags.items()}
