"""Images that a run logged, small enough for a notebook."""

import base64
import io
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow_workspace_plugin.artifacts.hub_repository import HubRepository

_MOST = 6
_PIXELS = 190
_MOST_BYTES = 8_000
_LARGEST_FILE = 20 * 2**20


class Thumbnails:
    """Small copies of images, each made once."""

    def __init__(self) -> None:
        self._made: dict[str, str | None] = {}

    def of(
        self,
        figures: Iterable[Any],
        repository_of: "Callable[[str], HubRepository]",
        run_id: str,
    ) -> dict[str, str]:
        """Return addresses that hold images, by path; what is no image is left out.

        Args:
            figures: of the run.
            repository_of: returns the repository of a run's files.
            run_id: the run.
        """
        wanted = [
            each["path"]
            for figure in figures
            if figure["kind"] == "images"
            for each in {id(one): one for one in _ends(figure["images"])}.values()
        ][:_MOST]
        missing = [path for path in wanted if path not in self._made]
        if missing:
            repository = repository_of(run_id)
            for path in missing:
                self._made[path] = _thumbnail(repository, path)
        return {path: uri for path in wanted if (uri := self._made[path]) is not None}


def _ends(images: list[Any]) -> list[Any]:
    """Return what is shown of a series: the first and the newest."""
    return [images[0], images[-1]] if images else []


def _thumbnail(repository: "HubRepository", path: str) -> str | None:
    """Return an image, small; None if it is none, or not there."""
    # Anything may lie under any name, and an error of a picture is not one of the run.
    with suppress(Exception):
        from PIL import Image

        content = repository.read_from(path, 0, _LARGEST_FILE)
        image = Image.open(io.BytesIO(content))
        image.thumbnail((_PIXELS, _PIXELS))
        for quality in (80, 50, 20):
            small = io.BytesIO()
            image.convert("RGBA").save(small, "WEBP", quality=quality)
            if small.tell() <= _MOST_BYTES:
                told = base64.b64encode(small.getvalue()).decode()
                return f"data:image/webp;base64,{told}"
    return None
