"""What of a run goes into a file of a given size, and what is said of the rest."""

import base64
import json
import mimetypes
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from mlflow_workspace_plugin.cli.layout.words import count

if TYPE_CHECKING:
    from mlflow_workspace_plugin.figures.specification import Figure

POINTS = (2000, 1000, 500, 250, 120, 60)
"""Of a curve: as many as fit."""
_LISTS = ((500, 2_000), (100, 500), (20, 200))
"""Of facts: how long a list is at most, and how many characters a text has."""
_NAMED, _LONGEST_NAME = 5, 80
_AROUND = 40
_SENTENCES = 8_000
"""Is kept free for what is said of what is left out."""
# What any browser shows.
_SHOWN = {"image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp", "image/svg+xml"}


class Room:
    """The room that is left in a file.

    Args:
        bytes_: how much there is.
    """

    def __init__(self, bytes_: int) -> None:
        self.bytes = bytes_ - _SENTENCES
        self.left_out: list[str] = []
        """In sentences."""

    def facts(self, facts: Any) -> Any:
        """Take facts, which are JSON: their beginnings, where there is much of them."""
        for most, longest in _LISTS:
            cut = _Cut(most, longest)
            taken = cut.of(facts)
            if length(taken) <= self.bytes // 3:
                break
        self.bytes -= length(taken)
        if cut.is_cut:
            self.left_out.append(
                f"Of long lists the first {most} are shown, and of long texts the first "
                f"{longest:,} characters."
            )
        return taken

    def whole(self, data: Any) -> Any:
        """Take data, which are JSON, as they are."""
        self.bytes -= length(data)
        return data

    def figures(self, read: "Callable[[int], list[Figure]]") -> "list[Figure]":
        """Take figures: with fewer points, where there are many, and then as many as fit.

        Args:
            read: returns them with so many points of a curve at most.
        """
        points, found = POINTS[0], read(POINTS[0])
        while length(found) > self.bytes and points > POINTS[-1]:
            # What they take shrinks as they do, about.
            wanted = 1.3 * points * self.bytes / length(found)
            fewer = [each for each in POINTS if each < points]
            points = next((each for each in fewer if each <= wanted), fewer[-1])
            found = read(points)
        if points < POINTS[0]:
            self.left_out.append(f"Curves are drawn from at most {points} points each.")
        taken = []
        for place, figure in enumerate(found):
            if length(figure) > self.bytes:
                names = [each["title"] for each in found[place:]]
                self._leave_out("figure", names)
                break
            self.bytes -= length(figure) + 1
            taken.append(figure)
        self._say_which_rows(taken)
        return taken

    def pictures(
        self, figures: "Sequence[Figure]", read: Callable[[str | None, str, int], bytes]
    ) -> dict[str, str]:
        """Take the pictures of figures, as far as they fit: of each one at first.

        Args:
            figures: whose pictures they are.
            read: returns the beginning of the file of a picture, of a run and a path: so many
                bytes at most.

        Returns:
            The addresses of the pictures, ``data:``, by :func:`picture_key`.
        """
        taken: dict[str, str] = {}
        left: list[str] = []
        for run, path in _in_turn(figures):
            kind = mimetypes.guess_type(path)[0]
            key = picture_key(run, path)
            # Four characters for three bytes, and what is around them.
            most = (self.bytes - length(key) - _AROUND) // 4 * 3
            content = read(run, path, most + 1) if kind in _SHOWN and most > 0 else b""
            if not 0 < len(content) <= most:
                left.append(path)
                continue
            taken[key] = f"data:{kind};base64,{base64.b64encode(content).decode()}"
            self.bytes -= length(key) + length(taken[key]) + 2
        if left:
            self._leave_out("image", left)
        return taken

    def _say_which_rows(self, taken: "Sequence[Figure]") -> None:
        """Say of which tables a page is here only: nobody can turn it in a file."""
        cut = _Cut(1, _LONGEST_NAME)
        parts = [
            f"{cut.of(each['title'])} ({len(each['rows']):,} of {each['total']:,})"
            for each in taken
            if each["kind"] == "table" and len(each["rows"]) < each["total"]
        ]
        if parts:
            tables = count(len(parts), "table")
            self.left_out.append(f"Of {tables} the first rows are shown: {_listed(parts)}.")

    def _leave_out(self, what: str, names: Sequence[str]) -> None:
        verb = "is" if len(names) == 1 else "are"
        said = _listed(_Cut(len(names), _LONGEST_NAME).of(names))
        self.left_out.append(f"{count(len(names), what)} {verb} left out: {said}.")


def picture_key(run: str | None, path: str) -> str:
    """Return by what a picture of a run is found."""
    return json.dumps([run, path], separators=(",", ":"), ensure_ascii=False)


def length(data: Any) -> int:
    """Return how many bytes data are as JSON, about: with what HTML needs of escapes."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    escaped = sum(map(text.count, "<>&\u2028\u2029"))
    return len(text.encode("utf-8", "replace")) + 5 * escaped


class _Cut:
    """Cuts lists and texts."""

    def __init__(self, most: int, longest: int) -> None:
        self._most = most
        self._longest = longest
        self.is_cut = False

    def of(self, value: Any) -> Any:
        if isinstance(value, str) and len(value) > self._longest:
            self.is_cut = True
            return value[: self._longest] + "…"
        if isinstance(value, (list, tuple)):
            self.is_cut = self.is_cut or len(value) > self._most
            return [self.of(each) for each in value[: self._most]]
        if isinstance(value, dict):
            self.is_cut = self.is_cut or len(value) > self._most
            return {key: self.of(each) for key, each in list(value.items())[: self._most]}
        return value


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")


def _in_turn(figures: "Sequence[Figure]") -> Iterator[tuple[str | None, str]]:
    """Yield the pictures of figures: the last one of each, then the one before, and so on."""
    series = [
        [(each["run"], each["path"]) for each in figure["images"]][::-1]
        for figure in figures
        if figure["kind"] == "images"
    ]
    seen = set()
    for place in range(max(map(len, series), default=0)):
        for pictures in series:
            if place < len(pictures) and pictures[place] not in seen:
                seen.add(pictures[place])
                yield pictures[place]
