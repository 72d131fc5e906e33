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
        on_error: told of what cannot be looked at, which is left out.
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
        try:
            is_folder, is_file = entry.is_dir(), entry.is_file()
        except OSError as error:
            on_error(error)
            continue
        if is_folder and entry.resolve() not in above and not leave_out(f"{path}/"):
            yield from _walk(entry, f"{path}/", (*above, entry.resolve()), on_error, leave_out)
        elif is_file and not leave_out(path):
            yield path
