"""The main job: train the diabetes model through plain MLflow, then through SDK v1's Run.

    python examples/diabetes.py

It needs no server. Everything lands in workspace "demo" of the default hub, a folder.
"""

import mlflow
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split

from mlflow_workspace_plugin import Experiment, Workspace

ALPHAS = (0.01, 0.1, 1.0)


def train_with_mlflow() -> str:
    """Train once, as any MLflow script does; autologging records all of it."""
    x_train, x_test, y_train, y_test = train_test_split(
        *load_diabetes(return_X_y=True), random_state=0
    )
    mlflow.sklearn.autolog(log_datasets=False, silent=True)
    with mlflow.start_run(run_name="plain MLflow") as run:
        model = Ridge(alpha=0.1).fit(x_train, y_train)
        mlflow.log_metric("test_r2", r2_score(y_test, model.predict(x_test)))
    mlflow.sklearn.autolog(disable=True)
    return run.info.run_id


def train_with_run(workspace: Workspace) -> str:
    """Train once per alpha, as SDK v1 scripts do."""
    x_train, x_test, y_train, y_test = train_test_split(
        *load_diabetes(return_X_y=True), random_state=0
    )
    with Experiment(workspace, "diabetes").start_logging(display_name="SDK v1 Run") as run:
        run.tag("model", "Ridge")
        for alpha in ALPHAS:
            model = Ridge(alpha=alpha).fit(x_train, y_train)
            run.log("alpha", alpha)
            run.log("test_r2", r2_score(y_test, model.predict(x_test)))
        run.upload_file("outputs/train.py", __file__)
    return run.id


def main() -> None:
    workspace = Workspace.create("demo", exist_ok=True)
    mlflow.set_tracking_uri(workspace.get_mlflow_tracking_uri())
    mlflow.set_experiment("diabetes")

    for run_id in (train_with_mlflow(), train_with_run(workspace)):
        run = workspace.get_run(run_id)
        print(f"\nRun {run.id}")
        for name, values in sorted(run.get_metrics().items()):
            print(f"  {name:<28} {values}")
        print(f"  files: {len(run.get_file_names())}")

    print(f"\nStored in {workspace.get_mlflow_tracking_uri()}")
    print("To look at the runs: mlflow-workspace ui -w demo --open")


if __name__ == "__main__":
    main()
