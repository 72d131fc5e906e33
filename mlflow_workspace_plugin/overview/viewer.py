"""Who looks, where that is not the user of this process: at a hub that is served to a team."""

from collections.abc import Callable, Collection
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True)
class Viewer:
    """Somebody who looks at a hub through its server.

    Attributes:
        name: of the account, by which views are owned.
        hub: what the hub is called to those who cannot see its folder.
        workspaces: returns the names of those that are seen.
    """

    name: str
    hub: str
    workspaces: Callable[[], Collection[str]]


viewer: ContextVar[Viewer | None] = ContextVar("viewer", default=None)
"""Who looks at present; None is the user of this process, who sees all."""
