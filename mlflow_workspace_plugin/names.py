"""Names of workspaces: the rules, and how an Azure ML name becomes one of MLflow's.

MLflow's rules (2-63 characters of ``a-z``, ``0-9`` and ``-``) are stricter than Azure ML's, so
``Contoso_ML`` is kept as ``contoso-ml`` and shown as it was given.
"""

import difflib
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow_workspace_plugin.errors import InvalidWorkspaceNameError

MIN_LENGTH = 2
MAX_LENGTH = 63
# MLflow's own list: paths of its server that a workspace would shadow.
RESERVED = frozenset({"workspaces", "api", "ajax-api", "static-files"})


def check(name: object) -> None:
    """Check a name against MLflow's rules.

    Doubled hyphens are refused although MLflow 3.16 and later take them: MLflow 3.15 does not, and
    one hub serves clients of both.

    Raises:
        InvalidWorkspaceNameError: with the rule that it breaks.
    """
    said = flaw_of(_text(name))
    if said is not None:
        raise _invalid(said)


def flaw_of(name: str) -> str | None:
    """Return which of MLflow's rules a name breaks, and the remedy; None if it breaks none."""
    if len(name) < MIN_LENGTH:
        reason = f"is shorter than {MIN_LENGTH} characters"
    elif len(name) > MAX_LENGTH:
        name, reason = name[:20] + "...", f"has {len(name)} characters, more than {MAX_LENGTH}"
    elif wrong := sorted(set(re.findall(r"[^a-z0-9-]", name))):
        reason = f"contains {', '.join(map(repr, wrong))}; only a-z, 0-9 and '-' are allowed"
    elif name.startswith("-") or name.endswith("-"):
        reason = "begins or ends with a hyphen"
    elif "--" in name:
        reason = "contains two hyphens in a row"
    elif name in RESERVED:
        reason = "is reserved by MLflow's server"
    else:
        return None
    return f"Workspace name {name!r} {reason}. Choose another name."


def fold(display_name: object) -> str:
    """Return the name under which MLflow keeps a workspace: ``Contoso_ML`` gives ``contoso-ml``.

    Args:
        display_name: a name by MLflow's rules or by Azure ML's (letters, digits, ``-`` and ``_``).

    Raises:
        InvalidWorkspaceNameError: the folded name breaks a rule of :func:`check`.
    """
    display_name = _text(display_name)
    folded = folded_form(display_name)
    said = flaw_of(folded)
    if said is None:
        return folded
    if folded != display_name:
        said = f"Workspace name {display_name[:80]!r} becomes {folded[:80]!r} in MLflow. {said}"
    raise _invalid(said)


def folded_form(display_name: str) -> str:
    """Return what :func:`fold` makes of a name, which may still break a rule."""
    # Only what Azure ML allows and MLflow does not is folded: capitals and underscores.
    return re.sub(r"-*_[-_]*", "-", display_name.lower().rstrip("_"))


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` when a known name is close, a list of a few otherwise."""
    choices = sorted(known)
    if close := difflib.get_close_matches(name, choices, n=1):
        return f" Did you mean {close[0]!r}?"
    if choices:
        shown = ", ".join(map(repr, choices[:5])) + (", ..." if len(choices) > 5 else "")
        return f" It holds: {shown}."
    return ""


def _text(name: object) -> str:
    if isinstance(name, str):
        return name
    raise _invalid(f"Workspace name {name!r} is of type {type(name).__name__}. Give a string.")


def _invalid(message: str) -> "InvalidWorkspaceNameError":
    # Only now: errors are MLflow's, which takes a second to import.
    from mlflow_workspace_plugin.errors import InvalidWorkspaceNameError

    return InvalidWorkspaceNameError(message)
