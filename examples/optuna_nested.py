"""Optuna with a nested run for each trial. An ordinary MLflow script."""

import mlflow
import optuna
from where_to_log import log_to


def objective(trial: optuna.Trial) -> float:
    with mlflow.start_run(nested=True, run_name=f"trial-{trial.number}"):
        x = trial.suggest_float("x", -10, 10)
        mlflow.log_param("x", x)
        for step in range(3):
            mlflow.log_metric("loss", (x - 2) ** 2 / (step + 1), step=step)
        return (x - 2) ** 2


def main() -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    log_to("optuna")
    with mlflow.start_run(run_name="study") as parent:
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
        study.optimize(objective, n_trials=5)
        mlflow.log_metric("best", study.best_value)
    print("run", parent.info.run_id)


if __name__ == "__main__":
    main()
