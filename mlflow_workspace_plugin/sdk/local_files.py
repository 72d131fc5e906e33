"""The files of a local folder, as all parts of the SDK that store whole folders find them."""

from collections.abc import Callable, Iterator
from pathlib import Path


def files_below(
    folder: Path,
    *,
    on_error: Callable[[OSError], None],
    leave_out: Callable[[str], bool] = lambda path: False,
) -> Iterator[str]:
    """Yield the paths, relative to a folder, of the regular files in it, with ``/`` and in order.

    Links are followed, except one to a folder that it lies in. Pipes and sockets are no files.

    Args:
        folder: where to look.
        on_error: told of each folder that cannot be listed; it is left out.
        leave_out: whether a path is not wanted; a folder's ends with ``/``, and nothing below it
            is looked at.
    """
    return _walk(folder, "", (folder.resolve(),), on_error, leave_out)


def _walk(
    folder: Path,
    prefix: str,
    above: tuple[Path, ...],
    on_error: Callable[[OSError], None],
    leave_out: Callable[[str], bool],
) -> Iterator[str]:
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        on_error(error)
        return
    for entry in entries:
        path = prefix + entry.name
        if entry.is_dir():
            real = entry.resolve()
            if real not in above and not leave_out(f"{path}/"):
                yield from _walk(entry, f"{path}/", (*above, real), on_error, leave_out)
        elif entry.is_file() and not leave_out(path):
            yield path
