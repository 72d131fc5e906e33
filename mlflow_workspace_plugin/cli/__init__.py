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
    "azureml": ("azureml:azureml", "Serve the name azureml to SDK v1 scripts; scan code for it."),
    "cancel": ("jobs.cancel:cancel", "Cancel a job, which waits or runs."),
    "chart": ("seen.chart:chart", "Write a metric of a run to a picture, a PNG file."),
    "completion": (
        "shell:completion",
        "Print the line that lets a shell complete what is typed.",
    ),
    "compute": (
        "jobs.compute:compute",
        "Say where jobs run: on this machine, a Ray cluster, Slurm.",
    ),
    "create": (
        "hubs.workspaces:create",
        "Create workspace NAME, and its hub if that is its first.",
    ),
    "data": (
        "data.data:data",
        "List and register datasets, and copy files for them.",
    ),
    "delete": ("runs.delete:delete", "Delete runs, or the workspace that --workspace names."),
    "doctor": (
        "hubs.doctor:doctor",
        "Check what a run needs: versions, hooks, hub, files, journal.",
    ),
    "download": ("runs.files:download", "Copy the files of a run, or some of them, to a folder."),
    "env": ("jobs.env:env", "List and remove the environments that jobs have built."),
    "experiments": ("runs.experiments:experiments", "List the experiments of a workspace."),
    "files": ("runs.files:files", "List the files of a run, with their sizes."),
    "gc": ("hubs.gc:gc", "Free deleted runs, models and experiments for good."),
    "hub": ("hubs.hub:hub", "Make, trust and upgrade hubs."),
    "jobs": ("jobs.table:jobs", "List the jobs that wait or run, and for what they wait."),
    "list": ("hubs.workspaces:list_", "List the workspaces of a hub."),
    "login": ("accounts.login:login", "Log in at a served hub, for this user's scripts."),
    "logout": ("accounts.login:logout", "Log out at a served hub."),
    "logs": ("jobs.logs:logs", "Print what a run prints, as it goes on if asked to."),
    "metrics": ("runs.metrics:metrics", "Show the metrics of a run, or all values of one."),
    "open": ("pages.open:open_", "Open the page of a run, or a workspace, in the browser."),
    "report": ("seen.report:report", "Write a run to one HTML file, to be sent to anybody."),
    "run": ("jobs.run:run", "Run a script or program inside a recorded run."),
    "runs": ("runs.table:runs", "List the runs of a workspace, and the best of them."),
    "serve": ("serving.serve:serve", "Serve a hub to a team, with accounts, behind one address."),
    "show": (
        "hubs.workspaces:show",
        "Show a workspace and what it holds, or a run and how it went.",
    ),
    "submit": ("jobs.submit:submit", "Queue a script or command, here or on another target."),
    "sync": ("journals.sync:sync", "Send what was logged and could not be sent so far."),
    "token": ("accounts.token:token", "Give machines tokens for a served hub; end log-ins."),
    "ui": ("pages.ui:ui", "Serve MLflow's UI, with all workspaces of a hub, to you only."),
    "user": ("accounts.user:user", "Say who may use a served hub, and in which workspaces."),
    "verify": (
        "runs.verify:verify",
        "Say whether all that was logged to a run can be read.",
    ),
    "views": ("seen.views:views", "List, export and read saved views of a workspace's pages."),
    "watch": ("seen.watch:watch", "Show a run as it goes on: its status, metrics, and log."),
    "where": (
        "hubs.workspaces:where",
        "Print where rows and files of a hub, workspace or run lie.",
    ),
}
"""The commands by name: the module in this package with the command's name in it, and what the list
of commands says of it, which fits 80 columns."""


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
