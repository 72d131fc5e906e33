"""How a command ended, in MLflow's word and in a sentence."""

import shlex
import signal
from collections.abc import Sequence
from typing import NamedTuple

from mlflow_workspace_plugin.runner.processes.command import Ended
from mlflow_workspace_plugin.runner.processes.memory import MemoryKills
from mlflow_workspace_plugin.runner.processes.stop import name_of

FINISHED, FAILED, KILLED = "FINISHED", "FAILED", "KILLED"


class Outcome(NamedTuple):
    """How the command of a run ended.

    Attributes:
        status: ``FINISHED``, ``FAILED`` or ``KILLED``: MLflow's words, which SDK v1's come from.
        exit_code: as a shell says it.
        cause: why it did not finish; empty if it did.
    """

    status: str
    exit_code: int
    cause: str


def outcome_of(
    command: Sequence[str],
    ended: Ended,
    last_words: str,
    *,
    before: MemoryKills,
    after: MemoryKills,
    processes: int = 1,
) -> Outcome:
    """Return how a command ended.

    Args:
        command: the program and its arguments.
        ended: what is known of its processes.
        last_words: of the one that failed.
        before: what the kernel had killed for its memory when it was started.
        after: the same when it had ended.
        processes: how many of it there were.
    """
    if ended.stopped is not None:
        return Outcome(KILLED, ended.exit_code, ended.stopped.why)
    if ended.returncode == 0:
        return Outcome(FINISHED, 0, "")
    shown = shlex.join(command)
    if processes > 1:
        shown = f"Process {ended.rank} of {processes} of {shown}"
    if ended.returncode < 0:
        cause = f"{shown} was ended by {name_of(-ended.returncode)}."
    else:
        cause = f"{shown} ended with exit code {ended.returncode}."
    # A shell says the second of a child.
    killed = (-signal.SIGKILL, 128 + signal.SIGKILL)
    memory = after.since(before, is_killed=ended.returncode in killed)
    if memory:
        cause += f" {memory}"
    elif ended.returncode == -signal.SIGKILL:
        cause += " The system sends it when memory runs out."
        if after.are_counted:
            cause += " By the kernel's count it did not."
    if last_words:
        cause += f" Its last words: {last_words}"
    return Outcome(FAILED, ended.exit_code, cause)
