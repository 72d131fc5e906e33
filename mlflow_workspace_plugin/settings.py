"""The environment variables of this package, each with a sentence.

A URI beats the environment, the environment beats a file, a file beats the default.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs


@dataclass(frozen=True)
class Variable:
    """An environment variable: its name, its default, and what it does."""

    name: str
    default: str
    sentence: str

    def get(self) -> str:
        """Return the value in the environment now, or the default when unset or empty."""
        return os.environ.get(self.name) or self.default


HUB = Variable(
    "MLFLOW_WORKSPACE_HUB",
    str(Path(platformdirs.user_data_dir("mlflow-workspace-plugin", appauthor=False)) / "hub"),
    "The default hub: the folder in which workspaces are created and looked up by name.",
)

UI_URL = Variable(
    "MLFLOW_WORKSPACE_UI_URL",
    "http://127.0.0.1:5000",
    "Where `mlflow-workspace ui` serves, and where links to runs point.",
)

ALL = (HUB, UI_URL)
