"""Lightning attached to a run of SDK v1, as the Azure ML cheat sheets do it.

The workspace is the one that config.json names, here or above, else that of MLFLOW_TRACKING_URI.
"""

from lightning.pytorch.loggers import MLFlowLogger
from lightning_logger import train

from mlflow_workspace_plugin import Experiment, Workspace


def main() -> None:
    workspace = Workspace.from_config()
    run = Experiment(workspace, "lightning").start_logging()
    logger = MLFlowLogger(
        experiment_name=run.experiment.name,
        tracking_uri=workspace.get_mlflow_tracking_uri(),
        log_model="all",
    )
    logger._run_id = run.id
    train(logger)
    run.log("after_training", 1)
    run.complete()
    print("run", run.id)


if __name__ == "__main__":
    main()
