"""The documents of SDK v1 that show how scripts are submitted run as they stand, but for repairs.

The cells are theirs. What had to be changed in any case, on Azure too, is listed as repairs, each
with its reason, and applied to the text; so a repair that no longer fits fails.
"""

import json
import textwrap

import pytest
from click.testing import CliRunner

from mlflow_workspace_plugin.cli import main

pytestmark = [pytest.mark.sqlite, pytest.mark.frameworks]

TRAIN = """
# train.py

import os
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_squared_error
from sklearn.model_selection import train_test_split
from azureml.core.run import Run
from sklearn.externals import joblib

import numpy as np

#os.makedirs('./outputs', exist_ok = True)

X, y = load_diabetes(return_X_y = True)

run = Run.get_context()

X_train, X_test, y_train, y_test = train_test_split(X, y, test_size = 0.2, random_state = 0)
data = {"train": {"X": X_train, "y": y_train},
       "test": {"X": X_test, "y": y_test}}

# list of numbers from 0.0 to 1.0 with a 0.05 interval
alphas = mylib.get_alphas()

for alpha in alphas:
   # Use Ridge algorithm to create a regression model
   reg = Ridge(alpha = alpha)
   reg.fit(data["train"]["X"], data["train"]["y"])

   preds = reg.predict(data["test"]["X"])
   mse = mean_squared_error(preds, data["test"]["y"])
   # log the alpha and mse values
   run.log('alpha', alpha)
   run.log('mse', mse)

   model_file_name = 'ridge_{0:.2f}.pkl'.format(alpha)
   # save model in the outputs folder so it automatically get uploaded
   with open(model_file_name, "wb") as file:
       joblib.dump(value = reg, filename = model_file_name)

   # upload the model file explicitly into artifacts
   run.upload_file(name = model_file_name, path_or_stream = model_file_name)

   # register the model
   #run.register_model(file_name = model_file_name)

   print('alpha is {0:.2f}, and mse is {1:0.2f}'.format(alpha, mse))
"""
MYLIB = """
# mylib.py

import numpy as np

def get_alphas():
   # list of numbers from 0.0 to 1.0 with a 0.05 interval
   return np.arange(0.0, 1.0, 0.05)
"""
TRAIN_REPAIRS = {
    # scikit-learn took it out in 0.23.
    "from sklearn.externals import joblib": "import joblib",
    # It is used, and never imported.
    "import numpy as np\n": "import numpy as np\n\nimport mylib\n",
}

LOCAL = """
from azureml.core import Experiment, Run, Workspace
import azureml.core

ws = Workspace.from_config()

from azureml.core.environment import Environment

# Editing a run configuration property on-fly.
user_managed_env = Environment("user-managed-env")

user_managed_env.python.user_managed_dependencies = True

# You can choose a specific Python environment by pointing to a Python path
#user_managed_env.python.interpreter_path = '/home/johndoe/miniconda3/envs/myenv/bin/python'

from azureml.core import ScriptRunConfig

exp = Experiment(workspace=ws, name="train-on-local")
src = ScriptRunConfig(source_directory='./', script='train.py')
src.run_config.environment = user_managed_env
run = exp.submit(src)

from azureml.widgets import RunDetails
RunDetails(run).show()

print(run.get_portal_url())

run.wait_for_completion(show_output = True)

RunDetails(Run(exp, run.id)).show()
"""
"""Two documents differ in where ``Environment`` is imported from; the other way is below."""

REMOTE = """
from azureml.core import Workspace

ws = Workspace.from_config()

from azureml.core import Environment
from azureml.core.conda_dependencies import CondaDependencies
from azureml.core import ScriptRunConfig

exp = Experiment(workspace = "my_workspace",
                 name = "my_experiment")

mlflow_env = Environment(name="mlflow-env")

cd = CondaDependencies.create(pip_packages = ["mlflow", "azureml-contrib-run"])

mlflow_env.python.conda_dependencies=cd

src = ScriptRunConfig(source_directory="./my_script_location", script="my_training_script.py")

src.run_config.target = "my-remote-compute-compute"
src.run_config.environment = mlflow_env

run = exp.submit(src, show_output=True)
"""
REMOTE_REPAIRS = {
    # It is used, and never imported.
    "from azureml.core import Workspace\n": "from azureml.core import Experiment, Workspace\n",
}
REMOTE_TRAIN = """
import logging
logging.basicConfig(level=logging.DEBUG)

import mlflow

with mlflow.start_run():
    mlflow.log_metric("example", 1.23)

logging.debug("logged")
"""


