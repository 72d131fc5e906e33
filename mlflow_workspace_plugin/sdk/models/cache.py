"""``./azureml-models``: where SDK v1's ``Model.get_model_path`` keeps and looks for models."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

CACHE = "azureml-models"


def fetched(name: str, version: int, download: Callable[[str], object]) -> str:
    """Return the path of a version in the cache, downloaded if it is not there.

    Processes may do so at once: a version appears whole or not at all.

    Args:
        name: of the model.
        version: its number.
        download: copies the files into the folder that it is given.
    """
    place = Path(CACHE, name, str(version))
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent) as folder:
            made = Path(folder, "files")
            download(str(made))
            try:
                made.rename(place)
            except OSError:
                if not place.exists():
                    raise
                # Another process was quicker.
    return _content(place)


def find(name: str, version: int | None) -> str | None:
    """Return the path of a model in the cache, or in the working directory under its name.

    Args:
        name: of the model.
        version: its number; the highest in the cache when None.
    """
    cached = Path(CACHE, name)
    if version is None:
        numbers = [each.name for each in cached.glob("*") if each.name.isdecimal()]
        latest = max(numbers, key=int, default=None)
    else:
        latest = str(version)
    if latest is not None and (cached / latest).exists():
        return _content(cached / latest)
    return name if os.path.exists(name) else None  # noqa: PTH110  the name as it was given


def _content(place: Path) -> str:
    entries = list(place.iterdir())
    return str(entries[0] if len(entries) == 1 else place)
