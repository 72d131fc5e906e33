"""Every error this package raises on its own. A message names the thing, the reason, the remedy.

mlflow.exceptions.MlflowException      what ``except MlflowException`` and MLflow's server know
  AzureMLException                     the root of SDK v1's tree, and of ours
    UserErrorException                 (SDK v1) the caller gave something that cannot work
      InvalidUriError                  a workspace:// or workspace-hub:// URI is malformed
      InvalidWorkspaceNameError        a workspace name breaks a rule, or folds to a taken one
      UnsafeArtifactPathError          an artifact path leads out of where it may lead
      ConfigFileError                  a config.json is missing, unreadable or incomplete
      InvalidMetricError               a value that is not one number was logged as a metric
      UnstorableValueError             the database cannot store a text as it is
      RunNotFoundError                 the hub holds no run of that id; a ServiceException too
      RunExistsError                   the caller's own id for a run is taken
      ImmutablePropertyError           a property of a run was given another value
      ExperimentNotEmptyError          deletion refused: the experiment still has runs
      DatastoreNotFoundError           the workspace has no datastore of that name
      DatastoreExistsError             the name of a datastore is taken
      DatasetNotFoundError             the workspace has no such dataset, or version of it
      DatasetExistsError               the name of a dataset is taken
      ViewNotFoundError                the workspace has no view of that id
      ViewNotYoursError                a view is somebody else's, who alone may change it
      ViewChangedError                 a view was changed by somebody else meanwhile
      NotServedError                   a name of SDK v1 was used that this package does not serve
      AccountError                     an account cannot be as it is asked for
        AccountNotFoundError           the hub has no account of that name
      AuthenticationException          (SDK v1) a served hub does not know who asks
        IdentityRefusedError           what a provider of identities says lets nobody in
        IdentityProviderError          a provider of identities does not answer, or not as it has to
        LogInEndedError                a log-in ended, or its token is none
        TooManyAttemptsError           too many passwords were wrong: wait
      DatasetValidationError           (SDK v1) a dataset that is made or registered is none
      DatasetExecutionError            (SDK v1) a dataset cannot be read
    DatasetTimestampMissingError       (SDK v1) a dataset names no column of times
    ProjectSystemException             (SDK v1) a workspace cannot be reached
      WorkspaceNotFoundError           the hub holds no workspace of that name
      RoleNeededError                  it is behind a server, and needs a role, or a higher one
      ServedHubError                   what was asked is not done through the server of a hub
    WorkspaceException                 (SDK v1) a workspace cannot be created or changed
      WorkspaceExistsError             the name is taken
      WorkspaceNotEmptyError           deletion refused: the workspace still holds something
    RunEnvironmentException            (SDK v1) there is no run around this code
    ExperimentExecutionException       (SDK v1) what a run does cannot be followed
      JobTakenError                    a job is run by another runner
      JobEndedError                    a job cannot be run: it has ended, was canceled or deleted
    RunConfigurationException          (SDK v1) how a script is to be run is no such thing
    TrainingException                  (SDK v1) what an estimator is told cannot be
    ActivityFailedException            (SDK v1) the run that was waited for has failed
    WebserviceException                (SDK v1) a model cannot be registered, found or changed
    ModelNotFoundException             (SDK v1) get_model_path finds no model of that name
    ModelPathNotFoundException         (SDK v1) the run holds no file at the model's path
    AzureMLAggregatedException         (SDK v1) several things failed, each on a line of its own
    SnapshotException                  (SDK v1) a snapshot cannot be taken or restored
    ComputeTargetException             (SDK v1) a compute target is not there, or cannot be used
    EnvironmentBuildError              what a job needs cannot be installed
    DatastoreError                   what is no hub's, such as a storage account or a web server,
                                       does not give or take a file
      DatastoreUnreachableError        it does not answer now
    HubError                           something is wrong with the hub itself
      HubNotFoundError                 there is no hub in that folder
      HubSettingsError                 hub.toml cannot be used
      HubNotTrustedError               this user has not said that secrets may go where it says
      HubNotWritableError              the hub cannot be read or written by this user
      ForeignFileError                 a link, or what is no plain file, lies where a file belongs;
                                       an UnsafeArtifactPathError too
      HubCorruptError                  the database is none of MLflow's, or a damaged one
      HubUnreachableError              the database server does not answer, or refuses the login
      HubFullError                     the disk or quota is full
        StagingFullError               no more files may wait on this machine
      ArtifactRefusedError             the storage takes no such file
      HubBusyError                     another process kept the database locked, or uses it
      NoAnswerError                    the database was away for as long as a call may wait
      LogInNeededError                 a served hub does not know who asks
      HubProtocolError                 a served hub and this version do not understand each other
      JournalBehindError               a hub has less of a journal than it had
      JournalNotYoursError             a served hub knows a journal by another secret
      HubTooOldError                   an older MLflow made it: ``mlflow-workspace hub upgrade``
      HubTooNewError                   a newer MLflow made it: install that one
  ServiceException                     (SDK v1) what was asked for is not there
"""

