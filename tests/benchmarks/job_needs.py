"""What a submitted job needs before it runs: the snapshot of its folder, and its environment.

A snapshot's peer is what MLflow has for the code of a run: the folder, logged as artifacts. That
of an environment is ``venv`` and pip.
"""

import itertools
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mlflow_workspace_plugin.jobs.environments.built import prune
from mlflow_workspace_plugin.jobs.environments.prepare import prepare
from mlflow_workspace_plugin.jobs.environments.requirements import Requirements
from mlflow_workspace_plugin.runs.snapshots.open import snapshots_of
from tests.benchmarks.measure import in_turn, stopwatch
from tests.benchmarks.report import Line
from tests.benchmarks.sides import Side, sides_in
from tests.benchmarks.sides import prepare as prepare_sides
from tests.benchmarks.sizes import Sizes

_FILES, _SIZE = 2000, 17_500
_UNCHANGED_MS, _CHANGED_KB, _ENVIRONMENT_S = 300, 150, 4
_PACKAGES = ["scikit-learn", "pandas"]
# A file is known again if it was changed longer ago than that before it was read.
_SETTLED_S = 2.5


def snapshots(sizes: Sizes, rounds: int) -> list[Line]:
    """The snapshot of a folder: at first, unchanged, and with one file changed."""
    folder = Path.cwd() / "snapshots"
    sides = sides_in(folder, None)
    prepare_sides(folder, sides, None)
    for side in sides:
        side.create()
    mlflow, ours = sides
    code = folder / "code"
    number = _FILES if sizes.name == "full" else 50
    _write(code, number)
    of_workspace = snapshots_of(ours.uri)

    def keep() -> float:
        with stopwatch() as watch, of_workspace.keeping(code):
            pass
        return watch.seconds * 1000

    def log() -> float:
        run_id = mlflow.new_run()
        with stopwatch() as watch:
            mlflow.client.log_artifacts(run_id, str(code), "code")
        return watch.seconds * 1000

    def change() -> float:
        (code / "package0" / "module0.py").write_text(str(next(_numbers)))
        return keep()

    _numbers = itertools.count()
    what = f"snapshot of {number:,} files"
    time.sleep(_SETTLED_S)
    first = Line(f"{what}, the first", "", "ms", mlflow=log(), ours=keep(), rounds=1)
    before = _stored(ours)
    times = in_turn({"mlflow": log, "ours": keep}, rounds)
    new = _stored(ours) - before
    changed = statistics.median(change() for _ in range(rounds))
    grown = (_stored(ours) - before - new) / rounds
    return [
        first,
        Line(
            f"{what}, unchanged",
            "",
            "ms",
            mlflow=statistics.median(times["mlflow"]),
            ours=statistics.median(times["ours"]),
            rounds=rounds,
            at_most=_UNCHANGED_MS,
        ),
        Line(f"{what}, stored when unchanged", "", "kB", ours=new / 1000, rounds=rounds, at_most=0),
        Line(f"{what}, one changed", "", "ms", ours=changed, rounds=rounds, at_most=_UNCHANGED_MS),
        Line(
            f"{what}, stored for the one",
            "",
            "kB",
            ours=grown / 1000,
            rounds=rounds,
            at_most=_CHANGED_KB,
        ),
    ]


def environments(sizes: Sizes, rounds: int) -> list[Line]:
    """An environment whose wheels are in the caches, built; and found when it was."""
    with _cache():
        asked = Requirements("benchmark", pip=_PACKAGES if sizes.name == "full" else ["emoji"])

        def build() -> float:
            return _seconds(lambda: prepare(asked, lambda _: None, folder=None))

        def build_new() -> float:
            prune()
            # A job of this process holds what it has prepared.
            shutil.rmtree(Path(os.environ["MLFLOW_WORKSPACE_CACHE_DIR"]))
            return build()

        build()
        built = statistics.median(build_new() for _ in range(rounds))
        found = statistics.median(build() * 1000 for _ in range(rounds))
        peer = _seconds(lambda: _venv_and_pip(asked.pip))
    what = f"environment of {' and '.join(asked.pip)}"
    return [
        Line(
            f"{what}, warm (left: venv and pip)",
            "",
            "s",
            mlflow=peer,
            ours=built,
            rounds=rounds,
            at_most=_ENVIRONMENT_S,
        ),
        Line(f"{what}, found", "", "ms", ours=found, rounds=rounds),
    ]


WORKLOADS: dict[str, Callable[[Sizes, int], list[Line]]] = {
    "snapshots": snapshots,
    "environments": environments,
}


@contextmanager
def _cache() -> Iterator[None]:
    before = os.environ.get("MLFLOW_WORKSPACE_CACHE_DIR")
    with tempfile.TemporaryDirectory(dir=Path.home()) as folder:
        os.environ["MLFLOW_WORKSPACE_CACHE_DIR"] = f"{folder}/cache"
        yield
    if before is None:
        del os.environ["MLFLOW_WORKSPACE_CACHE_DIR"]
    else:
        os.environ["MLFLOW_WORKSPACE_CACHE_DIR"] = before


def _seconds(action: Callable[[], object]) -> float:
    with stopwatch() as watch:
        action()
    return watch.seconds


def _venv_and_pip(packages: list[str]) -> None:
    import mlflow

    with tempfile.TemporaryDirectory(dir=Path.home()) as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        python = Path(folder) / "bin" / "python"
        asked = [*packages, f"mlflow=={mlflow.__version__}"]
        command = [python, "-m", "pip", "install", "--quiet", *asked]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)


def _write(code: Path, number: int) -> None:
    """Write so many files of text that compresses like code."""
    some = random.Random(1)
    words = [f"{some.getrandbits(32):x}" for _ in range(3000)]
    for each in range(number):
        file = code / f"package{each % 40}" / f"module{each}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(" ".join(some.choices(words, k=_SIZE // 9)))


def _stored(side: Side) -> int:
    found = Path(side.hub, "artifacts").rglob("*")
    return sum(each.stat().st_size for each in found if each.is_file())
