"""The environment variables of this package, each with a sentence.

A URI beats the environment, the environment beats a file, a file beats the default.
"""

import math
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from mlflow_workspace_plugin.terminal import get_logger

_logger = get_logger(__name__)

# What is above cannot be waited for, say.
_LARGEST = 1e6


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
        """Return the value as a number, 0 or more; what is none is the default, with a warning."""
        given = self.given_number()
        return float(self.default) if given is None else given

    def given_number(self) -> float | None:
        """Return the value in the environment now as a number, 0 or more.

        Returns:
            None when unset or empty, or, with a warning, when it is no number.
        """
        text = os.environ.get(self.name)
        if not text:
            return None
        value = math.nan
        with suppress(ValueError):
            value = float(text)
        if math.isnan(value):
            used = self.default or "the default"
            _logger.warning("%s=%r is no number; %s is used.", self.name, text, used)
            return None
        return min(max(value, 0.0), _LARGEST)


HUB = Variable(
    "MLFLOW_WORKSPACE_HUB",
    str(Path(platformdirs.user_data_dir("mlflow-workspace-plugin", appauthor=False)) / "hub"),
    "The default hub, in which workspaces are created and looked up by name: a folder, or the "
    "address of a served hub, `https://HOST`.",
)

TRUST = Variable(
    "MLFLOW_WORKSPACE_TRUST",
    "",
    "Folders of hubs, separated by `:`, that may name where secrets go: for containers and CI.",
)

TRUST_FILE = Variable(
    "MLFLOW_WORKSPACE_TRUST_FILE",
    str(
        Path(platformdirs.user_config_dir("mlflow-workspace-plugin", appauthor=False))
        / "trusted.json"
    ),
    "The user's own record of where secrets may go, which `mlflow-workspace hub trust` writes.",
)

LINKS_FILE = Variable(
    "MLFLOW_WORKSPACE_LINKS_FILE",
    str(
        Path(platformdirs.user_config_dir("mlflow-workspace-plugin", appauthor=False))
        / "linked-folders.json"
    ),
    "The user's own record of workspaces' folders on other disks, written by `hub link`.",
)

LOG_INS_DIR = Variable(
    "MLFLOW_WORKSPACE_LOG_INS",
    str(Path(platformdirs.user_config_dir("mlflow-workspace-plugin", appauthor=False)) / "log-ins"),
    "Where `mlflow-workspace login` keeps the user's log-ins at served hubs, a file for each.",
)

OIDC_SECRET = Variable(
    "MLFLOW_WORKSPACE_OIDC_SECRET",
    "",
    "The secret by which a provider of identities knows a served hub (`serve --oidc-issuer`); "
    "without one the provider has to know it as a public client.",
)

ALLOWED_LOCATIONS = Variable(
    "MLFLOW_WORKSPACE_ALLOWED_LOCATIONS",
    "",
    "Places outside of a hub, such as `s3://bucket/models` or `/data/models`, separated by spaces, "
    "that its rows may name for files, and for datastores that get this user's secrets. Nothing "
    "there is ever freed.",
)

UI_URL = Variable(
    "MLFLOW_WORKSPACE_UI_URL",
    "http://127.0.0.1:5000",
    "Where `mlflow-workspace ui` serves, and where links to runs point; unset, where one that runs "
    "serves.",
)

WIDGET = Variable(
    "MLFLOW_WORKSPACE_WIDGET",
    "",
    "`html`: `RunDetails(run).show()` shows pictures where anywidget is installed, too.",
)

TO_MLFLOW = "mlflow"
LINKS = Variable(
    "MLFLOW_WORKSPACE_LINKS",
    "pages",
    f"`{TO_MLFLOW}`: links to runs, experiments and workspaces lead to the pages of MLflow's own "
    "UI, as they have to where a stock `mlflow server` serves the hub. Else to those of "
    "`mlflow-workspace ui`.",
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
    "For how many seconds a call that needs an answer waits: for what comes before it to be "
    "stored, and for the database, or the server of a served hub, while that is away. A worker of "
    "`mlflow-workspace serve` waits 5 s unless set: its clients ask again.",
)

EXIT_WAIT_S = Variable(
    "MLFLOW_WORKSPACE_EXIT_WAIT",
    "",
    "For how many seconds in all a process waits at its end for what it logged to be stored; `0`: "
    "not at all. Unset: as long as some of it is being stored, but 10 s without that, and 120 s in "
    "all.",
)

STAGED_GB = Variable(
    "MLFLOW_WORKSPACE_STAGED_GB",
    "20",
    "How many GB of files may wait on this machine while the hub's storage account, or its server, "
    "is away.",
)

