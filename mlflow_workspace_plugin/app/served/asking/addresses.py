"""Addresses that lead elsewhere, or may be read as ones that do."""

from urllib.parse import unquote

_DECODED = 4


def is_odd(path: str) -> bool:
    """Whether a path leads elsewhere, or may be read as one that does.

    Args:
        path: of an address, or named in one.
    """
    for _ in range(_DECODED):
        if "\\" in path or any(ord(each) < ord(" ") for each in path):
            return True
        if "//" in path or any(each in (".", "..") for each in path.split("/")):
            return True
        decoded = unquote(path)
        if decoded == path:
            return False
        path = decoded
    return True
