"""Puts modules, and the library below them, together into one text, for a page without a server.

There is no build step: a module is what is served. It is written so that it can be put behind
others as it is: imports are relative and named, exports are declarations, and a name at the top of
a module is at the top of no other.
"""

import re
from pathlib import Path, PurePosixPath

from mlflow_workspace_plugin.web import FOLDER, UPLOT

_IMPORT = re.compile(r'^import\s*\{[^}]*\}\s*from\s*"(\.{1,2}/[^"]+)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?function|const|let|class)", re.MULTILINE)
_ANY_MODULE_SYNTAX = re.compile(r"^(?:import|export)\b.*", re.MULTILINE)
_NAME = re.compile(r"^(?:async )?(?:function|class|const|let) (\w+)", re.MULTILINE)
_COMMENT_LINES = re.compile(r"^ *//.*\n|^ */\*\*(?:.|\n)*?\*/\n", re.MULTILINE)


def uplot_script() -> str:
    """Return uPlot's script, which defines ``uPlot``."""
    return (UPLOT / "uPlot.iife.min.js").read_text(encoding="utf-8")


def style_sheet() -> str:
    """Return the styles of uPlot and of ours."""
    texts = [UPLOT / "uPlot.min.css", FOLDER / "style.css"]
    return "\n".join(path.read_text(encoding="utf-8") for path in texts)


def modules_of(*entries: str) -> list[str]:
    """Return the modules that ``entries`` need, and them, each behind those that it imports."""
    ordered: list[str] = []
    for entry in entries:
        _add(entry, ordered, ())
    return ordered


def module_bundle(*entries: str) -> str:
    """Return modules and all they import as one text without imports and exports.

    Args:
        *entries: Modules, by their paths below the folder, as ``figures/figure.js``.

    Returns:
        Statements. What the entries export is in scope of what is put behind them.

    Raises:
        ValueError: A module cannot be put behind the others.
    """
    statements = {module: _as_statements(_read(module)) for module in modules_of(*entries)}
    owners: dict[str, str] = {}
    for module, text in statements.items():
        for name in _NAME.findall(text):
            if name in owners:
                raise ValueError(f"{module} has a name of {owners[name]}'s: {name}.")
            owners[name] = module
    return "\n".join(statements.values())


def _add(module: str, ordered: list[str], above: tuple[str, ...]) -> None:
    if module in above:
        raise ValueError(f"{module} imports itself by way of {', '.join(above)}.")
    if module in ordered:
        return
    for imported in _IMPORT.findall(_read(module)):
        _add(_resolved(module, imported), ordered, (*above, module))
    ordered.append(module)


def _resolved(module: str, imported: str) -> str:
    parts: list[str] = []
    for part in (PurePosixPath(module).parent / imported).parts:
        if part == "..":
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts)


def _read(module: str) -> str:
    return Path(FOLDER, module).read_text(encoding="utf-8")


def _as_statements(text: str) -> str:
    statements = _EXPORT.sub("", _IMPORT.sub("", _COMMENT_LINES.sub("", text)))
    if left := _ANY_MODULE_SYNTAX.search(statements):
        raise ValueError(f"Cannot be put together with others: {left[0]}")
    return statements
