"""Where a user's log-ins at served hubs are kept: a file for each hub that nobody else may read.

Or the system's keyring, and in the file that they are there.
"""

import importlib
import os
import re
import stat
import time
from collections.abc import Callable, MutableMapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from mlflow_workspace_plugin import settings
from mlflow_workspace_plugin.errors import HubSettingsError
from mlflow_workspace_plugin.hub.user_record import UserRecord

_SERVICE = "mlflow-workspace-plugin"
_KEYRING = "keyring"
JOBS = "jobs"
"""The folder, in that of a user's log-ins, in which each job has a folder of its own."""
JOB_LOG_INS = "MLFLOW_WORKSPACE_JOB_LOG_INS"
"""The variable that tells a runner on another machine where its job's folder is, if it is seen."""
_RUN_ID = re.compile("[0-9a-f]{32}")


def job_logged_in() -> str | None:
    """Return the job whose log-in this process has, which is for its run only; None: a user's."""
    own = Path(settings.LOG_INS_DIR.get()).expanduser().absolute()
    is_job = own.parent.name == JOBS and _RUN_ID.fullmatch(own.name)
    return own.name if is_job else None


def use_job_log_in(environment: MutableMapping[str, str]) -> None:
    """Log a runner, and all that it starts, in as its job, where it sees the job's log-in.

    A node that shares no folder with who submitted the job is logged in by who runs it.

    Args:
        environment: of the runner, which has left that of its machine, and has asked no hub yet.
    """
    folder = environment.pop(JOB_LOG_INS, None)
    if folder is not None and _is_own_folder(folder):
        environment[settings.LOG_INS_DIR.name] = folder


def _is_own_folder(path: str) -> bool:
    """Whether a path is a folder of this user's: the name of a job is no secret on a cluster."""
    try:
        status = os.lstat(path)
    except (OSError, ValueError):
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()


@dataclass(frozen=True)
class LogIn:
    """A log-in at a served hub.

    Attributes:
        name: of the account.
        access: the token that says so.
        refresh: what the next one is got for; None for a machine's.
        expires_at: until when ``access`` is good, by this machine's clock, in seconds since 1970.
        seconds: how long it was good when it was new.
        kept: where the secrets are: in the ``file``, or the system's ``keyring``.
    """

    name: str
    access: str
    refresh: str | None
    expires_at: float
    seconds: float
    kept: Literal["file", "keyring"] = "file"

    def is_fresh(self) -> bool:
        """Whether the token is good for some more time."""
        left_s = self.expires_at - time.time()
        # A clock that was put back does not make it older.
        return min(60.0, self.seconds / 10) < left_s


def log_in_of(said: dict[str, Any], name: str) -> LogIn:
    """Return the log-in that a hub gave.

    Args:
        said: what it answered.
        name: of the account.

    Raises:
        KeyError: something is missing in it.
        TypeError: something in it is not what it should be.
        ValueError: something in it is not what it should be.
    """
    seconds = float(said["seconds"])
    refresh = said.get("refresh")
    return LogIn(
        name=name,
        access=str(said["access"]),
        refresh=None if refresh is None else str(refresh),
        expires_at=time.time() + seconds,
        seconds=seconds,
    )


class KeptLogIn:
    """The place of the log-in at one hub.

    Args:
        address: of the hub, such as ``https://hub.example.org``.
        folder: where log-ins are; by default where the user's are.
    """

    def __init__(self, address: str, folder: Path | None = None) -> None:
        self._address = address
        if folder is None:
            folder = Path(settings.LOG_INS_DIR.get()).expanduser().absolute()
        self._record = UserRecord(
            # Two addresses never share a file: no host has an underscore before its port.
            folder / re.sub(r"[^A-Za-z0-9.-]", "_", address.removeprefix("https://")),
            f"the log-in at {address}",
            f"log in again with: mlflow-workspace login {address}",
        )

    @property
    def file(self) -> Path:
        """The file."""
        return self._record.file

    def read(self) -> LogIn | None:
        """Return the log-in; None if there is none.

        Raises:
            HubSettingsError: the file, or the keyring, cannot be used.
        """
        found = self._record.read(None)
        if found is None:
            return None
        try:
            log_in = LogIn(**found)
        except TypeError:
            raise self._record.damaged() from None
        if log_in.kept == _KEYRING:
            return self._with_secrets(log_in)
        return log_in

    def change(self, changed: Callable[[], LogIn | None]) -> None:
        """Keep another log-in, while no other process of this machine does.

        Args:
            changed: returns it; None leaves what is there. It is called once there is room for it.

        Raises:
            OSError: it cannot be kept; or others keep theirs for too long, a ``TimeoutError``.
            HubSettingsError: the keyring cannot be used.
        """

        def content() -> dict[str, Any] | None:
            log_in = changed()
            if log_in is None:
                return None
            if log_in.kept == _KEYRING:
                self._put_into_keyring(log_in)
                log_in = replace(log_in, access="", refresh=None)
            return asdict(log_in)

        self._record.change(content)

    def check_place(self, log_in: LogIn) -> None:
        """Make sure that the keyring takes what is kept there; of the file a change does so.

        Args:
            log_in: that is kept.

        Raises:
            HubSettingsError: it does not.
        """
        if log_in.kept == _KEYRING:
            self._put_into_keyring(log_in)

    def remove(self) -> None:
        """Forget the log-in."""
        log_in = self._record.read(None)
        if isinstance(log_in, dict) and log_in.get("kept") == _KEYRING:
            self._keyring("delete_password")
        self.file.unlink(missing_ok=True)

    def _put_into_keyring(self, log_in: LogIn) -> None:
        self._keyring("set_password", f"{log_in.access} {log_in.refresh or ''}")

    def _with_secrets(self, log_in: LogIn) -> LogIn | None:
        secret = self._keyring("get_password")
        if not isinstance(secret, str):
            return None
        access, _, refresh = secret.partition(" ")
        return replace(log_in, access=access, refresh=refresh or None)

    def _keyring(self, call: str, *secret: str) -> Any:
        try:
            keyring = importlib.import_module("keyring")
            fault: type[Exception] = importlib.import_module("keyring.errors").KeyringError
        except ImportError as error:
            raise HubSettingsError(
                f"The log-in at {self._address} is kept in the system's keyring, which cannot be "
                "used here. Install what it takes with: pip install keyring"
            ) from error
        try:
            return getattr(keyring, call)(_SERVICE, self._address, *secret)
        except fault as error:
            raise HubSettingsError(
                f"The system's keyring does not take or give the log-in at {self._address}: "
                f"{error}. Log in without --keyring."
            ) from error
