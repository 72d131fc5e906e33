"""A workspace as it was created, and how one is found by its name."""

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class WorkspaceRecord:
    """A workspace, as it was created."""

    name: str
    """The name MLflow knows."""
    display_name: str
    """The name as it was given, such as ``Contoso_ML``."""
    subscription_id: str = "00000000-0000-0000-0000-000000000000"
    resource_group: str = "local"
    location: str = "local"
    created_at: int | None = None
    """Milliseconds since 1970; None when MLflow's server created the workspace."""
    tags: dict[str, str] = field(default_factory=dict)


def find(records: Iterable[WorkspaceRecord], name: str) -> WorkspaceRecord | None:
    """Return the workspace with a name as it was given, in any case, or as MLflow knows it.

    Names that merely fold to the same are not taken for one another: ``data_x`` does not open
    ``data-x``, which may be somebody else's.
    """
    for record in records:
        if name == record.name or name.lower() == record.display_name.lower():
            return record
    return None
