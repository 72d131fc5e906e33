"""Options of the commands that make a run."""

import os
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

_EXPERIMENT = "MLFLOW_EXPERIMENT_NAME"


def experiment_option(command: Command) -> Command:
    """Add ``--experiment``, which is an experiment's name."""
    option = click.option(
        "--experiment",
        "-e",
        metavar="NAME",
        default=lambda: os.environ.get(_EXPERIMENT) or "Default",
        show_default=f"${_EXPERIMENT}, else Default",
        help="The experiment; created if there is none of that name.",
    )
    return option(command)


def name_and_tag_options(command: Command) -> Command:
    """Add ``--name``, and ``--tag``, which arrives as a dictionary ``tags``."""
    name = click.option(
        "--name", metavar="NAME", help="The run's name; by default MLflow chooses one."
    )
    tag = click.option(
        "--tag",
        "tags",
        metavar="KEY=VALUE",
        multiple=True,
        callback=_tags,
        help="A tag of the run; several times for several.",
    )
    return name(tag(command))


def _tags(
    _context: click.Context, _parameter: click.Parameter, given: Sequence[str]
) -> dict[str, str]:
    tags: dict[str, str] = {}
    for each in given:
        key, equals, value = each.partition("=")
        if not equals or not key:
            raise click.BadParameter(f"{each!r} is no tag. Write KEY=VALUE, such as team=vision.")
        if tags.setdefault(key, value) != value:
            raise click.BadParameter(f"Tag {key!r} is given twice, with different values.")
    return tags
