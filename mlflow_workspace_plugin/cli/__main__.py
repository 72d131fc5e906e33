"""``python -m mlflow_workspace_plugin.cli``: the command without its script."""

from mlflow_workspace_plugin.cli import main

main(prog_name="mlflow-workspace")