import logging
import traceback
from collections.abc import Iterable
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import (
    INTERNAL_ERROR,
    INVALID_PARAMETER_VALUE,
    INVALID_STATE,
    PERMISSION_DENIED,
    RESOURCE_ALREADY_EXISTS,
    RESOURCE_CONFLICT,
    RESOURCE_DOES_NOT_EXIST,
    RESOURCE_EXHAUSTED,
    TEMPORARILY_UNAVAILABLE,
    UNAUTHENTICATED,
)

from mlflow_workspace_plugin.short_traceback import short_traceback


def clause(error: object) -> str:
    """Return what an error says as a part of a sentence, without a full stop at its end.

    Of a database's errors it is what the database says: SQLAlchemy adds the statement, and advice.
    """
    source = error
    # MLflow's sessions raise their own error from that of SQLAlchemy.
    if isinstance(error, MlflowException) and not isinstance(error, AzureMLException):
        source = error.__cause__
    driver = getattr(source, "orig", None)
    # PostgreSQL also says where in the statement.
    primary = getattr(getattr(driver, "diag", None), "message_primary", None)
    lines = str(primary or driver or error).splitlines()
    return "; ".join(said for line in lines if (said := line.strip(" \t."))) or repr(error)


class _ShownShort(MlflowException):
    def _render_traceback_(self, *_args: Any) -> list[str]:
        # What IPython shows.
        return short_traceback(self)


