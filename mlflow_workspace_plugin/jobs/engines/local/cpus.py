"""How many CPUs this process may use."""

import math
import os
from contextlib import suppress
from pathlib import Path

_QUOTA = Path("/sys/fs/cgroup/cpu.max")
_QUOTA_V1 = Path("/sys/fs/cgroup/cpu/cpu.cfs_quota_us")
_PERIOD_V1 = Path("/sys/fs/cgroup/cpu/cpu.cfs_period_us")


def cpus() -> int:
    """Return how many CPUs this process may use, at least 1; a container's share counts."""
    of_process = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    )
    return max(1, math.floor(min(of_process or 1, _share())))


def _share() -> float:
    with suppress(OSError, ValueError, ZeroDivisionError):
        quota, period = _QUOTA.read_text(encoding="ascii").split()
        return float(quota.replace("max", "inf")) / float(period)
    with suppress(OSError, ValueError, ZeroDivisionError):
        quota_us = float(_QUOTA_V1.read_text(encoding="ascii"))
        if quota_us > 0:
            return quota_us / float(_PERIOD_V1.read_text(encoding="ascii"))
    return math.inf
