"""Time workspaces against MLflow's own store, on SQLite and PostgreSQL.

    python tests/benchmarks/compare_with_mlflow.py [--quick] [--only NAME]

Both are measured in turn, round by round, so that a drift of the machine's speed falls on both.
Needs Linux, and PostgreSQL's programs unless only SQLite is asked for.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "benchmarks.md"


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, help="of each workload; default 5, quick 1")
    parser.add_argument(
        "--slow-rounds", type=int, help="of those that take MLflow half a minute; default: --rounds"
    )
    parser.add_argument("--quick", action="store_true", help="tiny sizes: does it run at all?")
    parser.add_argument("--only", action="append", metavar="NAME", help="this workload; repeatable")
    parser.add_argument(
        "--database", choices=("sqlite", "postgresql"), action="append", help="default: both"
    )
    parser.add_argument("--large", action="store_true", help="also a run of 10,000,000 values")
    parser.add_argument(
        "--folder", type=Path, help="keep the databases here, and use SQLite's that are there"
    )
    parser.add_argument(
        "--write-page",
        action="store_true",
        help="put the table into docs/benchmarks.md",
    )
    options = parser.parse_args(arguments)
    if options.write_page and (options.quick or options.only):
        parser.error("--write-page needs the figures of all workloads, at their full size.")
    options.rounds = options.rounds or (1 if options.quick else 5)
    options.slow_rounds = options.slow_rounds or options.rounds
    options.databases = options.database or ["sqlite", "postgresql"]
    return options


def prepare_environment(bytecode: Path) -> None:
    """Keep the user's settings out, here and in the processes that are started.

    These find what is imported compiled, as anybody's second process does.
    """
    for name in list(os.environ):
        if name.startswith("MLFLOW_"):
            del os.environ[name]
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ["MLFLOW_LOGGING_LEVEL"] = "WARNING"
    # Each call is timed until its values are stored, but for the workloads of the journal.
    os.environ["MLFLOW_WORKSPACE_JOURNAL"] = "off"
    os.environ["MLFLOW_WORKSPACE_JOURNAL_DIR"] = str(bytecode.parent / "journal")
    os.environ["MLFLOW_WORKSPACE_TRUST_FILE"] = str(bytecode.parent / "trusted.json")
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix = str(bytecode)
    sys.dont_write_bytecode = False
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))


def main(arguments: list[str] | None = None) -> None:
    options = parse(arguments)
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as scratch:
        prepare_environment(Path(scratch) / "bytecode")
        # Only now: MLflow reads the environment when it is imported.
        from tests.benchmarks import report, suite

        if options.write_page:
            report.check_markers(PAGE)
        options.folder = options.folder.resolve() if options.folder else Path(scratch)
        os.chdir(scratch)  # MLflow makes paths below where it is called
        try:
            lines, notes = suite.run(options)
        finally:
            os.chdir(ROOT)
            sys.dont_write_bytecode = True  # what is imported from here on would remake the folder
    report.print_table(lines, notes)
    if options.write_page:
        report.write_page(PAGE, report.markdown(lines, notes))


if __name__ == "__main__":
    # In place of this folder, whose modules are not for everybody to import.
    sys.path[0] = str(ROOT)
    main()
