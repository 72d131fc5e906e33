"""Saying what a snapshot does not hold, although nobody asked for that."""

from mlflow_workspace_plugin.terminal import get_logger

_logger = get_logger(__name__)

_NAMED = 5


class LeftOut:
    """What cannot be kept of a folder: the first few are named, the others are counted."""

    def __init__(self) -> None:
        self._number = 0

    def say(self, what: object) -> None:
        """Say that something is left out.

        Args:
            what: it, and why.
        """
        self._number += 1
        if self._number <= _NAMED:
            _logger.warning("Left out of the snapshot: %s", what)

    def say_rest(self) -> None:
        """Say how many others there were, after the last one."""
        if self._number > _NAMED:
            _logger.warning(
                "Left out of the snapshot, too, as they lead nowhere or cannot be read: %s more. "
                "Name what is not code in a .amlignore file there.",
                f"{self._number - _NAMED:,}",
            )
        self._number = 0
