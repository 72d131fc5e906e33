"""A sweep over alpha: a job for each, queued on a compute target, and the best model registered."""

import argparse
from pathlib import Path

from azureml.core import Environment, Experiment, ScriptRunConfig, Workspace

parser = argparse.ArgumentParser()
parser.add_argument("--compute", default="local", help="the name of the compute target")
parser.add_argument("--alphas", type=float, nargs="+", default=[0.0, 0.1, 0.3, 1.0])
given = parser.parse_args()

ws = Workspace.from_config()
experiment = Experiment(workspace=ws, name="sweep")

environment = Environment("this-python")
environment.python.user_managed_dependencies = True

runs = []
for alpha in given.alphas:
    config = ScriptRunConfig(
        source_directory=str(Path(__file__).parent),
        script="train.py",
        arguments=["--alpha", alpha],
        compute_target=given.compute,
        environment=environment,
    )
    runs.append(experiment.submit(config, tags={"alpha": str(alpha)}))
    print("submitted", runs[-1].id, "for alpha", alpha)

for run in runs:
    run.wait_for_completion()

best = min(runs, key=lambda run: run.get_metrics()["mse"])
model = best.register_model(model_name="diabetes-ridge", model_path="outputs/model.pkl")
print("best alpha", best.get_metrics()["alpha"])
print("registered", model.name, "version", model.version)
