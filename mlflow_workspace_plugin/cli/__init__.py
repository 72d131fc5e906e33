"""The command ``mlflow-workspace``."""

import logging

import click

from mlflow_workspace_plugin.cli.azureml import azureml
from mlflow_workspace_plugin.cli.doctor import doctor
from mlflow_workspace_plugin.cli.gc import gc
from mlflow_workspace_plugin.cli.hub import hub
from mlflow_workspace_plugin.cli.open import open_
from mlflow_workspace_plugin.cli.run import run
from mlflow_workspace_plugin.cli.runs.delete import delete
from mlflow_workspace_plugin.cli.runs.experiments import experiments
from mlflow_workspace_plugin.cli.runs.files import download, files
from mlflow_workspace_plugin.cli.runs.metrics import metrics
from mlflow_workspace_plugin.cli.runs.table import runs
from mlflow_workspace_plugin.cli.runs.verify import verify
from mlflow_workspace_plugin.cli.shell import completion
from mlflow_workspace_plugin.cli.sync import sync
from mlflow_workspace_plugin.cli.ui import ui
from mlflow_workspace_plugin.cli.workspaces import create, list_, show, where


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="mlflow-workspace-plugin")
def main() -> None:
    """Workspaces for MLflow, in a folder."""
    # MLflow logs a database's errors with their traceback; the commands say them in a sentence.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    # That a workspace was made or deleted is what the commands say, too; and MLflow advises a
    # command of its own then, which finds nothing.
    logging.getLogger("mlflow.store.workspace").setLevel(logging.WARNING)


for command in (
    *(create, list_, show, where),
    *(run, runs, metrics, experiments, files, download, delete, ui, open_),
    *(sync, verify, gc, hub, azureml, doctor, completion),
):
    main.add_command(command)
