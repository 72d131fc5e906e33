"""Sending the files that wait, each whole and in the order in which they were logged."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from mlflow_workspace_plugin.artifacts.azure_blob.transfer.progress import (
    Progress,
    listening,
    unseen,
)
from mlflow_workspace_plugin.artifacts.daemon_threads import DaemonThreads
from mlflow_workspace_plugin.artifacts.hub_repository import HubRepository
from mlflow_workspace_plugin.artifacts.staging.staged_files import StagedFile, StagedFiles
from mlflow_workspace_plugin.errors import (
    ArtifactRefusedError,
    ForeignFileError,
    HubNotWritableError,
    HubProtocolError,
    HubSettingsError,
    HubUnreachableError,
    LogInNeededError,
    RoleNeededError,
    UnsafeArtifactPathError,
)

OpenAt = Callable[[PurePosixPath], HubRepository]
"""Opens the repository at a location; one that gives up soon and shows nothing."""

Place = tuple[PurePosixPath, str]
"""Where a file belongs: its location, and its path below that."""

_AT_ONCE = 8
_REFUSALS = (
    HubNotWritableError,
    HubSettingsError,
    LogInNeededError,
    RoleNeededError,
    HubProtocolError,
)
_OF_PLACE = (HubUnreachableError, *_REFUSALS)
_FOR_GOOD = (ArtifactRefusedError, UnsafeArtifactPathError, ValueError)


@dataclass(frozen=True)
class Outcome:
    """What became of a file that waited."""

    place: Place
    error: Exception | None = None
    """Why it was not sent."""
    is_aside: bool = False
    """Whether it waits no more, as it never could be sent."""


def send(
    files: StagedFiles, open_at: OpenAt, wait_s: float = 0, progress: Progress = unseen
) -> Iterator[Outcome]:
    """Send what waits, oldest first. What is refused waits on, and with it what is to replace it.

    One process does so at a time: of two the slower one could store an older file over a newer one.

    Args:
        files: what waits.
        open_at: opens where it belongs.
        wait_s: how long to wait for another process that sends; then nothing is sent.
        progress: is told of each part of a file that was taken.

    Raises:
        HubUnreachableError: the place of the files does not answer; they wait.
        HubNotWritableError, HubSettingsError, LogInNeededError, RoleNeededError, HubProtocolError:
            it takes nothing of this process; they wait.
    """
    with files.sending(wait_s) as is_ours:
        if is_ours:
            yield from _send_in_order(files, open_at, progress)


def _send_in_order(files: StagedFiles, open_at: OpenAt, progress: Progress) -> Iterator[Outcome]:
    names = files.names()
    refused: set[Place] = set()
    threads = DaemonThreads(_AT_ONCE, "staged-file")
    while names:
        part, names = _next_part(files, names)
        todo = {place: name for place, name in part.items() if place not in refused}
        sent = [
            threads.submit(_send, files, place, name, open_at, progress)
            for place, name in todo.items()
        ]
        outcomes = [each.result() for each in sent]
        of_place = _error_of_place([each.error for each in outcomes])
        for outcome in outcomes:
            if of_place is not None and isinstance(outcome.error, _OF_PLACE):
                continue
            # What became of the others is told all the same: some wait no more.
            if outcome.error is not None:
                refused.add(outcome.place)
            yield outcome
        if of_place is not None:
            raise of_place


def _error_of_place(errors: list[Exception | None]) -> Exception | None:
    """Return an error that says of the place of all files that it takes none now."""
    for error in errors:
        if isinstance(error, HubUnreachableError):
            return error
    if errors and errors[0] and all(isinstance(each, _REFUSALS) for each in errors):
        return errors[0]
    return None


def _next_part(files: StagedFiles, names: list[str]) -> tuple[dict[Place, str], list[str]]:
    """Return what can be sent at once, by its place, and what comes later."""
    part: dict[Place, str] = {}
    later = []
    for index, name in enumerate(names):
        if len(part) == _AT_ONCE:
            later += names[index:]
            break
        try:
            staged = files.read(name)
        except (ValueError, OSError):
            # Told of when it is sent, alone.
            part[PurePosixPath(name), ""] = name
            continue
        if staged is None:
            continue
        place = staged.location, staged.path
        # Two files for one place go one after the other.
        if place in part:
            later.append(name)
        else:
            part[place] = name
    return part, later


def _send(
    files: StagedFiles, place: Place, name: str, open_at: OpenAt, progress: Progress
) -> Outcome:
    try:
        staged = files.read(name)
        if staged is not None:
            with listening(progress):
                _store(files, name, staged, open_at)
    except ForeignFileError as error:
        # It can be stored when the link that is in the way is gone.
        return Outcome(place, error)
    except _FOR_GOOD as error:
        return _put_aside(files, place, name, error)
    except Exception as error:  # noqa: BLE001  each is told of, and the others are sent
        return Outcome(place, error)
    return Outcome(place)


def _put_aside(files: StagedFiles, place: Place, name: str, reason: Exception) -> Outcome:
    try:
        kept = files.put_aside(name)
    except OSError as error:
        said = f"{reason} It is not sent, and cannot be moved out of the way: {error}."
        return Outcome(place, ValueError(said))
    said = f"{reason} It is not sent, and kept in {str(kept)!r}."
    return Outcome(place, ValueError(said), is_aside=True)


def _store(files: StagedFiles, name: str, staged: StagedFile, open_at: OpenAt) -> None:
    staged.check()
    folder, _, base = staged.path.rpartition("/")
    with staged.content.open("rb") as stream:
        open_at(staged.location).log_artifact_from_stream(stream, base, folder or None)
    files.remove(name)
