"""The benchmarks: a workspace against MLflow's own store, side by side in one run."""
