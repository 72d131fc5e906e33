"""``mlflow-workspace files`` and ``download``: the files of a run."""

import filecmp
import os
import posixpath
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlflow_workspace_plugin import names
from mlflow_workspace_plugin.cli.layout import words
from mlflow_workspace_plugin.cli.options import (
    HubPlace,
    echo,
    hub_option,
    json_option,
    plain_errors,
    print_json,
)
from mlflow_workspace_plugin.cli.runs.find import FoundRun, find_run, run_argument
from mlflow_workspace_plugin.cli.which_workspace import workspace_option
from mlflow_workspace_plugin.terminal import shown

if TYPE_CHECKING:
    from mlflow.entities import FileInfo

    from mlflow_workspace_plugin.artifacts.hub_repository import HubRepository

_NAMED = 5
_LONGEST_NAME = 100
# What a folder's name is better without, on any system.
_ODD = re.compile(r"[^\w. -]+")


@click.command()
@run_argument
@click.argument("path", required=False)
@click.option("--all", "-a", "all_files", is_flag=True, help="Also those of this package itself.")
@workspace_option
@hub_option
@json_option
@plain_errors
def files(
    run: str,
    path: str | None,
    all_files: bool,  # noqa: FBT001
    workspace: str | None,
    hub: HubPlace,
    as_json: bool,  # noqa: FBT001
) -> None:
    """List the files of run RUN, or those below PATH, with their sizes.

    RUN is a run's id, the beginning of it, or its name.
    """
    from mlflow_workspace_plugin.cli.layout.tables import Column, print_columns

    found = find_run(run, workspace, hub)
    listed = _files(found, _repository(found), path, all_files=all_files)
    if as_json:
        print_json([{"path": each.path, "bytes": each.file_size} for each in listed])
        return
    if not listed:
        echo(f"Files of run {found.title}: none")
        return
    echo(f"Files of run {found.title}")
    sizes = [words.size(each.file_size or 0) for each in listed]
    print_columns(
        [Column("size", sizes, is_number=True), Column("path", [each.path for each in listed])]
    )
    total = sum(each.file_size or 0 for each in listed)
    echo(f"{words.count(len(listed), 'file')}, {words.size(total)}")


@click.command()
@run_argument
@click.argument("path", required=False)
@click.option(
    "--output",
    "-o",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder to write to, made if it is missing; by default one with the run's name, here.",
)
@click.option("--force", is_flag=True, help="Overwrite files that are there and are different.")
@click.option("--all", "-a", "all_files", is_flag=True, help="Also those of this package itself.")
@workspace_option
@hub_option
@plain_errors
def download(
    run: str,
    path: str | None,
    output: Path | None,
    force: bool,  # noqa: FBT001
    all_files: bool,  # noqa: FBT001
    workspace: str | None,
    hub: HubPlace,
) -> None:
    """Copy the files of run RUN, or the file or folder PATH of it, to a folder.

    RUN is a run's id, the beginning of it, or its name. Nothing is copied if a file is there
    already that is different, but with --force.
    """
    from mlflow_workspace_plugin.runs.files.transfer import fetch

    found = find_run(run, workspace, hub)
    repository = _repository(found)
    listed = _files(found, repository, path, all_files=all_files)
    if not listed:
        echo(f"Run {found.title} has no files.")
        return
    folder = output or Path(_folder_name(found))
    targets = {each.path: _target(folder, each.path) for each in listed}
    there = set(_equal(repository, listed, targets))
    if not force:
        _refuse_different([targets[each.path] for each in listed if each.path not in there])
    copied = [each for each in listed if each.path not in there]
    for each in copied:
        fetch(repository, each.path, targets[each.path])
    if not copied:
        echo(f"All {words.count(len(there), 'file')} of run {found.title} are in {folder} already.")
        return
    size = words.size(sum(each.file_size or 0 for each in copied))
    kept = f"; {words.count(len(there), 'file')} were there already" if there else ""
    echo(f"Copied {words.count(len(copied), 'file')} ({size}) to {folder}{kept}.")


def _repository(found: FoundRun) -> "HubRepository":
    from mlflow_workspace_plugin.remote.files.open import open_repository

    opened = found.workspace()
    info = opened.client.get_run(found.id).info
    return open_repository(info.artifact_uri, opened.get_mlflow_tracking_uri())


