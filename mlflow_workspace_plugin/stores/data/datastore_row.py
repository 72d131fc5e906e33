"""What a hub keeps of a datastore. A value, which needs no database."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

OWN_DATASTORE = "workspaceblobstore"
"""The datastore that every workspace has from the start: a folder of the hub's own storage."""
OWN_SHARE = "workspacefilestore"
"""The other one that SDK v1's workspaces have: a folder beside it."""
OWN_TYPE = "AzureBlob"


@dataclass(frozen=True)
class DatastoreRow:
    """A datastore.

    Attributes:
        name: as it was registered; capitals make no other one.
        type: of storage, such as ``AzureBlob``.
        location: the URL of what it is below; None is a folder of the hub's own storage.
        settings: what else is needed to open it. No secret is in them.
        created_at: in milliseconds; 0 of the one that is there from the start.
    """

    name: str
    type: str
    location: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    created_at: int = 0
