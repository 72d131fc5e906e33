"""The environment variables of this package, each with a sentence.

A URI beats the environment, the environment beats a file, a file beats the default.
"""

import logging
import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Variable:
    """An environment variable: its name, its default, and what it does."""

    name: str
    default: str
    sentence: str

    def get(self) -> str:
        """Return the value in the environment now, or the default when unset or empty."""
        return os.environ.get(self.name) or self.default

    def is_set(self) -> bool:
        """Whether the environment sets it."""
        return bool(os.environ.get(self.name))

    def number(self) -> float:
        """Return the value as a number; what is none is the default, with a warning."""
        try:
            return float(self.get())
        except ValueError:
            _logger.warning("%s=%r is no number; %s is used.", self.name, self.get(), self.default)
            return float(self.default)


HUB = Variable(
    "MLFLOW_WORKSPACE_HUB",
    str(Path(platformdirs.user_data_dir("mlflow-workspace-plugin", appauthor=False)) / "hub"),
    "The default hub: the folder in which workspaces are created and looked up by name.",
)

UI_URL = Variable(
    "MLFLOW_WORKSPACE_UI_URL",
    "http://127.0.0.1:5000",
    "Where `mlflow-workspace ui` serves, and where links to runs point; unset, where one that runs "
    "serves.",
)

JOURNAL = Variable(
    "MLFLOW_WORKSPACE_JOURNAL",
    "on",
    "`off`: each logging call waits until the database has stored it, and raises what went wrong.",
)

JOURNAL_DIR = Variable(
    "MLFLOW_WORKSPACE_JOURNAL_DIR",
    str(Path(platformdirs.user_state_dir("mlflow-workspace-plugin", appauthor=False)) / "journal"),
    "Where what was logged waits until the database has stored it: a folder on a local disk.",
)

FSYNC = Variable(
    "MLFLOW_WORKSPACE_FSYNC",
    "0",
    "`1`: each logging call waits until the disk has what was logged, so a power cut keeps it.",
)

STRICT = Variable(
    "MLFLOW_WORKSPACE_STRICT",
    "0",
    "`1`: as without a journal, and no call is tried again. For tests.",
)

WAIT_S = Variable(
    "MLFLOW_WORKSPACE_WAIT",
    "60",
    "For how many seconds a call that needs an answer is tried again while the database is away.",
)

EXIT_WAIT_S = Variable(
    "MLFLOW_WORKSPACE_EXIT_WAIT",
    "10",
    "For how many seconds a process waits at its end for what it logged to be stored.",
)

STAGED_GB = Variable(
    "MLFLOW_WORKSPACE_STAGED_GB",
    "20",
    "How many GB of files may wait on this machine while the hub's storage account is away.",
)

QUIET = Variable(
    "MLFLOW_WORKSPACE_QUIET",
    "0",
    "`1`: no line says where to look at a workspace or a run.",
)

ALL = (HUB, UI_URL, JOURNAL, JOURNAL_DIR, FSYNC, STRICT, WAIT_S, EXIT_WAIT_S, STAGED_GB, QUIET)
