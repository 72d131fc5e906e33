"""The copies of logged images that MLflow's UI shows: what they are called."""

from collections.abc import Iterable

from mlflow_workspace_plugin.runs.metrics.descriptors import IMAGE, Descriptor

FOLDER = "images"
"""Where MLflow keeps images among a run's files."""

# A file's name may have 255 bytes, and MLflow adds a step, a time and an id.
_LONGEST_KEY = 120


def image_key(name: str) -> str:
    """Return a metric's name with what MLflow's images may be called: a part of a file's name."""
    key = "".join(c if c.isascii() and (c.isalnum() or c in "_-. /") else "_" for c in name)
    return key[:_LONGEST_KEY] or "_"


def copies_of(described: Iterable[Descriptor]) -> tuple[str, ...]:
    """Return how the paths of the copies of a run's images begin."""
    return tuple(
        f"{FOLDER}/{image_key(each.name).replace('/', '~')}+step+"
        for each in described
        if each.kind == IMAGE
    )
