"""What the commands share: options, errors without a traceback, output for people or programs."""

import functools
import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from mlflow_workspace_plugin import settings, uris
from mlflow_workspace_plugin.terminal import shown, shown_in_json

Command = TypeVar("Command", bound=Callable[..., Any])

_SECONDS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_AGE = re.compile(r"(\d+(?:\.\d+)?)([dhms])")
_JSON_HELP = "Print JSON, for a program to read."
_DEFAULT_HUB = f"by default ${settings.HUB.name}, else a folder of the user's."

HubPlace = Path | str
"""A hub as ``--hub`` names it: its folder; or, as a text, the address of its server."""


def hub_option(command: Command) -> Command:
    """Add ``--hub``, which arrives as a folder, or as the address of a served hub."""
    return _hub_option(
        f"The hub's folder, or https://HOST of a served one; {_DEFAULT_HUB}",
        lambda _context, _parameter, value: value if uris.is_address(value) else _folder(value),
    )(command)


def hub_folder_option(command: Command) -> Command:
    """Add ``--hub`` to what is done in the folder of a hub only."""
    return _hub_option(
        f"The hub's folder; {_DEFAULT_HUB}",
        lambda _context, _parameter, value: _folder(value),
    )(command)


def _hub_option(sentence: str, callback: Callable[..., HubPlace]) -> Callable[[Command], Command]:
    return click.option(
        "--hub",
        default=lambda: settings.HUB.get(),
        show_default=settings.HUB.name,
        help=sentence,
        callback=callback,
    )


def json_option(command: Command) -> Command:
    """Add ``--json``."""
    return click.option("--json", "as_json", is_flag=True, help=_JSON_HELP)(command)


def older_than_option(default: str, sentence: str) -> Callable[[Command], Command]:
    """Add ``--older-than``, which arrives in seconds.

    Args:
        default: the age by default, as it is typed.
        sentence: what the option does.
    """
    return click.option(
        "--older-than",
        metavar="AGE",
        default=default,
        callback=lambda _context, _parameter, value: _seconds(value),
        help=sentence,
    )


def plain_errors(command: Command) -> Command:
    """Let an expected error end the command with its message, without a traceback."""

    @functools.wraps(command)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except OSError as error:
            _stop(str(error), error)
        except Exception as error:
            # Only now: it takes a second.
            from mlflow.exceptions import MlflowException

            from mlflow_workspace_plugin.errors import clause

            # What SQLAlchemy has of a database's driver, and nobody expected.
            if hasattr(error, "orig") or hasattr(error.__cause__, "orig"):
                _stop(f"{clause(error)}.", error)
            if not isinstance(error, MlflowException):
                raise
            _stop(error.message, error)

    return call  # type: ignore[return-value]


def echo(text: str, *, err: bool = False) -> None:
    """Print lines for people; what in them came with data is shown, and done by no terminal."""
    click.echo(shown(text, lines=True), err=err)


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    click.echo(shown_in_json(text))


def print_table(title: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Print rows, all of the same keys, as a table; one below the other where that is too wide."""
    rows = list(rows)
    if not rows:
        echo(f"{shown(title)}: none")
        return
    # It takes a while to be imported.
    from mlflow_workspace_plugin.cli.layout.tables import print_rows

    print_rows(title, rows)


def print_facts(facts: Mapping[str, Any]) -> None:
    """Print one thing's facts, a line each, never wrapped, so that paths can be copied."""
    width = max(map(len, facts))
    for name, fact in facts.items():
        echo(f"{name:<{width}}  {'' if fact is None else shown(fact)}")


def _folder(hub: str) -> Path:
    if uris.is_address(hub):
        raise click.BadParameter(
            f"{uris.redact(hub)} is a served hub, and this is done on its server's machine, in the "
            "hub's folder. Name the folder there."
        )
    try:
        return uris.hub_folder(hub)
    except Exception as error:
        from mlflow_workspace_plugin.errors import InvalidUriError

        if not isinstance(error, InvalidUriError):
            raise
        raise click.BadParameter(error.message) from None


def _seconds(age: str) -> float:
    if not age or _AGE.sub("", age):
        raise click.BadParameter(f"{age!r} is no age. Write such as 30d, 12h, 45m, 10s or 1d12h.")
    return sum(float(number) * _SECONDS[unit] for number, unit in _AGE.findall(age))


def _stop(message: str, error: Exception) -> NoReturn:
    raise click.ClickException(shown(message, lines=True)) from error