CACHE_DIR = Variable(
    "MLFLOW_WORKSPACE_CACHE_DIR",
    platformdirs.user_cache_dir("mlflow-workspace-plugin", appauthor=False),
    "What can be made anew: the environments of jobs, what snapshots know of folders, and copies "
    "of the files of mounted datasets.",
)

STRICT_DATA = Variable(
    "MLFLOW_WORKSPACE_STRICT_DATA",
    "0",
    "`1`: a registered dataset whose files are not those of its registration is not read. Else "
    "what became of them is a warning.",
)

JOBS_IN_THIS_PYTHON = Variable(
    "MLFLOW_WORKSPACE_JOBS_IN_THIS_PYTHON",
    "0",
    "`1`: jobs run in the Python that is there, whatever environment they ask for.",
)

JOBS_DIR = Variable(
    "MLFLOW_WORKSPACE_JOBS_DIR",
    str(Path(platformdirs.user_state_dir("mlflow-workspace-plugin", appauthor=False)) / "jobs"),
    "Where the jobs of this machine run, each in a folder of its own: on a local disk.",
)

KEEP_DAYS = Variable(
    "MLFLOW_WORKSPACE_KEEP_DAYS",
    "7",
    "For how many days the folder of a job that did not complete is kept on the machine where it "
    "ran. Of one that completed it is removed at once.",
)

GRACE_S = Variable(
    "MLFLOW_WORKSPACE_GRACE",
    "30",
    "For how many seconds a job that is canceled, or whose time is up, may go on after SIGTERM, "
    "before it is killed.",
)

LOG_MB = Variable(
    "MLFLOW_WORKSPACE_LOG_MB",
    "64",
    "How many MB of what a run prints are kept. Of what comes behind them 512 bytes a second are "
    "kept, and the last megabyte.",
)

END_WAIT_S = Variable(
    "MLFLOW_WORKSPACE_END_WAIT",
    "3600",
    "For how many seconds a runner whose command has ended waits for a hub, or a datastore of its "
    "outputs, that is away, to store what is left and how it ended. Then it keeps that on its "
    "machine.",
)

BEAT_S = Variable(
    "_MLFLOW_WORKSPACE_BEAT_S",
    "10",
    "Seconds between two signs of life of a runner. For tests.",
)

QUIET = Variable(
    "MLFLOW_WORKSPACE_QUIET",
    "0",
    "`1`: no line says where to look at a workspace or a run.",
)

QUEUE_DIR = Variable(
    "MLFLOW_WORKSPACE_QUEUE_DIR",
    str(Path(platformdirs.user_state_dir("mlflow-workspace-plugin", appauthor=False)) / "queue"),
    "Where jobs wait that run on this machine, with the environment that they are submitted from: "
    "a folder of your own on a local disk. Jobs of one folder share the machine.",
)

SLOTS = Variable(
    "MLFLOW_WORKSPACE_SLOTS",
    "",
    "How many jobs run on this machine at once. Unset: as many as there are CPUs, or more where "
    "the compute target says so.",
)

GPUS = Variable(
    "MLFLOW_WORKSPACE_GPUS",
    "",
    "How many GPUs the jobs of this machine share, of those that `CUDA_VISIBLE_DEVICES` names. "
    "Unset: all of these, or of those that `nvidia-smi` lists.",
)

RAY_TOKENS_DIR = Variable(
    "MLFLOW_WORKSPACE_RAY_TOKENS_DIR",
    str(
        Path(platformdirs.user_config_dir("mlflow-workspace-plugin", appauthor=False))
        / "ray-tokens"
    ),
    "Where the tokens of Ray clusters are, a file each, which `mlflow-workspace compute token` "
    "writes.",
)

SLURM_OUTPUT_DIR = Variable(
    "MLFLOW_WORKSPACE_SLURM_OUTPUT_DIR",
    str(Path(platformdirs.user_state_dir("mlflow-workspace-plugin", appauthor=False)) / "slurm"),
    "Where jobs on Slurm write what went wrong before they reached the hub: a folder that its "
    "nodes see, too, as they do a home that they share.",
)

ALL = (
    *(HUB, TRUST, TRUST_FILE, LINKS_FILE, LOG_INS_DIR, OIDC_SECRET, ALLOWED_LOCATIONS),
    *(UI_URL, LINKS, WIDGET),
    *(JOURNAL, JOURNAL_DIR, FSYNC, STRICT, WAIT_S, EXIT_WAIT_S, STAGED_GB, QUIET),
    *(QUEUE_DIR, SLOTS, GPUS, RAY_TOKENS_DIR, SLURM_OUTPUT_DIR),
    *(CACHE_DIR, STRICT_DATA, JOBS_IN_THIS_PYTHON),
    *(JOBS_DIR, KEEP_DAYS, GRACE_S, LOG_MB, END_WAIT_S),
)
