"""Files of data, up and down: through a datastore, and as artifacts of a run in the same hub."""

import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from statistics import median

from mlflow_workspace_plugin import Workspace
from mlflow_workspace_plugin.data.storages.find import OWN, storage_of
from tests.azurite import ACCOUNT, azurite
from tests.benchmarks.azure import SMALL
from tests.benchmarks.measure import MEGABYTE, stopwatch
from tests.benchmarks.report import Line
from tests.benchmarks.sizes import Sizes

_WANTED = 1.0
_PIECE = 2**20
_CREDENTIAL = "CONNECTION_STRING_OF_BENCHMARK"
_numbers = itertools.count()


def data_times(sizes: Sizes, rounds: int) -> list[Line]:
    """Uploads and downloads, of a hub in a folder and of one in Azure Blob Storage."""
    lines = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=Path.cwd())))
        server = stack.enter_context(azurite())
        os.environ[_CREDENTIAL] = server.connection_string
        stack.callback(os.environ.pop, _CREDENTIAL)
        many, large = folder / "many", folder / "large"
        _fill(many, sizes.small_files, SMALL)
        _fill(large, 1, sizes.large_file)
        container = server.container("benchmark").container_name
        root = f"azure://{ACCOUNT}/{container}/hub?credential=${{{_CREDENTIAL}}}"
        for place, artifacts in (("folder", None), ("Azurite", root)):
            workspace = _workspace(folder / f"hub-{place}", artifacts)
            for what, source in (
                (f"{sizes.small_files:,} files of 10 kB", many),
                (f"one file of {sizes.large_file / MEGABYTE:,.0f} MB", large),
            ):
                lines += _of(workspace, source, f"{what}, {place}", rounds)
    return lines


def _workspace(hub: Path, artifacts: str | None) -> Workspace:
    from mlflow_workspace_plugin.hub.hub import create_hub

    create_hub(hub, artifacts=artifacts)
    return Workspace.create("benchmark", hub=hub)


def _of(workspace: Workspace, source: Path, what: str, rounds: int) -> list[Line]:
    client = workspace.client
    experiment = client.create_experiment(f"e{next(_numbers)}")
    run_id = client.create_run(experiment).info.run_id
    storage = storage_of(workspace.tracking_store, OWN)
    files = sorted(path for path in source.iterdir())
    client.log_artifacts(run_id, str(source), "down")
    storage.upload([(path, f"down/{path.name}") for path in files], overwrite=True)

    def log() -> None:
        client.log_artifacts(run_id, str(source), f"up{next(_numbers)}")

    def upload() -> None:
        folder = f"up{next(_numbers)}"
        storage.upload([(path, f"{folder}/{path.name}") for path in files])

    def fetch(target: Path) -> None:
        client.download_artifacts(run_id, "down", str(target))

    def download(target: Path) -> None:
        storage.download(storage.files("down"), target)

    up = _in_turn(partial(_timed, log), partial(_timed, upload), rounds)
    down = _in_turn(partial(_copied, fetch), partial(_copied, download), rounds)
    client.delete_run(run_id)
    return [
        Line(
            f"{verb} a datastore (left: artifacts), {what}",
            "",
            "s",
            mlflow=median(times["mlflow"]),
            ours=median(times["ours"]),
            rounds=rounds,
            wanted=_WANTED,
        )
        for verb, times in (("upload to", up), ("download from", down))
    ]


def _in_turn(
    mlflow: Callable[[], float], ours: Callable[[], float], rounds: int
) -> dict[str, list[float]]:
    """Call both in each round; the other one first each time, as the disk still writes then.

    Once before that is not counted: what is read comes from the disk then, and later from memory.
    """
    taken: dict[str, list[float]] = {"mlflow": [], "ours": []}
    calls = [("mlflow", mlflow), ("ours", ours)]
    for _, call in calls:
        call()
    for _ in range(rounds):
        for name, call in calls:
            os.sync()
            taken[name].append(call())
        calls.reverse()
    return taken


def _timed(call: Callable[[], None]) -> float:
    with stopwatch() as watch:
        call()
    return watch.seconds


def _copied(call: Callable[[Path], None]) -> float:
    with _new_folder() as target:
        return _timed(partial(call, target))


@contextmanager
def _new_folder() -> Iterator[Path]:
    target = Path.cwd() / f"download-{next(_numbers)}"
    target.mkdir()
    try:
        yield target
    finally:
        shutil.rmtree(target)


def _fill(folder: Path, number: int, size: int) -> None:
    """Make files of random content, and so of none that is stored already."""
    folder.mkdir()
    for each in range(number):
        with (folder / f"{each}.bin").open("wb") as file:
            for start in range(0, size, _PIECE):
                file.write(os.urandom(min(_PIECE, size - start)))
