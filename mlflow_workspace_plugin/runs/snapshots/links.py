"""Symbolic links that a snapshot keeps as links: those that stay inside, wherever it is restored.

A link that is kept names its target relative to itself, first upwards and then downwards. So
whichever other kept links lie on the way, it leads to something below the same top: ``..`` is only
ever taken from folders that are none.
"""

import os
from pathlib import PurePosixPath


def target_within(path: str, text: str) -> str | None:
    """Return where a link leads, relative to the top of the snapshot; ``""`` is the top itself.

    Args:
        path: of the link, relative to the top.
        text: what the link says.

    Returns:
        None if it may lead out of the snapshot, or is not of the form that is kept.
    """
    if not text or "\0" in text or text.startswith("/"):
        return None
    place = path.split("/")[:-1]
    is_going_down = False
    for part in PurePosixPath(text).parts:
        if part != "..":
            is_going_down = True
            place.append(part)
        elif is_going_down or not place:
            return None
        else:
            place.pop()
    return "/".join(place)


def is_within(real: str, top: str) -> bool:
    """Whether a real path is a real folder's, or below it."""
    return real == top or real.startswith(top.rstrip(os.sep) + os.sep)
