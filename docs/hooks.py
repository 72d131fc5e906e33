"""What MkDocs adds to the pages: commands and settings as the code has them, and other files."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import platformdirs

from mlflow_workspace_plugin import settings
from mlflow_workspace_plugin.cli import main

if TYPE_CHECKING:
    from mkdocs.structure.files import Files

ROOT = Path(__file__).parents[1]
SETTINGS_PLACE = "<!-- settings -->"
_APP = "mlflow-workspace-plugin"
_USER_FOLDERS = {
    "data": Path(platformdirs.user_data_dir(_APP, appauthor=False)),
    "config": Path(platformdirs.user_config_dir(_APP, appauthor=False)),
    "state": Path(platformdirs.user_state_dir(_APP, appauthor=False)),
}


def on_startup(**_: Any) -> None:
    """Load all commands, which come one by one where they are called."""
    context = click.Context(main)
    for name in main.list_commands(context):
        if command := main.get_command(context, name):
            main.add_command(command, name)


def on_files(files: "Files", config: Any) -> "Files":
    """Add the examples, so that pages can link to them, and the changelog as a page."""
    from mkdocs.structure.files import File

    for path in sorted((ROOT / "examples").rglob("*")):
        if path.suffix in (".py", ".ipynb", ".png"):
            name = path.relative_to(ROOT).as_posix()
            files.append(File.generated(config, name, abs_src_path=str(path)))
    changelog = str(ROOT / "CHANGELOG.md")
    files.append(File.generated(config, "changelog.md", abs_src_path=changelog))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put the table of the settings in its place, and keep links to the examples in the site."""
    return markdown.replace(SETTINGS_PLACE, settings_table()).replace("../examples/", "examples/")


def settings_table() -> str:
    """Return the settings as a table: name, default, what it does."""
    rows = [
        f"| `{each.name}` | {_shown(each.default)} | {each.sentence} |" for each in settings.ALL
    ]
    return "\n".join(["| variable | default | |", "|---|---|---|", *rows])


def _shown(default: str) -> str:
    for name, folder in _USER_FOLDERS.items():
        if Path(default).is_relative_to(folder):
            return f"`{Path(default).relative_to(folder)}` in the user's {name} folder"
    return f"`{default}`" if default else "unset"
