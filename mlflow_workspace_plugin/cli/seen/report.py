"""``mlflow-workspace report``: a run as a file that can be sent."""

import re
from pathlib import Path

import click

from mlflow_workspace_plugin.cli.layout import words
from mlflow_workspace_plugin.cli.options import HubPlace, echo, hub_option, plain_errors
from mlflow_workspace_plugin.cli.runs.find import find_run, run_argument
from mlflow_workspace_plugin.cli.seen.output import output_option, write_output
from mlflow_workspace_plugin.cli.which_workspace import workspace_option

_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?(kB|MB|GB)", re.IGNORECASE)
_BYTES = {"kb": 10**3, "mb": 10**6, "gb": 10**9}
_LEAST_ROOM = 100_000
"""In bytes, beside the script that draws it."""


def _bytes(given: str) -> int:
    found = _SIZE.fullmatch(given.strip())
    if found is None:
        raise click.BadParameter(f"{given!r} is no size. Write such as 500kB or 5MB.")
    return int(float(found[1]) * _BYTES[found[2].lower()])


@click.command()
@run_argument
@output_option("HTML; by default one with the run's name")
@click.option(
    "--compare",
    multiple=True,
    metavar="RUN",
    help="Another run of the workspace to compare it with; repeatable.",
)
@click.option(
    "--max-size",
    metavar="SIZE",
    default="1MB",
    show_default=True,
    callback=lambda _context, _parameter, value: _bytes(value),
    help="How large the file is at most. It says what was left out for that.",
)
@workspace_option
@hub_option
@plain_errors
def report(
    run: str,
    output: Path | None,
    compare: tuple[str, ...],
    max_size: int,
    workspace: str | None,
    hub: HubPlace,
) -> None:
    """Write run RUN, with its figures, to one HTML file that opens without a server.

    RUN is a run's id, the beginning of it, or its name. The file loads nothing, so it can be sent
    and opened anywhere. As long as nothing is logged it is the same, byte for byte.
    """
    from mlflow_workspace_plugin.cli.seen.contents import contents_of
    from mlflow_workspace_plugin.cli.seen.one_file import page_of, script_of, style_of
    from mlflow_workspace_plugin.errors import UserErrorException
    from mlflow_workspace_plugin.overview.source import source_of

    found = find_run(run, workspace, hub)
    others = [find_run(each, found.place.workspace, hub).id for each in compare]
    source = source_of(found.workspace().get_mlflow_tracking_uri())
    run_ids = list(dict.fromkeys([found.id, *others]))
    title = found.place.name or found.id
    style, script = style_of(), script_of()
    room = max_size - len(page_of(title, style, script, None))
    if room < _LEAST_ROOM:
        least = words.size(max_size - room + _LEAST_ROOM)
        raise UserErrorException(f"A report has {least} at least. Name a larger --max-size.")
    contents = contents_of(source, run_ids, found.place.experiment, room)
    page = page_of(title, style, script, contents)
    path = write_output(page, output, title, ".html")
    if path is None:
        return
    echo(f"{path} ({words.size(len(page))})")
    for sentence in contents["left_out"]:
        echo(f"Not in it: {sentence}", err=True)
