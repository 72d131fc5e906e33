"""SDK v1's ``ResourceConfiguration``."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


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
        return cls.deserialize(json.loads(text))

    @staticmethod
    def deserialize(payload_obj: "Mapping[str, Any]") -> "ResourceConfiguration":
        """Return what :meth:`serialize` returned as a dict (SDK v1)."""
        return ResourceConfiguration(
            payload_obj["cpu"], payload_obj["memoryInGB"], payload_obj["gpu"]
        )
