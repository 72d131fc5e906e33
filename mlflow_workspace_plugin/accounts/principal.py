"""Who asks: a name, and what a token takes from what the name may do."""

from typing import Literal, NamedTuple

Cap = Literal["read", "edit", "manage"]
Level = Literal["none", "read", "edit", "manage"]

LEVELS: tuple[Level, ...] = ("none", "read", "edit", "manage")
"""What somebody may do in a workspace, from nothing to the roles of others."""


class Principal(NamedTuple):
    """Who makes a request.

    Attributes:
        name: the name of an account. Its roles are those of MLflow's.
        is_admin: whether it is an administrator of the hub, as far as its token allows.
        token: the id of the log-in that the token belongs to, which is no secret; None where a
            password was given.
        workspaces: a token may be for these only; None for all that the roles allow.
        cap: no more than this, whatever the roles allow.
        run_id: the token of a job writes to this run only, and to what the run makes below it.
    """

    name: str
    is_admin: bool = False
    token: str | None = None
    workspaces: frozenset[str] | None = None
    cap: Cap | None = None
    run_id: str | None = None

    @property
    def is_scoped(self) -> bool:
        """Whether a token takes something from what the name may do."""
        return not (self.workspaces is None and self.cap is None and self.run_id is None)