def _files(
    found: FoundRun, repository: "HubRepository", path: str | None, *, all_files: bool
) -> "list[FileInfo]":
    """Return the files that are meant, in the order of their paths.

    Raises:
        UserErrorException: there is no such file or folder.
        UnsafeArtifactPathError: the path leads out of the run's files.
    """
    from mlflow_workspace_plugin.artifacts.hub_repository import stored_files
    from mlflow_workspace_plugin.artifacts.paths import INTERNAL_FOLDER
    from mlflow_workspace_plugin.errors import UserErrorException
    from mlflow_workspace_plugin.runs.files.artifact_names import path_of

    wanted = None if path is None or path.strip("/") in ("", ".") else path_of(path.rstrip("/"))
    is_internal = wanted is not None and wanted.split("/")[0] == INTERNAL_FOLDER
    left_out = None if all_files or is_internal else INTERNAL_FOLDER
    if wanted is not None and (below := repository.list_artifacts(wanted)):
        listed = [each for one in below for each in _below(repository, one)]
    else:
        listed = list(stored_files(repository, left_out))
    listed.sort(key=lambda each: each.path)
    if wanted is None:
        return listed
    meant = [each for each in listed if each.path == wanted or each.path.startswith(f"{wanted}/")]
    if not meant:
        known = {each.path for each in listed} | {posixpath.dirname(each.path) for each in listed}
        raise UserErrorException(
            f"There is no such file or folder: '{shown(wanted)}', of run {found.title}."
            + names.did_you_mean(wanted, filter(None, known))
        )
    return meant


def _below(repository: "HubRepository", entry: "FileInfo") -> "Iterator[FileInfo]":
    if not entry.is_dir:
        yield entry
        return
    for each in repository.list_artifacts(entry.path):
        yield from _below(repository, each)


def _folder_name(found: FoundRun) -> str:
    """Return a folder's name for a run: its own, where a folder can be called so."""
    name = _ODD.sub("_", found.place.name or "").strip(". _")[:_LONGEST_NAME]
    # Of several bytes a character, perhaps.
    while len(name.encode()) > 2 * _LONGEST_NAME:
        name = name[:-1]
    return name or found.id


def _target(folder: Path, path: str) -> Path:
    """Return the path of a copy.

    Raises:
        UserErrorException: it would lie outside of the folder, or a file is in the way.
    """
    from mlflow_workspace_plugin.artifacts.paths import check_path
    from mlflow_workspace_plugin.errors import UserErrorException

    check_path(path, is_only_here=True)
    target = folder / path
    # Links in it may lead anywhere.
    root = Path(os.path.realpath(folder))
    if not Path(os.path.realpath(target.parent)).is_relative_to(root):
        raise UserErrorException(
            f"{str(target)!r} is not below {str(folder)!r}: a link leads out of it. "
            "Name another folder with --output."
        )
    for above in target.parents:
        if above == folder.parent:
            break
        if above.exists() and not above.is_dir():
            raise UserErrorException(
                f"{str(above)!r} is a file, and a folder is to be there. "
                "Name another folder with --output."
            )
    if target.is_dir() and not target.is_symlink():
        raise UserErrorException(
            f"{str(target)!r} is a folder, and a file is to be there. "
            "Name another folder with --output."
        )
    return target


def _equal(
    repository: "HubRepository", listed: "Sequence[FileInfo]", targets: dict[str, Path]
) -> Iterator[str]:
    """Yield the paths of the files that are there already, as they are stored."""
    from mlflow_workspace_plugin.runs.files.transfer import fetch

    for each in listed:
        target = targets[each.path]
        if target.is_symlink() or not target.is_file():
            continue
        if each.file_size is not None and target.stat().st_size != each.file_size:
            continue
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder, "copy")
            fetch(repository, each.path, copy)
            if filecmp.cmp(copy, target, shallow=False):
                yield each.path


def _refuse_different(targets: Sequence[Path]) -> None:
    from mlflow_workspace_plugin.errors import UserErrorException

    different = [each for each in targets if os.path.lexists(each)]
    if different:
        listed = "\n".join(f"  {shown(each)}" for each in different[:_NAMED])
        more = len(different) - _NAMED
        raise UserErrorException(
            f"Nothing was copied: {words.count(len(different), 'file')} would be overwritten. Give "
            "--force, or name another folder with --output.\n"
            + listed
            + (f"\n  and {more:,} more" if more > 0 else "")
        )
