"""Names for the accounts of people whom others know: none can be taken for another account's."""

import re
import unicodedata
from collections.abc import Collection

_LONGEST = 90
"""What is put behind a name that is taken has room, too."""
_NOBODY = "person"
# Who reads such a name thinks of the hub's own people.
_RESERVED = ("admin", "administrator", "root", "system", "hub", "mlflow", "support", "security")
_OTHER_SIGNS = re.compile(r"[^A-Za-z0-9._@+-]+")
_EDGES = "._@+-"
# What looks alike in one font or another. Some look alike only once others are replaced.
_ALIKE = (("0", "o"), ("1", "l"), ("i", "l"), ("5", "s"), ("rn", "m"), ("vv", "w"), ("cl", "d"))
_NO_LETTERS = re.compile(r"[^a-z0-9]")


def new_name(shown: str, taken: Collection[str]) -> str:
    """Return the name of a new account.

    Args:
        shown: what somebody is called elsewhere, whoever chose it.
        taken: the names of all accounts.
    """
    plain = unicodedata.normalize("NFKD", shown)
    plain = "".join(each for each in plain if not unicodedata.combining(each))
    # Letters of other alphabets that look like these are left out.
    name = _OTHER_SIGNS.sub("-", plain).strip(_EDGES)[:_LONGEST].strip(_EDGES) or _NOBODY
    seen = {_outline(each) for each in (*taken, *_RESERVED)}
    number, found = 1, name
    while _outline(found) in seen:
        number += 1
        found = f"{name}-{number}"
    return found


def _outline(name: str) -> str:
    """Return what is the same of names that are taken for each other."""
    outline = _NO_LETTERS.sub("", name.lower())
    for sign, other in _ALIKE:
        outline = outline.replace(sign, other)
    return outline
