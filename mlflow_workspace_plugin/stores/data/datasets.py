"""The datasets of a workspace: definitions of data, and the versions of them under a name."""

import json
import time
import uuid
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from mlflow_workspace_plugin.errors import (
    DatasetExistsError,
    DatasetNotFoundError,
    UnstorableValueError,
)
from mlflow_workspace_plugin.hub.databases import storable
from mlflow_workspace_plugin.hub.databases.storable import NO_DATABASE_TAKES
from mlflow_workspace_plugin.hub.tables import DATASET_VERSIONS, DATASETS, NAME_LENGTH
from mlflow_workspace_plugin.stores.connections import Connections

_IDS = uuid.UUID("6f3f6a0e-6c4d-5d0b-9d8a-2f6c1f0b7a53")
"""What the ids of definitions are derived from. It never changes."""
_KINDS = {"file": "a dataset of files", "tabular": "a dataset of rows"}
_NO_VERSION = 2**31
"""More than a column holds."""


@dataclass(frozen=True)
class SavedDataset:
    """A definition of data that was saved.

    Attributes:
        id: the same for the same definition in the same workspace.
        definition: what it is, as JSON holds it.
        created_at: in milliseconds.
    """

    id: str
    definition: Mapping[str, Any]
    created_at: int


@dataclass(frozen=True)
class DatasetVersion:
    """A version of a dataset that was registered under a name.

    Attributes:
        name: of the dataset.
        version: counts from 1.
        id: of its definition.
        definition: what it is, as JSON holds it.
        description: in words.
        tags: texts by name.
        created_at: in milliseconds.
        manifest: names the stored list of the files that were there; None if there is none.
    """

    name: str
    version: int
    id: str
    definition: Mapping[str, Any]
    description: str | None
    tags: Mapping[str, str]
    created_at: int
    manifest: str | None