class AzureMLException(_ShownShort):
    """The root of all errors of this package, under SDK v1's name for it.

    Args:
        exception_message: the thing, the reason, the remedy.
        inner_exception: what it is raised from, where that is not said by ``raise ... from``.
        kwargs: what else SDK v1 takes, for scripts that raise its exceptions; accepted and dropped.
    """

    code = INVALID_STATE

    def __init__(
        self,
        exception_message: str = "",
        inner_exception: BaseException | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(exception_message, error_code=self.code)
        self._inner_exception = inner_exception

    @property
    def inner_exception(self) -> BaseException | None:
        """What this error was raised from (SDK v1)."""
        cause: BaseException | None = self.__cause__
        return self._inner_exception or cause

    def print_stacktrace(self) -> None:
        """Print where it was raised (SDK v1)."""
        traceback.print_exception(self)


class ServiceException(_ShownShort):
    """What was asked for is not there (SDK v1). SDK v1's is no ``AzureMLException``."""

    @property
    def status_code(self) -> int:
        """The status that HTTP has for it, such as 404."""
        return int(self.get_http_status_code())


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


class UnstorableValueError(UserErrorException):
    """The database cannot store a text that was given, now or later."""


class RunNotFoundError(UserErrorException, ServiceException):
    """The hub, or the workspace or experiment asked for, holds no run of that id."""

    code = RESOURCE_DOES_NOT_EXIST


class RunExistsError(UserErrorException):
    """The id that a caller wants to give a run is taken in the workspace."""

    code = RESOURCE_ALREADY_EXISTS


class ImmutablePropertyError(UserErrorException):
    """A property of a run was given another value than it has."""


class ExperimentNotEmptyError(UserErrorException):
    """Deleting was refused because the experiment still has runs."""


class DatastoreNotFoundError(UserErrorException):
    """The workspace has no datastore of that name."""

    code = RESOURCE_DOES_NOT_EXIST


class DatastoreExistsError(UserErrorException):
    """There is a datastore of that name, and it was not to be replaced."""

    code = RESOURCE_ALREADY_EXISTS


class DatasetNotFoundError(UserErrorException):
    """The workspace has no dataset of that name, version or id."""

    code = RESOURCE_DOES_NOT_EXIST


class DatasetExistsError(UserErrorException):
    """Another dataset is registered under that name, and no new version was asked for."""

    code = RESOURCE_ALREADY_EXISTS


class ViewNotFoundError(UserErrorException):
    """The workspace has no view of that id."""

    code = RESOURCE_DOES_NOT_EXIST


class ViewNotYoursError(UserErrorException):
    """A view is somebody else's, who alone may change it."""

    code = PERMISSION_DENIED


class ViewChangedError(UserErrorException):
    """A view is not any more as it was when somebody began to change it."""

    code = RESOURCE_CONFLICT


class WrittenOnceError(UserErrorException):
    """A file that is named by its content was to be stored over one that has another content."""

    code = RESOURCE_CONFLICT


class NotServedError(UserErrorException, AttributeError):
    """A name of SDK v1 was used that this package does not serve.

    An ``AttributeError`` too, so that ``hasattr`` says what is so.
    """


class AccountError(UserErrorException):
    """An account of a served hub cannot be as it is asked for."""


class AccountNotFoundError(AccountError):
    """A hub has no account of a name."""

    code = RESOURCE_DOES_NOT_EXIST


class AuthenticationException(UserErrorException):
    """A served hub does not know who asks (SDK v1)."""

    code = UNAUTHENTICATED


class IdentityRefusedError(AuthenticationException):
    """What a provider of identities says of somebody lets nobody in."""


class IdentityProviderError(AuthenticationException):
    """A provider of identities does not answer, or not as OpenID Connect has it."""

    code = TEMPORARILY_UNAVAILABLE


class LogInEndedError(AuthenticationException):
    """A log-in at a served hub has ended, or its token is none of the hub's."""


class TooManyAttemptsError(AuthenticationException):
    """Too many passwords were wrong, or too many log-ins were begun or refused."""

    code = RESOURCE_EXHAUSTED
    retry_after_s = 0.0
    """After how many seconds the next one is looked at."""


class _DatasetError(UserErrorException):
    """An error of a dataset, with what SDK v1's have of the error behind it.

    Args:
        message: the thing, the reason, the remedy.
        exception: what it is raised from, where that is not said by ``raise ... from``.
    """

    def __init__(self, message: str, exception: BaseException | None = None, **kwargs: Any) -> None:
        super().__init__(message, exception, **kwargs)
        self.compliant_message = message


class DatasetValidationError(_DatasetError):
    """A dataset that is made or registered cannot be one (SDK v1)."""


class DatasetExecutionError(_DatasetError):
    """A dataset cannot be read, or is not what it was (SDK v1)."""


class DatasetTimestampMissingError(AzureMLException):
    """Rows of a time were asked of a dataset that names no column of times (SDK v1)."""

    code = INVALID_PARAMETER_VALUE


class ProjectSystemException(AzureMLException):
    """A workspace cannot be reached (SDK v1)."""


class WorkspaceNotFoundError(ProjectSystemException):
    """The hub holds no workspace of that name."""

    code = RESOURCE_DOES_NOT_EXIST


class ServedHubError(ProjectSystemException):
    """What was asked is not done through the server of a hub, but in its folder."""

    @classmethod
    def of(cls, uri: str) -> "ServedHubError":
        """Return the error for the URI of a served workspace, or for the address of its hub."""
        return cls(
            f"{uri!r} is behind the server of a hub, and this is not done through that. Do it on "
            "the server's machine, with the folder of the hub: workspace:///path/to/hub/NAME."
        )


class RoleNeededError(ProjectSystemException):
    """What was asked needs a role in a workspace of a served hub, or a higher one."""

    code = PERMISSION_DENIED

    @classmethod
    def to_write(cls, workspace: str) -> "RoleNeededError":
        """Return the error of who may write nothing in a workspace."""
        return cls(
            f"You may not write in workspace {workspace!r}. Ask those who manage it for the role "
            "of a member; what was logged waits until then."
        )

    @classmethod
    def to_change(cls, workspace: str) -> "RoleNeededError":
        """Return the error of who may change nothing in a workspace, of what waits nowhere."""
        return cls(
            f"You may change nothing in workspace {workspace!r}. Ask those who manage it for the "
            "role of a member, and try again."
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


class ExperimentExecutionException(AzureMLException):
    """What a run does cannot be followed (SDK v1)."""


class JobTakenError(ExperimentExecutionException):
    """A job is run by another runner, which has given a sign of life lately."""


class JobEndedError(ExperimentExecutionException):
    """A job cannot be run: it has ended, was canceled or deleted, or there is none."""


class RunConfigurationException(AzureMLException):
    """How a script is to be run is no such thing (SDK v1)."""

    code = INVALID_PARAMETER_VALUE


class TrainingException(AzureMLException):
    """What an estimator is told cannot be (SDK v1)."""

    code = INVALID_PARAMETER_VALUE


class ActivityFailedException(AzureMLException):
    """The run that was waited for has failed (SDK v1).

    Args:
        error_details: why, as JSON or in words.
    """

    def __init__(self, error_details: str, **kwargs: Any) -> None:
        super().__init__(f"Activity Failed:\n{error_details}", **kwargs)


class _ModelException(AzureMLException):
    """An error about a model, logged where SDK v1's caller wants it; nobody catches this one."""

    def __init__(
        self, exception_message: str, logger: logging.Logger | None = None, **kwargs: Any
    ) -> None:
        super().__init__(exception_message, **kwargs)
        if logger is not None:
            logger.error(exception_message)


class WebserviceException(_ModelException):
    """A model cannot be registered, found, downloaded or changed (SDK v1).

    Args:
        exception_message: the thing, the reason, the remedy.
        status_code: kept as an attribute.
        logger: where the message is logged as an error.
    """

    code = INVALID_PARAMETER_VALUE

    def __init__(
        self,
        exception_message: str,
        status_code: int | None = None,
        logger: logging.Logger | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(exception_message, logger, **kwargs)
        self.status_code = status_code


class ModelNotFoundException(_ModelException):
    """``Model.get_model_path`` finds no model of that name (SDK v1)."""

    code = RESOURCE_DOES_NOT_EXIST


class ModelPathNotFoundException(_ModelException):
    """``run.register_model`` finds no file of the run at that path (SDK v1)."""

    code = RESOURCE_DOES_NOT_EXIST


class AzureMLAggregatedException(AzureMLException):
    """Several things failed, and all of them were tried (SDK v1).

    Args:
        messages: what happened to each; the message has a line for each.
    """

    def __init__(self, messages: Iterable[str], **kwargs: Any) -> None:
        super().__init__("\n".join(messages), **kwargs)


class SnapshotException(AzureMLException):
    """A snapshot of a folder cannot be taken or restored (SDK v1)."""


class ComputeTargetException(AzureMLException):
    """A compute target is not there, or cannot be used (SDK v1)."""


class EnvironmentBuildError(AzureMLException):
    """What a job needs cannot be installed on the machine that runs it."""


class DatastoreError(AzureMLException):
    """A storage that is no hub's, or a web server, does not give or take a file."""


class DatastoreUnreachableError(DatastoreError):
    """It does not answer now, and may do so later."""

    code = TEMPORARILY_UNAVAILABLE


class HubError(AzureMLException):
    """Something is wrong with the hub itself."""


class HubNotFoundError(HubError):
    """There is no hub in that folder."""

    code = RESOURCE_DOES_NOT_EXIST


class HubSettingsError(HubError):
    """``hub.toml`` cannot be used."""


class HubNotTrustedError(HubError):
    """``hub.toml`` names where secrets go, and this user has not said that they may."""

    code = PERMISSION_DENIED


class HubNotWritableError(HubError):
    """The hub cannot be read or written by this user."""

    code = PERMISSION_DENIED


class ForeignFileError(HubError, UnsafeArtifactPathError):
    """A link, or what is no plain file, lies where a file or folder of the hub belongs.

    It says nothing of what was to be stored, which can be when the link is gone.
    """


class HubCorruptError(HubError):
    """The database is none of MLflow's, or a damaged one."""


class HubUnreachableError(HubError):
    """The server of the hub's database does not answer, refuses the login, or went away."""

    code = TEMPORARILY_UNAVAILABLE


class HubFilesMovedError(HubUnreachableError):
    """The files of a served hub come and go another way than it has told before."""


class WorkspaceUnknownError(HubUnreachableError):
    """The place of the files may answer; whether their workspace is there the database must say."""


class HubFaultError(HubError):
    """A served hub failed at what it was asked, which says nothing against that."""

    code = INTERNAL_ERROR


class NoAnswerError(HubError):
    """The database was away for as long as a call may wait, or went away when it stored it."""

    code = TEMPORARILY_UNAVAILABLE


class LogInNeededError(HubError):
    """A served hub does not know who asks, or not any more."""

    code = UNAUTHENTICATED

    @classmethod
    def of(
        cls, address: str, variable: str | None = None, *, is_used: bool = False
    ) -> "LogInNeededError":
        """Return the error of a hub's address.

        Args:
            address: of the hub.
            variable: that holds a token, if one does.
            is_used: whether that token was sent.
        """
        if variable is not None and is_used:
            return cls(
                f"The token in {variable} is not known to the hub at {address}, or has ended. Put "
                "a new one there (mlflow-workspace token create), or unset it, and log in with: "
                f"mlflow-workspace login {address}"
            )
        unused = f" {variable} is not used: MLFLOW_TRACKING_URI does not name this hub."
        return cls(
            f"The hub at {address} does not know who asks: nobody is logged in, or that has ended. "
            f"Log in with: mlflow-workspace login {address}{'.' + unused if variable else ''}"
        )


class HubProtocolError(HubError):
    """A served hub and this version of the package do not understand each other."""

    @classmethod
    def of_answer(cls, address: str, path: str) -> "HubProtocolError":
        """Return the error of an answer that is none to what was asked.

        Args:
            address: of the hub.
            path: that was asked.
        """
        return cls(
            f"The hub at {address} answered {path} with what this version of "
            "mlflow-workspace-plugin does not understand. Install the version of the server."
        )

    @classmethod
    def of_route(cls, path: str) -> "HubProtocolError":
        """Return the error of a route of ours that a server does not have.

        Args:
            path: that was asked.
        """
        return cls(
            f"This hub has no route {path}, which a newer version of mlflow-workspace-plugin asks. "
            "Upgrade mlflow-workspace-plugin on the server."
        )


class JournalBehindError(HubError):
    """A hub has less of a journal than its sender was told: it was restored, say.

    Args:
        message: the thing, the reason, the remedy.
        sequence: of the last record that the hub has.
    """

    code = RESOURCE_CONFLICT

    def __init__(self, message: str, sequence: int = 0) -> None:
        super().__init__(message)
        self.sequence = sequence

    @classmethod
    def of(cls, writer: str, follows: int, sequence: int) -> "JournalBehindError":
        """Return the error of a hub that was restored from a backup.

        Args:
            writer: of the journal.
            follows: up to which record it was stored.
            sequence: of the last record that the hub has.
        """
        return cls(
            f"Records up to {follows} of journal {writer!r} were stored, and this hub has them up "
            f"to {sequence}: it was restored from a backup. Send what is behind that again, or say "
            "that it is lost.",
            sequence,
        )


class JournalNotYoursError(HubError):
    """A served hub knows a journal by another secret than that which was given."""

    code = PERMISSION_DENIED


class HubFullError(HubError):
    """The disk, or the user's quota on it, is full."""

    code = RESOURCE_EXHAUSTED


class ArtifactRefusedError(HubError):
    """The storage takes no such file, whenever it is sent."""

    code = INVALID_PARAMETER_VALUE


class StagingFullError(HubFullError):
    """The hub's storage account is away, and no more files may wait on this machine for it."""


class HubBusyError(HubError):
    """Another process kept the hub's database locked for too long, or uses it."""

    code = TEMPORARILY_UNAVAILABLE


class HubTooOldError(HubError):
    """An older MLflow or plugin made the hub, and it is not migrated without being asked to."""


class HubTooNewError(HubError):
    """A newer MLflow or plugin made the hub than the installed one."""
