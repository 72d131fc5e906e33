"""The command ``mlflow-workspace``."""

import logging

import click

from mlflow_workspace_plugin.cli.azureml import azureml
from mlflow_workspace_plugin.cli.doctor import doctor
from mlflow_workspace_plugin.cli.gc import gc
from mlflow_workspace_plugin.cli.hub import hub
from mlflow_workspace_plugin.cli.open import open_
from mlflow_workspace_plugin.cli.run import run
from mlflow_workspace_plugin.cli.runs import metrics, runs
from mlflow_workspace_plugin.cli.sync import sync, verify
from mlflow_workspace_plugin.cli.ui import ui
from mlflow_workspace_plugin.cli.workspaces import create, list_, show, where


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="mlflow-workspace-plugin")
def main() -> None:
    """Workspaces for MLflow, in a folder."""
    # MLflow logs a database's errors with their traceback; the commands say them in a sentence.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)


for command in (
    *(create, list_, show, where),
    *(run, runs, metrics, ui, open_),
    *(sync, verify, gc, hub, azureml, doctor),
):
    main.add_command(command)
