"""What a dataset is, as it is stored: where its files are, and what is done with them.

A definition holds no data and no secret. It is resolved when the dataset is read.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from mlflow_workspace_plugin.data import urls
from mlflow_workspace_plugin.errors import DatasetExecutionError

Kind = Literal["file", "tabular"]


@dataclass(frozen=True)
class InDatastore:
    """Files of a datastore.

    Attributes:
        datastore: its name.
        path: below the datastore's root, with slashes: a file, a folder, or a pattern with
            ``*`` and ``**``. Empty is all of it.
    """

    datastore: str
    path: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return {"datastore": self.datastore, "path": self.path}

    def __str__(self) -> str:
        return f"{self.datastore}/{self.path}"


@dataclass(frozen=True)
class AtUrl:
    """A file of the web.

    Attributes:
        url: of http or https. A secret may be in it.
    """

    url: str

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return {"url": self.url}

    def __str__(self) -> str:
        return urls.shown(self.url)

    def __repr__(self) -> str:
        return f"AtUrl({str(self)!r})"


@dataclass(frozen=True)
class OnThisMachine:
    """Files of the machine that the dataset was made on.

    Attributes:
        local: an absolute path: a file, a folder, or a pattern with ``*`` and ``**``.
    """

    local: str

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return {"local": self.local}

    def __str__(self) -> str:
        return self.local


PathOf = InDatastore | AtUrl | OnThisMachine


@dataclass(frozen=True)
class DatasetDefinition:
    """What a dataset is.

    Attributes:
        kind: ``file``: its elements are files; ``tabular``: they are rows.
        paths: where its files are, in the order in which they are read.
        reader: how a file becomes rows, such as ``{"format": "delimited", "separator": ","}``.
            Of files, None.
        steps: what is done with the elements, one after the other, each such as
            ``{"do": "take", "count": 5}``.
        partition_format: what of a file's path becomes columns, such as
            ``{country}/{day:yyyy/MM/dd}/data.csv``.
        timestamp: the column that says of when a row is.
        partition_timestamp: the column of the path that says of when a file is.
    """

    kind: Kind
    paths: tuple[PathOf, ...] = ()
    reader: Mapping[str, Any] | None = None
    steps: tuple[Mapping[str, Any], ...] = ()
    partition_format: str | None = None
    timestamp: str | None = None
    partition_timestamp: str | None = None

    def and_then(self, do: str, **how: Any) -> "DatasetDefinition":
        """Return the definition with one more step.

        Args:
            do: what is done, such as ``take``.
            how: the step's other values, which JSON can hold.
        """
        return replace(self, steps=(*self.steps, {"do": do, **how}))

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON holds it. What is not set is left out: a later field changes no id."""
        stored: dict[str, Any] = {
            "kind": self.kind,
            "paths": [path.to_json() for path in self.paths],
            "reader": None if self.reader is None else dict(self.reader),
            "steps": [dict(step) for step in self.steps],
            "partition_format": self.partition_format,
            "timestamp": self.timestamp,
            "partition_timestamp": self.partition_timestamp,
        }
        return {key: value for key, value in stored.items() if value not in (None, [])}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "DatasetDefinition":
        """Return what was stored; what a later version added is left out.

        Raises:
            DatasetExecutionError: a path is of a kind that a later version added, or it is no
                definition: anybody may have stored it.
        """
        paths, steps = stored.get("paths", []), stored.get("steps", [])
        if not isinstance(stored.get("kind"), str) or not (_are_dicts(paths) and _are_dicts(steps)):
            raise DatasetExecutionError(
                "What was stored as the dataset's definition is none. Register the dataset anew."
            )
        return cls(
            kind=stored["kind"],
            paths=tuple(map(_path_of, paths)),
            reader=stored.get("reader"),
            steps=tuple(steps),
            partition_format=stored.get("partition_format"),
            timestamp=stored.get("timestamp"),
            partition_timestamp=stored.get("partition_timestamp"),
        )

    def canonical(self) -> str:
        """Return it as one text, which is the same for equal definitions."""
        return json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))


def _are_dicts(given: Any) -> bool:
    return isinstance(given, list) and all(isinstance(each, dict) for each in given)


def _path_of(stored: Mapping[str, Any]) -> PathOf:
    if "datastore" in stored:
        return InDatastore(str(stored["datastore"]), str(stored.get("path", "")))
    if "url" in stored:
        return AtUrl(str(stored["url"]))
    if "local" in stored:
        return OnThisMachine(str(stored["local"]))
    raise of_later_version(f"a path with {', '.join(stored)}")


def of_later_version(what: str) -> DatasetExecutionError:
    """Return the error for what decides on a dataset's content, and is not known here.

    Args:
        what: is not known, such as ``a step 'sort'``.
    """
    return DatasetExecutionError(
        f"The dataset was made by a later version of mlflow-workspace-plugin: it has {what}. "
        "Update the package to read it."
    )
