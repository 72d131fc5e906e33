"""``mlflow-workspace azureml``: the name ``azureml`` in this Python environment."""

import sys
from typing import Any

import click

from mlflow_workspace_plugin.alias import environment, finder
from mlflow_workspace_plugin.cli.options import (
    echo,
    json_option,
    plain_errors,
    print_facts,
    print_json,
)


@click.group()
def azureml() -> None:
    """Serve the name azureml in this Python environment, for scripts of SDK v1."""


@azureml.command()
@plain_errors
def enable() -> None:
    """Let `import azureml.core` find this package, in every Python of this environment.

    Refused where the real azureml-core is installed.
    """
    path = environment.enable()
    echo(f"azureml is served by this package in {sys.prefix} ({path}).")


@azureml.command()
@plain_errors
def disable() -> None:
    """Undo enable."""
    done = environment.disable()
    echo("azureml is not served any more." if done else "azureml was not served.")


@azureml.command()
@json_option
@plain_errors
def status(as_json: bool) -> None:  # noqa: FBT001
    """Say whether azureml is served in this environment, and by whom."""
    path = environment.startup_file()
    real = finder.real_sdk()
    facts: dict[str, Any] = {
        "environment": sys.prefix,
        "enabled": path.exists(),
        "file": path,
        "azureml-core": real.origin if real else None,
    }
    if as_json:
        print_json(facts)
    else:
        print_facts(facts | {"azureml-core": facts["azureml-core"] or "not installed"})
