"""Who looks, where that is not the user of this process: at a hub that is served to a team."""

from collections.abc import Callable, Collection, Iterable
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True)
class Viewer:
    """Somebody who looks at a hub through its server.

    Attributes:
        name: of the account, by which views are owned.
        hub: what the hub is called to those who cannot see its folder.
        workspaces: returns the names of those that are seen.
        runs: returns, of a workspace and ids of runs in it, those that are seen.
        models: the same of ids of logged models.
        registered: the same of names of registered models.
        sees_shared: whether what belongs to all in a workspace is seen, such as the code of runs.
    """

    name: str
    hub: str
    workspaces: Callable[[], Collection[str]]
    runs: Callable[[str, Iterable[str]], Collection[str]]
    models: Callable[[str, Iterable[str]], Collection[str]]
    registered: Callable[[str, Iterable[str]], Collection[str]]
    sees_shared: Callable[[str], bool]


viewer: ContextVar[Viewer | None] = ContextVar("viewer", default=None)
"""Who looks at present; None is the user of this process, who sees all."""
