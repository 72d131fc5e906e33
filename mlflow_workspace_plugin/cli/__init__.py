"""The command ``mlflow-workspace``.

A command that is not run costs nothing: its module is imported when it is called, or its own help
is asked for. And no module of a command imports at its top what takes long (MLflow, SQLAlchemy,
rich): what a command needs of that it imports as it runs. So help and errors of usage come at once.
"""

import importlib
import logging
from gc import set_threshold

import click
from click.shell_completion import CompletionItem

COMMANDS = {
    "azureml": (
        "azureml:azureml",
        "The name azureml, for scripts of SDK v1: serve it, and scan code for what it uses of it.",
    ),
    "completion": (
        "shell:completion",
        "Print the line that lets a shell complete commands, workspaces and runs.",
    ),
    "create": ("workspaces:create", "Create workspace NAME, and its hub if that is its first."),
    "delete": (
        "runs.delete:delete",
        "Delete runs, or without RUN the workspace that --workspace names.",
    ),
    "doctor": (
        "doctor:doctor",
        "Check all that a run needs: versions, MLflow's hooks, a hub's rows and files, the "
        "journal.",
    ),
    "download": (
        "runs.files:download",
        "Copy the files of run RUN, or the file or folder PATH of it, to a folder.",
    ),
    "experiments": (
        "runs.experiments:experiments",
        "List the experiments of a workspace, that with the newest run first.",
    ),
    "files": (
        "runs.files:files",
        "List the files of run RUN, or those below PATH, with their sizes.",
    ),
    "gc": ("gc:gc", "Free deleted runs, logged models and experiments for good: rows and files."),
    "hub": ("hub:hub", "Make, trust and upgrade hubs."),
    "list": ("workspaces:list_", "List the workspaces of a hub."),
    "metrics": (
        "runs.metrics:metrics",
        "Show the metrics of run RUN: the last value of each, or all values of metric NAME.",
    ),
    "open": (
        "open:open_",
        'Open the browser on the page of run RUN, or of a workspace, where "ui" serves the hub.',
    ),
    "run": ("run:run", "Run a script, such as `train.py --rate 0.1`, inside a recorded run."),
    "runs": (
        "runs.table:runs",
        "List the runs of a workspace, the newest first, children below their parents.",
    ),
    "show": (
        "workspaces:show",
        "Show workspace NAME, its URI and what it holds; or run RUN, and how it went.",
    ),
    "sync": (
        "sync:sync",
        "Send what processes on this machine logged and could not send before they ended.",
    ),
    "ui": (
        "ui:ui",
        "Serve MLflow's UI, with all workspaces of a hub, to this user of this machine.",
    ),
    "verify": (
        "runs.verify:verify",
        "Say whether all values that were logged to run RUN can be read, or what is different.",
    ),
    "where": (
        "workspaces:where",
        "Print where the rows and files of a hub, a workspace or run RUN lie.",
    ),
}
"""The commands by name: the module in this package with the command's name in it, and the first
sentence of its help."""


class LazyGroup(click.Group):
    """A group that imports the module of a command when the command is asked for."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command."""
        if cmd_name not in COMMANDS:
            return super().get_command(ctx, cmd_name)
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(f"{__name__}.{module}"), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what the table says of the commands, which imports none."""
        click.Group(commands=self.commands).format_commands(ctx, formatter)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the name of a command, or an option, which imports no command."""
        found = [
            CompletionItem(name, help=self.commands[name].get_short_help_str())
            for name in self.list_commands(ctx)
            if name.startswith(incomplete)
        ]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]


@click.group(
    cls=LazyGroup,
    commands={name: click.Command(name, help=sentence) for name, (_, sentence) in COMMANDS.items()},
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="mlflow-workspace-plugin")
def main() -> None:
    """Workspaces for MLflow, in a folder."""
    # A quarter of the time of a command would be looking for garbage among what it imports.
    set_threshold(100_000, 50, 50)
    # MLflow logs a database's errors with their traceback; the commands say them in a sentence.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    # That a workspace was made or deleted is what the commands say, too; and MLflow advises a
    # command of its own then, which finds nothing.
    logging.getLogger("mlflow.store.workspace").setLevel(logging.WARNING)
