"""Warnings that do not flood a training's output."""

import time

from mlflow_workspace_plugin.terminal import get_logger

_AGAIN_S = 60.0

_logger = get_logger(__name__)


class Reminder:
    """Warns of each thing when it begins, and once a minute while it lasts."""

    def __init__(self) -> None:
        self._warned_at: dict[str, float] = {}

    def is_due(self, about: str) -> bool:
        """Whether a warning of this thing would be given now."""
        return time.monotonic() - self._warned_at.get(about, -_AGAIN_S) >= _AGAIN_S

    def warn(self, about: str, message: str, *arguments: object) -> None:
        """Warn, unless that was done less than a minute ago.

        Args:
            about: names the thing.
            message: as logging takes it, with the arguments behind it.
            arguments: what the message is formatted with.
        """
        if self.is_due(about):
            self._warned_at[about] = time.monotonic()
            _logger.warning(message, *arguments)
