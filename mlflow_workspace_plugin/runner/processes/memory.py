"""Whether processes were killed because memory ran out: what the kernel counts says so."""

from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

_OF_SYSTEM = Path("/proc/vmstat")
_OF_PROCESS = Path("/proc/self/cgroup")
_GROUPS = Path("/sys/fs/cgroup")
_COUNTER = "oom_kill"


class MemoryKills(NamedTuple):
    """How many processes the kernel has killed for their memory; None where it does not say.

    Attributes:
        of_group: of the control group that this process is in, and of those below.
        of_system: of all.
    """

    of_group: int | None
    of_system: int | None

    @classmethod
    def now(cls) -> "MemoryKills":
        """Return how many there have been."""
        of_group = None
        for file in _files_of_group():
            of_group = _count(file)
            if of_group is not None:
                break
        return cls(of_group, _count(_OF_SYSTEM))

    @property
    def are_counted(self) -> bool:
        """Whether the kernel says anything."""
        return self.of_group is not None or self.of_system is not None

    def since(self, before: "MemoryKills", *, is_killed: bool) -> str:
        """Return a sentence if processes were killed since then; empty if none was.

        Args:
            before: the numbers of then.
            is_killed: whether the process that is asked about was ended as the kernel does that.
        """
        if _grew(before.of_group, self.of_group):
            if is_killed:
                return "Memory ran out: the kernel killed a process of it."
            # One of its children, or of another job in the same container.
            return (
                "Memory may have run out: meanwhile the kernel killed a process of its control "
                "group for that."
            )
        if _grew(before.of_system, self.of_system):
            return (
                "Memory probably ran out: meanwhile the kernel killed a process of this machine "
                "for that."
            )
        return ""


def _grew(before: int | None, after: int | None) -> bool:
    return before is not None and after is not None and after > before


def _files_of_group() -> list[Path]:
    """Return where the counter of this process's group may be, by the versions of Linux."""
    files = []
    with suppress(OSError):
        for line in _OF_PROCESS.read_text().splitlines():
            _, kinds, path = line.split(":", 2)
            below = path.lstrip("/")
            if kinds == "":
                files += [_GROUPS / below / "memory.events", _GROUPS / "memory.events"]
            elif "memory" in kinds.split(","):
                of_memory = _GROUPS / "memory"
                # In a container the path may be that of outside.
                files += [of_memory / below / "memory.oom_control"]
                files += [of_memory / "memory.oom_control"]
    return files


def _count(file: Path) -> int | None:
    with suppress(OSError, ValueError):
        for line in file.read_text().splitlines():
            name, _, number = line.partition(" ")
            if name == _COUNTER:
                return int(number)
    return None
