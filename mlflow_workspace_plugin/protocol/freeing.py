"""What a server frees in a workspace at a time, and what it is asked for next."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

Step = Literal["rows", "code", "data"]
"""In this order: runs, logged models and experiments; snapshots; lists of files of datasets."""

LONGEST_MS = 10**13
"""An age above is as good as this one."""
_MOST_LEFT = 100_000


@dataclass(frozen=True)
class NextPart:
    """Which part is next.

    Attributes:
        step: of what.
        after: of a dry run, the location that was looked at last.
        stays: the ids of what could not be freed, and is not tried again.
    """

    step: Step = "rows"
    after: str = ""
    stays: list[str] = field(default_factory=list)


@dataclass
class Part:
    """What was freed in one part, or would be.

    Attributes:
        runs: how many of them.
        models: how many logged models.
        experiments: how many of them.
        files: how many of them.
        bytes: of the files.
        in_use: how many are kept, because registered models or skills are loaded from them.
        elsewhere: what is kept, because its files are not its own: ``id`` and ``location``.
        notes: what to tell whoever asks.
        next: which part is next; None after the last.
    """

    runs: int = 0
    models: int = 0
    experiments: int = 0
    files: int = 0
    bytes: int = 0
    in_use: int = 0
    elsewhere: list[dict[str, str | None]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    next: NextPart | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it as it is sent."""
        return asdict(self)

    @classmethod
    def from_json(cls, said: dict[str, Any]) -> "Part":
        """Return what was sent.

        Raises:
            TypeError, ValueError: it is none.
        """
        following = said.get("next")
        return cls(**{**said, "next": None if following is None else next_part_of(following)})


def next_part_of(said: Any) -> NextPart:
    """Return which part is asked for, as it was sent.

    Raises:
        TypeError, ValueError: it is none.
    """
    part = NextPart(**said)
    is_text = isinstance(part.after, str) and isinstance(part.stays, list)
    if part.step not in get_args(Step) or not is_text or len(part.stays) > _MOST_LEFT:
        raise ValueError(f"{said!r:.200} is no part of freeing a workspace.")
    if not all(isinstance(each, str) for each in part.stays):
        raise ValueError("What stays is named by texts.")
    return part


def add_all_parts(total: Part, part: Callable[[NextPart], Part]) -> None:
    """Do one part after the other, and add each to the sum of them, which stands after an error.

    Args:
        total: to which they are added; its next part is the first that is done, or by default the
            first there is.
        part: does one; what it raises is raised.
    """
    total.next = total.next or NextPart()
    while total.next is not None:
        done = part(total.next)
        for name in ("runs", "models", "experiments", "files", "bytes", "in_use"):
            setattr(total, name, getattr(total, name) + getattr(done, name))
        total.elsewhere += done.elsewhere
        total.notes += done.notes
        total.next = done.next
