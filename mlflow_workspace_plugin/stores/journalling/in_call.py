"""The call of a thread that is being answered, and whether it can be made again."""

import threading
from typing import Any


class InCall(threading.local):
    """The call of this thread that is being answered, of any store."""

    entered = False
    """Whether there is one."""
    writing: Any = None
    """The connection of the session that is open, unless it is for reading only, as MLflow says."""
    may_have_stored = False
    """Whether a part of it may be stored, so that it cannot be made again."""
    asked: "list[None] | None" = None
    """Holds something while that may be so, for who waits for this thread, or does not any more."""


in_call = InCall()
