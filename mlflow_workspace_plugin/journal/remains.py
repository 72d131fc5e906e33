"""What is left of what a process logged."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Remains:
    """How much of what was kept is not stored: what waits, and what no file holds."""

    waiting: int = 0
    """In files of this machine, from which any process sends it."""
    lost: int = 0
    """In no file: only in the memory of this process, or not even there."""
    reason: str = ""
    """Why it is in no file."""

    def said(self, folder: Path) -> str:
        """Return where it is, of a process that lives, as a part of a sentence."""
        text = f"{self.waiting} calls wait in {folder}"
        if self.lost:
            text += f"; {self.lost} more do in memory only, or are lost: {self.reason}"
        return text