class Datasets(Connections):
    """Keeps datasets."""

    def put_dataset(self, definition: Mapping[str, Any]) -> str:
        """Save a definition; return its id (ours).

        The same definition has the same id, whoever saves it, and is saved once.

        Args:
            definition: what it is, as JSON holds it. No secret is in it.

        Raises:
            UnstorableValueError: it is no definition, or JSON cannot hold it.
            WorkspaceNotFoundError: the workspace was deleted.
        """
        self._check_workspace()
        workspace = self._get_active_workspace()
        definition = storable.as_json("The definition of a dataset", definition)
        _check_form(definition)
        canonical = json.dumps(definition, sort_keys=True, separators=(",", ":"))
        id_ = str(uuid.uuid5(_IDS, f"{workspace}\n{canonical}"))
        row = {
            "id": id_,
            "workspace": workspace,
            "definition": definition,
            "created_at": time.time_ns() // 1_000_000,
        }
        with self._transaction() as connection:
            connection.execute(self._dialect.insert(DATASETS).values(row).on_conflict_do_nothing())
        return id_

    def dataset(self, id: str) -> SavedDataset | None:  # noqa: A002
        """Return a saved definition; None if the workspace has none of that id (ours).

        Args:
            id: of the definition.
        """
        if NO_DATABASE_TAKES.search(id):
            return None
        is_it = (DATASETS.c.id == id) & (DATASETS.c.workspace == self._get_active_workspace())
        with self._statements() as connection:
            row = connection.execute(select(DATASETS).where(is_it)).one_or_none()
        return None if row is None else SavedDataset(row.id, row.definition, row.created_at)

    def register_dataset(
        self,
        name: str,
        id: str,  # noqa: A002
        *,
        description: str | None = None,
        tags: Mapping[str, str] | None = None,
        manifest: str | None = None,
        new_version: bool = False,
    ) -> DatasetVersion:
        """Register a saved definition under a name; return the version that it is (ours).

        What is the newest version already keeps its number: the same definition, and with
        ``new_version`` the same files. The description and the tags that are given are its from
        then on.

        Args:
            name: of the dataset.
            id: of the definition.
            description: in words.
            tags: texts by name.
            manifest: names the stored list of the files that are there; equal for equal lists.
            new_version: make it a new version if the name is taken.

        Raises:
            DatasetExistsError: another definition has the name, and ``new_version`` is False; or
                it is of another kind.
            DatasetNotFoundError: no definition of that id was saved in the workspace.
            UnstorableValueError: the database cannot store one of the texts.
        """
        self._check_dataset_texts(name, description, tags)
        saved = self.dataset(id)
        if saved is None:
            raise DatasetNotFoundError(
                f"Workspace {self._get_active_workspace()!r} has no dataset with the id {id!r} "
                "that could be registered. Make the dataset again, and register that."
            )
        while True:
            newest = self._newest_of_dataset(name)
            if newest is not None and newest.dataset != id:
                self.check_kind_of_dataset(name, saved.definition)
            if (
                newest is not None
                and newest.dataset == id
                and not (new_version and _differ(newest.manifest, manifest))
            ):
                return self.change_dataset_version(
                    name, newest.version, description=description, tags=tags
                )
            if newest is not None and not new_version:
                raise DatasetExistsError(
                    f"There is already a dataset registered under name {name!r}, of another "
                    "definition. Give create_new_version=True, or --new-version, to register this "
                    "one as a new version of it, or choose another name."
                )
            version = 1 if newest is None else newest.version + 1
            row: dict[str, Any] = {
                "workspace": self._get_active_workspace(),
                "name": name,
                "version": version,
                "dataset": id,
                "description": description,
                "tags": dict(tags or {}),
                "manifest": manifest,
                "created_at": time.time_ns() // 1_000_000,
            }
            with self._transaction() as connection:
                inserted = connection.execute(
                    self._dialect.insert(DATASET_VERSIONS).values(row).on_conflict_do_nothing(),
                    execution_options={"preserve_rowcount": True},
                )
            # Else somebody else has registered that version just now.
            if inserted.rowcount:
                return DatasetVersion(
                    name,
                    version,
                    id,
                    saved.definition,
                    description,
                    dict(tags or {}),
                    row["created_at"],
                    manifest,
                )

    def check_kind_of_dataset(self, name: str, definition: Mapping[str, Any]) -> None:
        """Check that a definition could be the next version of a dataset, or the first (ours).

        Args:
            name: of the dataset.
            definition: what it is, as JSON holds it.

        Raises:
            DatasetExistsError: the dataset is of another kind.
        """
        newest = self.dataset_version(name)
        if newest is None or newest.definition.get("kind") == definition.get("kind"):
            return
        raise DatasetExistsError(
            f"Dataset {name!r} is {_kind_of(newest.definition)}, and what was to be registered "
            f"under that name is {_kind_of(definition)}. Choose another name, or unregister all "
            "versions of the dataset first."
        )

    def dataset_version(self, name: str, version: int | None = None) -> DatasetVersion | None:
        """Return a version of a dataset; None if the workspace has none such (ours).

        Args:
            name: of the dataset.
            version: which; the newest if None.
        """
        if NO_DATABASE_TAKES.search(name) or not 0 <= (version or 0) < _NO_VERSION:
            return None
        query = self._versions_with_definitions().where(DATASET_VERSIONS.c.name == name)
        if version is not None:
            query = query.where(DATASET_VERSIONS.c.version == version)
        query = query.order_by(DATASET_VERSIONS.c.version.desc()).limit(1)
        return next(iter(self._versions_found(query)), None)

    def dataset_versions(self, name: str) -> list[DatasetVersion]:
        """Return all versions of a dataset, the oldest first (ours).

        Args:
            name: of the dataset.
        """
        if NO_DATABASE_TAKES.search(name):
            return []
        query = self._versions_with_definitions().where(DATASET_VERSIONS.c.name == name)
        return self._versions_found(query.order_by(DATASET_VERSIONS.c.version))

    def newest_datasets(self) -> list[DatasetVersion]:
        """Return the newest version of each dataset of the workspace, by name (ours)."""
        newest = (
            select(DATASET_VERSIONS.c.name, func.max(DATASET_VERSIONS.c.version).label("version"))
            .where(DATASET_VERSIONS.c.workspace == self._get_active_workspace())
            .group_by(DATASET_VERSIONS.c.name)
            .subquery()
        )
        is_newest = (DATASET_VERSIONS.c.name == newest.c.name) & (
            DATASET_VERSIONS.c.version == newest.c.version
        )
        query = self._versions_with_definitions().join(newest, is_newest)
        return self._versions_found(query.order_by(DATASET_VERSIONS.c.name))

    def versions_of_dataset(self, id: str) -> list[DatasetVersion]:  # noqa: A002
        """Return the versions, of whatever names, that a definition is, the newest first (ours).

        Args:
            id: of the definition.
        """
        if NO_DATABASE_TAKES.search(id):
            return []
        query = self._versions_with_definitions().where(DATASET_VERSIONS.c.dataset == id)
        columns = DATASET_VERSIONS.c
        return self._versions_found(
            query.order_by(columns.created_at.desc(), columns.name, columns.version.desc())
        )

    def change_dataset_version(
        self,
        name: str,
        version: int,
        *,
        description: str | None = None,
        tags: Mapping[str, str] | None = None,
        add_tags: Mapping[str, str] | None = None,
        remove_tags: Collection[str] = (),
    ) -> DatasetVersion:
        """Change what is said of a version; return it as it is then (ours).

        Args:
            name: of the dataset.
            version: which.
            description: in words; None leaves it as it is.
            tags: all that it is to have; None leaves them as they are.
            add_tags: tags that are set, whatever others do at the same time.
            remove_tags: names of tags that are removed.

        Raises:
            DatasetNotFoundError: the workspace has no such version.
            UnstorableValueError: the database cannot store one of the texts.
        """
        self._check_dataset_texts(name, description, dict(tags or {}) | dict(add_tags or {}))
        with self._locked_version(name, version) as (connection, found):
            kept = dict(found.tags if tags is None else tags) | dict(add_tags or {})
            changed: dict[str, Any] = {
                "tags": {key: value for key, value in kept.items() if key not in remove_tags}
            }
            if description is not None:
                changed["description"] = description
            connection.execute(
                update(DATASET_VERSIONS)
                .where(DATASET_VERSIONS.c.workspace == self._get_active_workspace())
                .where(DATASET_VERSIONS.c.name == name, DATASET_VERSIONS.c.version == version)
                .values(changed)
            )
            query = self._versions_with_definitions().where(
                DATASET_VERSIONS.c.name == name, DATASET_VERSIONS.c.version == version
            )
            return _version_of(connection.execute(query).one())

    def unregister_dataset(self, name: str) -> int:
        """Forget all versions of a dataset; return how many there were (ours).

        Definitions stay, as do the files.

        Args:
            name: of the dataset.
        """
        if NO_DATABASE_TAKES.search(name):
            return 0
        is_it = (DATASET_VERSIONS.c.name == name) & (
            DATASET_VERSIONS.c.workspace == self._get_active_workspace()
        )
        with self._transaction() as connection:
            return int(connection.execute(delete(DATASET_VERSIONS).where(is_it)).rowcount)

    @property
    def _dialect(self) -> Any:
        return sqlite if self._is_sqlite else postgresql

    def _check_dataset_texts(
        self, name: str, description: str | None, tags: Mapping[str, str] | None
    ) -> None:
        # The same on each database: it is found by what it is called.
        storable.refuse("The name of a dataset", name, is_sqlite=False, limit=NAME_LENGTH)
        self._check_text("The description of a dataset", description)
        for key, value in (tags or {}).items():
            self._check_text("The name of a tag", key)
            self._check_text(f"The value of tag {key!r}", value)

    def _newest_of_dataset(self, name: str) -> Row[Any] | None:
        query = (
            select(DATASET_VERSIONS)
            .where(DATASET_VERSIONS.c.workspace == self._get_active_workspace())
            .where(DATASET_VERSIONS.c.name == name)
        )
        with self._statements() as connection:
            query = query.order_by(DATASET_VERSIONS.c.version.desc()).limit(1)
            return connection.execute(query).one_or_none()

    @contextmanager
    def _locked_version(self, name: str, version: int) -> Iterator[tuple[Connection, Row[Any]]]:
        is_it = (
            (DATASET_VERSIONS.c.workspace == self._get_active_workspace())
            & (DATASET_VERSIONS.c.name == name)
            & (DATASET_VERSIONS.c.version == version)
        )
        with self._transaction() as connection:
            query = select(DATASET_VERSIONS).where(is_it).with_for_update()
            found = connection.execute(query).one_or_none()
            if found is None:
                raise DatasetNotFoundError(
                    f"Workspace {self._get_active_workspace()!r} has no version {version} of a "
                    f"dataset {name!r}. ws.datasets names those that it has."
                )
            yield connection, found

    def _versions_with_definitions(self) -> Select[Any]:
        # A definition is of its workspace, and so is what names it.
        return (
            select(DATASET_VERSIONS, DATASETS.c.definition)
            .join(DATASETS, DATASETS.c.id == DATASET_VERSIONS.c.dataset)
            .where(DATASET_VERSIONS.c.workspace == self._get_active_workspace())
            .where(DATASETS.c.workspace == self._get_active_workspace())
        )

    def _versions_found(self, query: Select[Any]) -> list[DatasetVersion]:
        with self._statements() as connection:
            return [_version_of(row) for row in connection.execute(query)]


def _check_form(definition: Any) -> None:
    """Refuse what is no definition, whatever later versions have in one."""
    if not isinstance(definition, dict) or not isinstance(definition.get("kind"), str):
        raise UnstorableValueError(
            "A definition of a dataset says of which kind it is, such as 'file' or 'tabular'. "
            "Name one."
        )
    paths, steps = definition.get("paths", []), definition.get("steps", [])
    for name, parts in (("paths", paths), ("steps", steps)):
        if not isinstance(parts, list) or not all(isinstance(each, dict) for each in parts):
            raise UnstorableValueError(
                f"The {name} of a dataset's definition are a list of dicts. Give one."
            )


def _kind_of(definition: Mapping[str, Any]) -> str:
    kind = definition.get("kind")
    # A row may hold anything.
    return (_KINDS.get(kind) if isinstance(kind, str) else None) or "of another kind"


def _differ(manifest: str | None, other: str | None) -> bool:
    return None not in (manifest, other) and manifest != other


def _version_of(row: Row[Any]) -> DatasetVersion:
    return DatasetVersion(
        row.name,
        row.version,
        row.dataset,
        row.definition,
        row.description,
        row.tags,
        row.created_at,
        row.manifest,
    )