def repaired(text, repairs):
    for wrong, right in repairs.items():
        assert text.count(wrong) == 1, wrong
        text = text.replace(wrong, right)
    return text


@pytest.fixture
def notebook(run_python, tmp_path):
    """Run the cells of a notebook, beside its files."""

    def run(cells, files, **variables):
        folder = tmp_path / "notebook"
        for name, text in files.items():
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(textwrap.dedent(text).lstrip())
        cells = f"import mlflow_workspace_plugin.azureml\n{cells}"
        return run_python("-c", cells, cwd=folder, **variables).stdout

    return run


def test_option_2_runs_a_script_in_this_environment(notebook, workspace, tmp_path):
    """The sweep over alpha: its metrics, its models and what it prints."""
    workspace.write_config(tmp_path)
    files = {"train.py": repaired(TRAIN, TRAIN_REPAIRS), "mylib.py": MYLIB}
    printed = notebook(LOCAL, files)

    (run,) = workspace.experiments["train-on-local"].get_runs()
    assert run.get_status() == "Completed"
    metrics = run.get_metrics()
    assert len(metrics["alpha"]) == len(metrics["mse"]) == 20
    assert metrics["alpha"][:2] == [0.0, 0.05]
    assert {"ridge_0.00.pkl", "ridge_0.95.pkl"} <= set(run.get_file_names())
    assert "Streaming user_logs/std_log.txt\n" in printed
    assert printed.count("\nalpha is ") == 20
    assert f"\n{run.get_portal_url()}\n" in printed
    assert "Status:     Completed\n" in printed


def test_remote_runs_track_with_mlflow(notebook, workspace, monkeypatch, hub_path):
    """Once the compute target of that name is there; before, the error says how to add it.

    The workspace's name is the document's, in which it stands for the object. What the environment
    asks for is here already: the switch says so.
    """
    from mlflow_workspace_plugin import Workspace

    theirs = Workspace.create("my_workspace", hub=hub_path)
    variables = {
        "MLFLOW_WORKSPACE_HUB": str(hub_path),
        "MLFLOW_TRACKING_URI": theirs.get_mlflow_tracking_uri(),
        "MLFLOW_WORKSPACE_JOBS_IN_THIS_PYTHON": "1",
    }
    cells = repaired(REMOTE, REMOTE_REPAIRS)
    files = {"my_script_location/my_training_script.py": REMOTE_TRAIN}
    refused = (
        f"import mlflow_workspace_plugin.azureml\ntry:\n{textwrap.indent(cells, '    ')}\n"
        "except Exception as error:\n    print(type(error).__name__, error.message)"
    )
    printed = notebook(refused, files, **variables)
    assert "ComputeTargetException" in printed
    assert "mlflow-workspace compute add my-remote-compute-compute" in printed

    in_hub = ["-w", "my_workspace", "--hub", str(hub_path)]
    add = ["compute", "add", "my-remote-compute-compute", "--type", "local"]
    added = CliRunner().invoke(main, [*add, *in_hub])
    assert added.exit_code == 0, added.output
    printed = notebook(cells, files, **variables)

    (run,) = theirs.experiments["my_experiment"].get_runs()
    assert run.get_status() == "Completed"
    assert run.get_metrics() == {"example": 1.23}
    assert run.get_details()["target"] == "my-remote-compute-compute"
    assert "Execution Summary" in printed
    # What Python's logging said goes to the log, too.
    log = run.get_details_with_logs()["logFiles"]["user_logs/std_log.txt"]
    assert "DEBUG:root:logged\n" in log
    json.dumps(run.get_details())
