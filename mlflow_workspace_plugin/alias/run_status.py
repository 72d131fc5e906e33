"""SDK v1's ``RunStatus``: private there, and imported by users all the same."""

import builtins


class RunStatus:
    """The statuses of runs, each the text that ``run.get_status()`` returns."""

    QUEUED = "Queued"
    NOT_STARTED = "NotStarted"
    PREPARING = "Preparing"
    PROVISIONING = "Provisioning"
    STARTING = "Starting"
    RUNNING = "Running"
    CANCEL_REQUESTED = "CancelRequested"
    CANCELED = "Canceled"
    FINALIZING = "Finalizing"
    COMPLETED = "Completed"
    FAILED = "Failed"
    UNAPPROVED = "Unapproved"
    NOTRESPONDING = "NotResponding"
    PAUSING = "Pausing"
    PAUSED = "Paused"

    @classmethod
    def list(cls) -> list[str]:
        """Return all of them."""
        return [value for name, value in vars(cls).items() if name.isupper()]

    @classmethod
    def get_running_statuses(cls) -> "builtins.list[str]":
        """Return those of runs that have not ended."""
        return [each for each in cls.list() if each not in (*_ENDING, *_ENDED)]

    @classmethod
    def get_post_processing_statuses(cls) -> "builtins.list[str]":
        """Return those of runs that are about to end."""
        return [*_ENDING]


_ENDING = (RunStatus.CANCEL_REQUESTED, RunStatus.FINALIZING)
_ENDED = (RunStatus.CANCELED, RunStatus.COMPLETED, RunStatus.FAILED)

RUNNING_STATES = RunStatus.get_running_statuses()
POST_PROCESSING_STATES = RunStatus.get_post_processing_statuses()
