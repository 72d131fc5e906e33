"""``mlflow-workspace completion``: what makes a shell complete commands, workspaces and runs."""

import click

_LINES = {
    "bash": (
        "~/.bashrc",
        'eval "$(_MLFLOW_WORKSPACE_COMPLETE=bash_source mlflow-workspace)"',
    ),
    "zsh": ("~/.zshrc", 'eval "$(_MLFLOW_WORKSPACE_COMPLETE=zsh_source mlflow-workspace)"'),
    "fish": (
        "~/.config/fish/completions/mlflow-workspace.fish",
        "_MLFLOW_WORKSPACE_COMPLETE=fish_source mlflow-workspace | source",
    ),
}


@click.command()
@click.argument("shell", type=click.Choice(list(_LINES)))
def completion(shell: str) -> None:
    """Print the line that lets a shell complete commands, workspaces and runs.

    To have it from now on: mlflow-workspace completion bash >> ~/.bashrc
    """
    file, line = _LINES[shell]
    click.echo(f"For {file}:", err=True)
    click.echo(line)
