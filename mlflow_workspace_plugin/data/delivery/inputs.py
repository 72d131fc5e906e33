"""What a job reads, as its definition is stored."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from mlflow_workspace_plugin.data.delivery.variables import check_name

InputMode = Literal["direct", "download", "mount"]


@dataclass(frozen=True)
class DataInput:
    """A dataset, or a path of a datastore, that a job's script gets.

    Attributes:
        name: under which the script gets it, and the variable that tells where it is.
        mode: ``download`` and ``mount`` give a path, ``direct`` the id of a dataset.
        dataset: the id of a saved dataset; None of a datastore's path, and of what is ``latest``.
        registered_as: the name of the dataset, if it was registered.
        version: which version of it; None is the newest when the job starts.
        datastore: the name of a datastore, of its path.
        path: below the datastore's root, with slashes; empty is all of it.
        path_on_compute: where the script finds it: an absolute path, or one in the folder that it
            is run in; None is a folder of its own.
        overwrite: whether a download may replace files that are there.
        is_reference: whether the script gets it as one of SDK v1's data references.

    Raises:
        UserErrorException: the name is none.
    """

    name: str
    mode: InputMode = "direct"
    dataset: str | None = None
    registered_as: str | None = None
    version: int | None = None
    datastore: str | None = None
    path: str = ""
    path_on_compute: str | None = None
    overwrite: bool = False
    is_reference: bool = False

    def __post_init__(self) -> None:
        check_name(self.name)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "DataInput":
        """Return what was stored; what a later version added is left out."""
        known = {each.name for each in fields(cls)}
        return cls(**{key: value for key, value in stored.items() if key in known})
