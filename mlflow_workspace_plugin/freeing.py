"""Freeing what was deleted in a workspace: rows and files, and what of code and data nobody names.

It is done part by part: who asks over a network asks for the next one until there is none.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from mlflow_workspace_plugin.data.files.manifests import Manifests
from mlflow_workspace_plugin.errors import SnapshotException
from mlflow_workspace_plugin.hub.hub import Hub
from mlflow_workspace_plugin.protocol.freeing import NextPart, Part
from mlflow_workspace_plugin.runs.snapshots.garbage import SnapshotGarbage
from mlflow_workspace_plugin.stores.garbage import (
    Garbage,
    Piece,
    find_garbage,
    free,
    sizes_of_files,
)


@dataclass(frozen=True)
class Freeing:
    """How a workspace is freed.

    Attributes:
        hub: the hub.
        workspace: the name MLflow knows.
        older_than_s: leave what was deleted in these last seconds.
        dry_run: say what would be freed, and free nothing.
        part_s: after how many seconds a part ends, with the run or the files at hand; looking for
            what there is to free takes its time besides. None is all of a step at once.
        lock_s: for how many seconds to wait for the hub's lock; None is as long as it takes.
        are_rows_deleted: whether the workspace may have deleted rows; False where it is known that
            it has none.
    """

    hub: Hub
    workspace: str
    older_than_s: float
    dry_run: bool
    part_s: float | None = None
    lock_s: float | None = None
    are_rows_deleted: bool = True

    @property
    def first(self) -> NextPart:
        """Which part is done first."""
        return NextPart("rows" if self.are_rows_deleted else "code")

    def part(self, which: NextPart) -> Part:
        """Do one part.

        Args:
            which: as the part before named it.

        Raises:
            HubError: files or rows cannot be looked for, or deleted.
        """
        is_over = _after(self.part_s)
        if which.step == "rows":
            if self.dry_run:
                return self._rows_to_be_freed(which, is_over)
            return self._freed_rows(which, is_over)
        if which.step == "code":
            return self._code(is_over)
        return self._data(is_over)

    def _rows_to_be_freed(self, which: NextPart, is_over: Callable[[], bool]) -> Part:
        garbage = find_garbage(self.hub, self.workspace, self.older_than_s)
        sizes: list[int] = []
        for location in garbage.locations:
            if location <= which.after:
                continue
            sizes += sizes_of_files(self.hub, self.workspace, location)
            if is_over():
                return _part(sizes, NextPart("rows", after=location))
        part = _part(sizes, NextPart("code"))
        part.runs = len(garbage.runs)
        part.models = len(garbage.models)
        part.experiments = len(garbage.experiments)
        return _with_kept(part, garbage)

    def _freed_rows(self, which: NextPart, is_over: Callable[[], bool]) -> Part:
        garbage = find_garbage(self.hub, self.workspace, self.older_than_s)
        freed = free(self.hub, self.workspace, garbage, stays=which.stays, is_over=is_over)
        stays = [*which.stays, *(each.id for each in freed.left)]
        following = NextPart("code") if freed.is_all else NextPart("rows", stays=stays)
        part = _part(freed.sizes, following)
        part.runs, part.models, part.experiments = freed.runs, freed.models, freed.experiments
        part.elsewhere = _said(freed.left)
        return _with_kept(part, garbage) if freed.is_all else part

    def _code(self, is_over: Callable[[], bool]) -> Part:
        """Free the snapshots that no run names."""
        following = NextPart("data")
        try:
            if self.dry_run:
                # Those that are to be freed would be gone by now.
                found = self._snapshots.find(without=self._runs_to_be_freed())
            else:
                found, is_all = self._snapshots.free(is_over=is_over, within_s=self.lock_s)
                following = following if is_all else NextPart("code")
        except SnapshotException as error:
            return Part(notes=[error.message], next=following)
        return _part([each.file_size or 0 for each in found], following)

    @cached_property
    def _snapshots(self) -> SnapshotGarbage:
        # Of all parts: it keeps in mind which packs each snapshot needs.
        return SnapshotGarbage(self.hub, self.workspace)

    def _runs_to_be_freed(self) -> list[str]:
        if not self.are_rows_deleted:
            return []
        garbage = find_garbage(self.hub, self.workspace, self.older_than_s)
        return [each.id for each in garbage.runs]

    def _data(self, is_over: Callable[[], bool]) -> Part:
        """Free the lists of files of datasets' versions that were unregistered."""
        manifests = Manifests(self.hub, self.workspace)
        following = None
        if self.dry_run:
            found = manifests.unnamed()
        else:
            found, is_all = manifests.free_unnamed(is_over=is_over, within_s=self.lock_s)
            following = None if is_all else NextPart("data")
        return _part([each.file_size or 0 for each in found], following)


def _after(seconds: float | None) -> Callable[[], bool]:
    """Return what says whether so much time has passed since it was asked first."""
    ends: list[float] = []

    def is_over() -> bool:
        now = time.monotonic()
        if seconds is not None and not ends:
            # Not before: looking for what there is may take longer than that.
            ends.append(now + seconds)
        return any(now > end for end in ends)

    return is_over


def _part(sizes: list[int], following: NextPart | None) -> Part:
    return Part(files=len(sizes), bytes=sum(sizes), next=following)


def _with_kept(part: Part, garbage: Garbage) -> Part:
    """Add what is kept in any case, which the last part of a step says once."""
    part.in_use = len(garbage.kept)
    part.elsewhere = [*_said(garbage.elsewhere), *part.elsewhere]
    return part


def _said(pieces: list[Piece]) -> list[dict[str, str | None]]:
    return [each._asdict() for each in pieces]
