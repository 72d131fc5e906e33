"""``python -m tests.benchmarks``."""

from tests.benchmarks.compare_with_mlflow import main

main()
