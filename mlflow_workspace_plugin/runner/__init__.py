"""Runs a command inside a recorded run: ``mlflow-workspace run``, and submitted jobs."""
