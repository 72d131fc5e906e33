"""How long it takes until very many files of a hub in a folder are mounted, to the last one."""

import os
import shutil
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from mlflow_workspace_plugin import Workspace
from mlflow_workspace_plugin.sdk.data.datasets.file_factory import FileDatasetFactory
from tests.benchmarks.measure import in_turn
from tests.benchmarks.report import Line
from tests.benchmarks.sizes import Sizes

_FILES = {"full": 100_000, "quick": 1000}
_FOLDERS = 100
_AT_MOST_MS = 3000


def mount_times(sizes: Sizes, rounds: int) -> list[Line]:
    """Of a whole folder, and of the files of a pattern; the left column is os.symlink for each."""
    folder = Path.cwd() / "mounts"
    workspace = Workspace.create("team-a", hub=folder / "hub")
    store = workspace.get_default_datastore()
    # There is a folder of it once there is a file in it.
    store.upload_files([__file__], show_progress=False)
    root = _filled(store._storage.root() / "files", _FILES[sizes.name])
    actions: dict[str, Callable[[], float]] = {
        "links": partial(_linked_ms, root, folder / "links"),
        "folder": partial(_mounted_ms, (store, "files")),
        "pattern": partial(_mounted_ms, (store, "files/**/*.txt")),
    }
    taken = in_turn(actions, rounds)
    links, whole, some = (statistics.median(taken[name]) for name in actions)
    files = f"{_FILES[sizes.name]:,} files (left: os.symlink for each)"
    return [
        Line(f"mount a folder of {files}", "", "ms", links, whole, rounds, at_most=_AT_MOST_MS),
        Line(f"mount a pattern of {files}", "", "ms", links, some, rounds, at_most=_AT_MOST_MS),
    ]


def _filled(root: Path, files: int) -> Path:
    for number in range(files):
        file = root / f"{number % _FOLDERS:03}" / f"{number:06}.txt"
        if number < _FOLDERS:
            file.parent.mkdir(parents=True)
        # As an upload leaves them.
        file.touch(0o444)
    return root


def _linked_ms(root: Path, target: Path) -> float:
    began = time.perf_counter()
    for above, _, names in os.walk(root):
        place = f"{target}{above[len(str(root)) :]}"
        os.makedirs(place)  # noqa: PTH103
        for name in names:
            os.symlink(f"{above}/{name}", f"{place}/{name}")  # noqa: PTH211
    taken = (time.perf_counter() - began) * 1e3
    shutil.rmtree(target)
    return taken


def _mounted_ms(path: object) -> float:
    began = time.perf_counter()
    with FileDatasetFactory.from_files(path).mount():
        return (time.perf_counter() - began) * 1e3
