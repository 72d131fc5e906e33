"""The tables of routes, and which line of them a request is about.

A line is ``METHOD``, path and class, and what a job's token may do there, separated by tabs. What
has no line is denied, so a route that a newer MLflow adds is closed until somebody has looked.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Literal, NamedTuple, get_args

RouteClass = Literal[
    "public", "login", "read", "edit", "manage", "accounts", "admin", "operator", "denied"
]
"""What a route takes.

``public`` and ``operator`` nobody's log-in, the latter a secret of its own; ``login`` anybody's;
``read``, ``edit`` and ``manage`` a role in the workspace, by which MLflow decides the rest;
``accounts`` what MLflow's own rules of accounts and roles say; ``admin`` the hub's administrator.
"""

JobUse = Literal[
    "", "run", "query", "child", "path", "model", "source", "version", "name", "handler"
]
"""Where a request says which run it changes; empty where the token of a job may change nothing.

``handler`` is whatever answers the route, which asks by itself what may be done with each run, for
jobs and for people; ``name`` changes no run.
"""

SAFE = ("GET", "HEAD")
"""Methods that change nothing."""

_STRICTEST: tuple[RouteClass, ...] = (
    "denied", "admin", "accounts", "manage", "edit", "read", "login", "operator", "public",
)  # fmt: skip
_OURS = ("/hub/", "/pages", "/log-")
_PARAMETER = re.compile(r"\{(\w+)(:path)?\}")


class Line(NamedTuple):
    """A line of a table."""

    method: str
    path: str
    kind: RouteClass
    job: JobUse = ""

    @property
    def is_ours(self) -> bool:
        """Whether it is a route of this package, and no one of MLflow's."""
        return self.path.startswith(_OURS)


@dataclass(frozen=True)
class Found:
    """The line that a request is about.

    Attributes:
        line: of the table.
        parameters: the parts of the path that it names.
    """

    line: Line
    parameters: Mapping[str, str]


class Table:
    """All routes of a served hub.

    Args:
        lines: in any order.
    """

    def __init__(self, lines: Iterable[Line]) -> None:
        self.lines = tuple(lines)
        self._plain: dict[tuple[str, str], Line] = {}
        self._patterns: dict[str, list[tuple[re.Pattern[str], Line]]] = {}
        for line in self.lines:
            if _PARAMETER.search(line.path):
                pattern = re.compile(_pattern(line.path), re.DOTALL)
                self._patterns.setdefault(line.method, []).append((pattern, line))
            else:
                self._plain[line.method, line.path] = line

    def find(self, method: str, path: str) -> Found | None:
        """Return the line that a request is about, None if there is none.

        Where several paths fit, one without parameters is meant, else the strictest counts.

        Args:
            method: of the request.
            path: as it was decoded.
        """
        method = "GET" if method == "HEAD" else method
        plain = self._plain.get((method, path))
        if plain is not None:
            return Found(plain, {})
        fitting = [
            Found(line, match.groupdict())
            for pattern, line in self._patterns.get(method, ())
            if (match := pattern.fullmatch(path))
        ]
        return min(fitting, key=lambda each: _STRICTEST.index(each.line.kind), default=None)


def mlflow_lines(version: str) -> list[Line] | None:
    """Return the routes of MLflow's server, None if no table of this version is kept.

    Args:
        version: of MLflow, such as ``3.17.2``.
    """
    file = resources.files(__package__).joinpath(name_of_table(version))
    return read(file.read_text(encoding="utf-8")) if file.is_file() else None


def name_of_table(version: str) -> str:
    """Return the name of the file with the routes of a version of MLflow.

    Args:
        version: such as ``3.17.2``; of all with this minor version there is one.
    """
    return f"mlflow-{'.'.join(version.split('.')[:2])}.tsv"


def our_lines() -> list[Line]:
    """Return the routes of ours."""
    file = resources.files(__package__).joinpath("ours.tsv")
    return read(file.read_text(encoding="utf-8"))


def read(text: str) -> list[Line]:
    """Return the lines of a table's text.

    Args:
        text: of the file.

    Raises:
        ValueError: a line is none.
    """
    lines = []
    for each in text.splitlines():
        if not each or each.startswith("#"):
            continue
        method, path, kind, job = [*each.split("\t"), ""][:4]
        if kind not in get_args(RouteClass) or job not in get_args(JobUse):
            raise ValueError(f"{each!r} is no line of a table of routes.")
        lines.append(Line(method, path, kind, job))  # type: ignore[arg-type]
    return lines


def _pattern(path: str) -> str:
    pieces, end = [], 0
    for found in _PARAMETER.finditer(path):
        pieces.append(re.escape(path[end : found.start()]))
        pieces.append(f"(?P<{found[1]}>{'.*' if found[2] else '[^/]+'})")
        end = found.end()
    return "".join(pieces) + re.escape(path[end:])
