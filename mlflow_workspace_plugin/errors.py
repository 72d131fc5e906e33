"""Every error this package raises on its own. A message names the thing, the reason, the remedy.

mlflow.exceptions.MlflowException      what ``except MlflowException`` and MLflow's server know
  AzureMLException                     the root of SDK v1's tree, and of ours
    UserErrorException                 (SDK v1) the caller gave something that cannot work
      InvalidUriError                  a workspace:// or workspace-hub:// URI is malformed
      InvalidWorkspaceNameError        a workspace name breaks a rule, or folds to a taken one
      UnsafeArtifactPathError          an artifact path leads out of where it may lead
      ConfigFileError                  a config.json is missing, unreadable or incomplete
      InvalidMetricError               a value that is not one number was logged as a metric
      RunNotFoundError                 the hub holds no run of that id
    ProjectSystemException             (SDK v1) a workspace cannot be reached
      WorkspaceNotFoundError           the hub holds no workspace of that name
      ServedHubError                   a served hub was named; this version opens folders
    WorkspaceException                 (SDK v1) a workspace cannot be created or changed
      WorkspaceExistsError             the name is taken
      WorkspaceNotEmptyError           deletion refused: the workspace still holds something
    RunEnvironmentException            (SDK v1) there is no run around this code
    AzureMLAggregatedException         (SDK v1) several things failed, each on a line of its own
    SnapshotException                  (SDK v1) a snapshot cannot be taken or restored
    HubError                           something is wrong with the hub itself
      HubNotFoundError                 there is no hub in that folder
      HubSettingsError                 hub.toml cannot be used
      HubNotWritableError              the hub cannot be read or written by this user
      HubCorruptError                  the database is none of MLflow's, or a damaged one
      HubUnreachableError              the database server does not answer, or refuses the login
      HubFullError                     the disk or quota is full
      HubBusyError                     another process kept the database locked
      NoAnswerError                    the database was away for as long as a call may wait
      HubTooOldError                   an older MLflow made it: ``mlflow-workspace hub upgrade``
      HubTooNewError                   a newer MLflow made it: install that one
"""

from collections.abc import Iterable

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import (
    INVALID_PARAMETER_VALUE,
    INVALID_STATE,
    PERMISSION_DENIED,
    RESOURCE_ALREADY_EXISTS,
    RESOURCE_DOES_NOT_EXIST,
    RESOURCE_EXHAUSTED,
    TEMPORARILY_UNAVAILABLE,
)


class AzureMLException(MlflowException):
    """The root of all errors of this package, under SDK v1's name for it.

    Args:
        exception_message: the thing, the reason, the remedy.
    """

    code = INVALID_STATE

    def __init__(self, exception_message: str) -> None:
        super().__init__(exception_message, error_code=self.code)


class UserErrorException(AzureMLException):
    """The caller gave something that cannot work (SDK v1)."""

    code = INVALID_PARAMETER_VALUE


class InvalidUriError(UserErrorException):
    """A ``workspace://`` or ``workspace-hub://`` URI is malformed."""


class InvalidWorkspaceNameError(UserErrorException):
    """A workspace name breaks a rule, or folds to a name that is taken."""


class UnsafeArtifactPathError(UserErrorException):
    """An artifact path leads out of the place it may lead to."""


class ConfigFileError(UserErrorException):
    """A workspace ``config.json`` is missing, unreadable or incomplete."""


class InvalidMetricError(UserErrorException):
    """A value that is not one number was logged as a metric."""


class RunNotFoundError(UserErrorException):
    """The hub, or the workspace asked for, holds no run of that id."""

    code = RESOURCE_DOES_NOT_EXIST


class ProjectSystemException(AzureMLException):
    """A workspace cannot be reached (SDK v1)."""


class WorkspaceNotFoundError(ProjectSystemException):
    """The hub holds no workspace of that name."""

    code = RESOURCE_DOES_NOT_EXIST


class ServedHubError(ProjectSystemException):
    """A served hub was named, and this version opens hub folders only."""

    @classmethod
    def of(cls, uri: str) -> "ServedHubError":
        """Return the error for a URI that names one."""
        return cls(
            f"{uri!r} names a workspace of a served hub, and served hubs need a newer version of "
            "mlflow-workspace-plugin than this one, which opens hubs in folders. "
            "For a folder write three slashes: workspace:///path/to/hub/NAME."
        )


class WorkspaceException(AzureMLException):
    """A workspace cannot be created or changed (SDK v1)."""


class WorkspaceExistsError(WorkspaceException):
    """The workspace exists already."""

    code = RESOURCE_ALREADY_EXISTS


class WorkspaceNotEmptyError(WorkspaceException):
    """Deleting was refused because the workspace still holds something."""


class RunEnvironmentException(AzureMLException):
    """There is no run around this code (SDK v1)."""


class AzureMLAggregatedException(AzureMLException):
    """Several things failed, and all of them were tried (SDK v1).

    Args:
        messages: what happened to each; the message has a line for each.
    """

    def __init__(self, messages: Iterable[str]) -> None:
        super().__init__("\n".join(messages))


class SnapshotException(AzureMLException):
    """A snapshot of a folder cannot be taken or restored (SDK v1)."""


class HubError(AzureMLException):
    """Something is wrong with the hub itself."""


class HubNotFoundError(HubError):
    """There is no hub in that folder."""

    code = RESOURCE_DOES_NOT_EXIST


class HubSettingsError(HubError):
    """``hub.toml`` cannot be used."""


class HubNotWritableError(HubError):
    """The hub cannot be read or written by this user."""

    code = PERMISSION_DENIED


class HubCorruptError(HubError):
    """The database is none of MLflow's, or a damaged one."""


class HubUnreachableError(HubError):
    """The server of the hub's database does not answer, refuses the login, or went away."""

    code = TEMPORARILY_UNAVAILABLE


class NoAnswerError(HubError):
    """The database was away for as long as a call that needs an answer may wait."""

    code = TEMPORARILY_UNAVAILABLE


class HubFullError(HubError):
    """The disk, or the user's quota on it, is full."""

    code = RESOURCE_EXHAUSTED


class HubBusyError(HubError):
    """Another process kept the hub's database locked for too long."""

    code = TEMPORARILY_UNAVAILABLE


class HubTooOldError(HubError):
    """The hub was made by an older MLflow, and is not migrated without being asked to."""


class HubTooNewError(HubError):
    """The hub was made by a newer MLflow than the installed one."""
