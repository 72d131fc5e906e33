"""A compute target of a workspace, as its row has it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Compute:
    """A compute target of a workspace.

    Attributes:
        name: as scripts name it.
        type: which engine: ``local``, ``ray``, ``slurm``, or one that is plugged in.
        address: where the engine is; None where that needs no saying.
        settings: what else was said of it. Ours are ``slots`` (how many jobs at once),
            ``python`` (the interpreter of its nodes), ``hub`` (the workspace's hub as its nodes
            see it: a folder or a host) and ``recorded`` (sizes that SDK v1 was given: not used).
    """

    name: str
    type: str
    address: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
