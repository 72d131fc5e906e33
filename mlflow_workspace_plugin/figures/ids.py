"""What a figure is known by: a JSON list of texts, in ASCII, whatever the names in it are."""

import json


def figure_id(*parts: str) -> str:
    """Return the id that parts make."""
    return json.dumps(parts, separators=(",", ":"))


def parts_of(figure: str) -> tuple[str, ...]:
    """Return the parts of an id; none, if it is no id of a figure."""
    try:
        parts = json.loads(figure)
    except (ValueError, RecursionError):
        return ()
    if not isinstance(parts, list) or not all(isinstance(each, str) for each in parts):
        return ()
    return tuple(parts)
