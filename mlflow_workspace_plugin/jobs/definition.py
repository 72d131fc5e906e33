"""What a job runs, as it is stored: everything its runner has to know, and no secret."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

_LONGEST_S = 30 * 24 * 3600
"""SDK v1's default for how long a job may run."""


@dataclass(frozen=True)
class Definition:
    """What a job runs.

    Attributes:
        script: a Python file within the snapshot, run by the environment's Python; or
        command: the program and its arguments; a single text is for a shell. One of the two.
        arguments: of the script, as texts.
        snapshot: the id of the snapshot it is run in; None runs it in an empty folder.
        environment: what it needs, as :class:`jobs.environments.requirements.Requirements` is
            stored.
        variables: environment variables that the user asked for.
        max_run_duration_seconds: how long the command may run; None is no limit.
        processes: how many processes the command is started as, on one node.
        framework: ``Python`` or ``PyTorch``: which variables several processes are told.
        gpus: how many GPUs it wants.
        node_count: how many nodes were asked for.
        target: the name of the compute target.
        inputs: what it reads, as :class:`data.delivery.inputs.DataInput` is stored.
        outputs: what it makes, as :class:`data.delivery.outputs.DataOutput` is stored.
    """

    script: str | None = None
    command: list[str] | str | None = None
    arguments: list[str] = field(default_factory=list)
    snapshot: str | None = None
    environment: dict[str, Any] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    max_run_duration_seconds: float | None = _LONGEST_S
    processes: int = 1
    framework: str = "Python"
    gpus: int = 0
    node_count: int = 1
    target: str = "local"
    inputs: list[dict[str, Any]] = field(default_factory=list)
    outputs: list[dict[str, Any]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Definition":
        """Return what was stored; what a later version added is left out."""
        known = {each.name for each in fields(cls)}
        return cls(**{key: value for key, value in stored.items() if key in known})
