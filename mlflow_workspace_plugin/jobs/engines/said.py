"""What was said of a compute target, as an engine takes it."""

from collections.abc import Collection

from mlflow_workspace_plugin.errors import ComputeTargetException
from mlflow_workspace_plugin.jobs.engines.engine import Compute


def options_of(compute: Compute, known: Collection[str]) -> dict[str, str]:
    """Return the options of a compute target.

    Args:
        compute: the compute target.
        known: the names of those that its engine takes.

    Raises:
        ComputeTargetException: there is another one.
    """
    options = {str(name): str(value) for name, value in compute.settings.get("options", {}).items()}
    for name in options:
        if name not in known:
            raise ComputeTargetException(
                f"Compute target {compute.name!r} has an option {name!r}, which type "
                f"{compute.type!r} does not take. Say one of {', '.join(sorted(known))}, or none."
            )
    return options


def number_of(compute: Compute, name: str, text: str) -> int:
    """Return an option that is a number of things.

    Args:
        compute: the compute target.
        name: of the option.
        text: its value.

    Raises:
        ComputeTargetException: it is no whole number of 1 or more.
    """
    if not text.isascii() or not text.isdigit() or len(text) > 6 or int(text) < 1:
        raise ComputeTargetException(
            f"Option {name!r} of compute target {compute.name!r} is {text!r}, which is no number "
            "from 1 on. Say how many."
        )
    return int(text)
