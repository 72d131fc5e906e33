"""SDK v1's ``ResourceConfiguration``."""

import json
from dataclasses import dataclass


@dataclass
class ResourceConfiguration:
    """What a model needs where it is served (SDK v1). Here it is kept with the model, no more.

    Args:
        cpu: how many processors.
        memory_in_gb: how much memory, in GB.
        gpu: how many GPUs.
    """

    cpu: float | None = None
    memory_in_gb: float | None = None
    gpu: int | None = None

    def serialize(self) -> dict[str, float | None]:
        """Return it as a dict under SDK v1's keys."""
        return {"cpu": self.cpu, "memoryInGB": self.memory_in_gb, "gpu": self.gpu}

    def to_text(self) -> str:
        """Return it as JSON, as it is kept."""
        return json.dumps(self.serialize())

    @classmethod
    def from_text(cls, text: str) -> "ResourceConfiguration":
        """Return what :meth:`to_text` wrote."""
        found = json.loads(text)
        return cls(found["cpu"], found["memoryInGB"], found["gpu"])
