"""What this package adds to ``import mlflow``."""

import json
import re
import statistics
import subprocess
import sys

from tests.benchmarks.report import Line

PACKAGE = "mlflow_workspace_plugin"
HEAVY = ("sqlalchemy", "azure")

_IMPORTED = re.compile(r"import time:\s*(\d+) \|\s*(\d+) \|(\s*)(\S+)$", re.MULTILINE)
# Hooks are loaded by importlib.import_module, whose imports -X importtime passes over.
_IMPORT_MLFLOW = """
import importlib, sys
passed_over = importlib.import_module

def import_module(name, package=None):
    if package is not None:
        return passed_over(name, package)
    __import__(name)
    return sys.modules[name]

importlib.import_module = import_module
import mlflow
"""
_LOAD_ENTRY_POINTS = f"""
import json, sys
from importlib.metadata import distribution

import mlflow

for entry_point in distribution({PACKAGE!r}).entry_points:
    if entry_point.group.startswith("mlflow."):
        entry_point.load()
names = {{name.partition(".")[0] for name in sys.modules}}
print(json.dumps([name for name in {HEAVY!r} if name in names]))
"""


def import_time(rounds: int) -> list[Line]:
    """The time that our modules take in ``import mlflow``, and what they import.

    In fresh processes, one before the rounds: it may have to compile.
    """
    _milliseconds()
    taken = [_milliseconds() for _ in range(rounds)]
    total, ours = (statistics.median(figures) for figures in zip(*taken, strict=True))
    heavy = json.loads(_python("-c", _LOAD_ENTRY_POINTS).stdout)
    return [
        Line("our share of import mlflow (left: all)", "", "ms", total, ours, rounds, at_most=3),
        Line(f"of {' and '.join(HEAVY)}, our hooks import", "", ours=len(heavy), at_most=0),
    ]


def _milliseconds() -> tuple[float, float]:
    """Return the time of ``import mlflow``, and the self times of our own modules in it."""
    printed = _python("-X", "importtime", "-c", _IMPORT_MLFLOW).stderr
    found = _IMPORTED.findall(printed)
    total = next(int(whole) for _, whole, _, name in found if name == "mlflow")
    ours = sum(int(own) for own, _, _, name in found if name.partition(".")[0] == PACKAGE)
    assert ours, "None of our hooks was loaded: is this package installed?"
    return total / 1e3, ours / 1e3


def _python(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True)
