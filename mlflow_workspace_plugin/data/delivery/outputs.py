"""What a job makes for a datastore, as its definition is stored."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from mlflow_workspace_plugin.data.delivery.variables import check_name

OutputMode = Literal["mount", "upload", "link"]
DESTINATION = "dataset/{run-id}/{output-name}"
"""Where it goes by default (SDK v1)."""


@dataclass(frozen=True)
class DataOutput:
    """A folder of a job whose files go to a datastore, and may become a version of a dataset.

    Attributes:
        name: under which the script gets it, and the variable that tells where it is.
        mode: ``mount`` is stored however the script ends, ``upload`` if it completes; of ``link``
            the script says itself which dataset it is.
        datastore: its name; None is the workspace's own.
        path: below the datastore's root, in which ``{run-id}`` and ``{output-name}`` stand for
            themselves.
        source: the folder: an absolute path, or one in the folder that the script is run in; None
            is one of its own.
        overwrite: whether ``upload`` may replace files that are there; ``mount`` does.
        globs: patterns of the files that are stored; empty is all.
        register_as: the name of the dataset that it becomes a version of; None is of none.
        description: of that version.
        tags: of that version.
        reader: how its files become rows, as ``DatasetDefinition.reader``; None if it is of files.
        steps: what is done with its rows, as ``DatasetDefinition.steps``.
        partition_format: as ``DatasetDefinition.partition_format``.
        is_reference: whether the script gets it as one of SDK v1's data references.

    Raises:
        UserErrorException: the name is none.
    """

    name: str
    mode: OutputMode = "mount"
    datastore: str | None = None
    path: str = DESTINATION
    source: str | None = None
    overwrite: bool = False
    globs: tuple[str, ...] = ()
    register_as: str | None = None
    description: str | None = None
    tags: Mapping[str, str] | None = None
    reader: Mapping[str, Any] | None = None
    steps: tuple[Mapping[str, Any], ...] = ()
    partition_format: str | None = None
    is_reference: bool = False

    def __post_init__(self) -> None:
        check_name(self.name)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        stored = asdict(self)
        return {**stored, "globs": list(self.globs), "steps": [dict(each) for each in self.steps]}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "DataOutput":
        """Return what was stored; what a later version added is left out."""
        known = {each.name for each in fields(cls)}
        given = {key: value for key, value in stored.items() if key in known}
        for name in ("globs", "steps"):
            given[name] = tuple(given.get(name) or ())
        return cls(**given)

    def destination(self, run_id: str) -> str:
        """Return the path below the datastore's root, for a run."""
        filled = self.path.replace("{run-id}", run_id).replace("{output-name}", self.name)
        return filled.strip("/")
