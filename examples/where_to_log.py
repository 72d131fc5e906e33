"""Where the scripts beside this one log to. A script of your own needs none of it."""

import os
import sys

import mlflow


def log_to(experiment: str | None = None) -> str:
    """Log to the run around the script, if there is one, else to an experiment.

    Returns:
        MLflow's tracking URI. Where nobody has said one, the script ends with a sentence.
    """
    if "MLFLOW_TRACKING_URI" not in os.environ:
        sys.exit(
            "This example logs to wherever MLFLOW_TRACKING_URI says, and that is not set.\n"
            "Make a workspace, and name it:\n"
            "  mlflow-workspace create demo\n"
            "  export MLFLOW_TRACKING_URI=workspace:demo\n"
            f"or run the script inside a run of it: mlflow-workspace run -w demo {sys.argv[0]}"
        )
    # MLflow refuses to go on with a run in another experiment than its own.
    if experiment is not None and "MLFLOW_RUN_ID" not in os.environ:
        mlflow.set_experiment(experiment)
    return mlflow.get_tracking_uri()
