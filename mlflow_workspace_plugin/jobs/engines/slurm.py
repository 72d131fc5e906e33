"""Slurm as an engine: it starts runners by ``sbatch``, and looks at them by ``squeue``.

The commands are those of the machine that this runs on, as on a cluster's login node. What they are
given holds no secret: Slurm keeps a job's script and environment, and shows them.
"""

import os
import re
import shlex
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from mlflow_workspace_plugin import settings
from mlflow_workspace_plugin.errors import ComputeTargetException
from mlflow_workspace_plugin.jobs.engines.engine import Capacity, Compute, EngineState
from mlflow_workspace_plugin.jobs.engines.glance import Glance
from mlflow_workspace_plugin.jobs.engines.said import number_of, options_of
from mlflow_workspace_plugin.private_folder import make_private

_WITHIN_S = 6
_SUBMITTED_WITHIN_S = 12
_WARNED_BEFORE_S = 30
"""For how long before its time limit a job knows of it."""
_OUTPUT_KEPT_S = 30 * 24 * 3600
_LONGEST_LINE = 500
_OPTIONS = frozenset(
    {
        *("account", "constraint", "cpus-per-task", "exclude", "gres", "licenses"),
        *("mem", "mem-per-cpu", "nice", "nodelist", "partition", "qos", "reservation", "time"),
    }
)
"""Of ``sbatch``: those that say where and for how long a job runs, and not what."""
_KEPT = re.compile(
    r"PATH|HOME|USER|LOGNAME|SHELL|LANG|LC_\w+|TZ|KRB5CCNAME|SLURM_CONF|"
    r"SBATCH_(ACCOUNT|CONSTRAINT|PARTITION|QOS|RESERVATION|TIMELIMIT)"
)
"""Of the environment: what Slurm's commands need. A job has this, and its user's profile."""

_HANDLE = re.compile(r"(?P<cluster>\S+) (?P<user>\d+) (?P<number>\d+)")

_WAITING = frozenset(
    {
        *("PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD"),
        "SPECIAL_EXIT",
    }
)
_NOT_IN_LINE = re.compile("BeginTime|Dependency|JobHeld|JobArrayTaskLimit|Licenses|Reservation")
"""Why a job waits for something else than those before it."""
_RUNNING = frozenset(
    {
        *("RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING"),
    }
)
_GONE = {
    "BOOT_FAIL": "its node did not start",
    "CANCELLED": "somebody canceled it on Slurm",
    "COMPLETED": "it has ended",
    "DEADLINE": "it could not end before its deadline",
    "FAILED": "it has failed",
    "LAUNCH_FAILED": "its node could not start it",
    "NODE_FAIL": "its node went down",
    "OUT_OF_MEMORY": "it took more memory than it was given",
    "PREEMPTED": "another job took its place",
    "RECONFIG_FAIL": "its node could not be made ready",
    "REVOKED": "another cluster took it",
    "TIMEOUT": "its time was over",
}


class _Seen(NamedTuple):
    """A job as ``squeue`` shows it."""

    number: str
    state: str
    reason: str


class _Pending(NamedTuple):
    """A job of anybody's that waits, as ``squeue`` shows it."""

    number: int
    priority: int
    partitions: frozenset[str]


class SlurmEngine:
    """Starts runners on Slurm.

    Args:
        compute: the compute target. It has no address; its options are some of ``sbatch``.

    Raises:
        ComputeTargetException: there is an address, or an option that it does not take.
    """

    def __init__(self, compute: Compute) -> None:
        if compute.address:
            raise ComputeTargetException(
                f"Compute target {compute.name!r} is Slurm, which has no address: its commands on "
                "this machine know where it is. Leave the address out; a partition is named by "
                "--option partition=NAME."
            )
        self._name = compute.name
        self._options = options_of(compute, _OPTIONS)
        cpus = self._options.setdefault("cpus-per-task", "1")
        self._cpus = number_of(compute, "cpus-per-task", cpus)
        self._pending = Glance(self._list_pending)

    @cached_property
    def runs_here(self) -> bool:
        """Whether each node of the cluster is this machine, by its host name.

        Raises:
            ComputeTargetException: Slurm does not answer.
        """
        nodes = self._ask("scontrol", "--oneliner", "show", "node")
        hosts = set(re.findall(r"\bNodeHostName=(\S+)", nodes))
        return hosts == {socket.gethostname()}

    def submit(
        self,
        run_id: str,
        command: Sequence[str],
        *,
        variables: Mapping[str, str],
        gpus: int,
    ) -> str:
        """Have a command run once, as soon as there is room: see :class:`Engine`."""
        job = _job_of(run_id)
        cluster = self._cluster
        seen = self._find(job, _user())
        if seen is None:
            seen = self._submitted(job, command, variables, gpus)
        # Numbers are those of a cluster, and others' jobs may be hidden.
        return f"{cluster} {_user()} {seen.number}"

    def state(self, run_id: str, handle: str) -> EngineState:
        """Say what has become of it; never raises."""
        try:
            return self._state(_job_of(run_id), handle)
        except ComputeTargetException as error:
            return EngineState("unknown", error.message)

    def cancel(self, run_id: str, handle: str) -> None:
        """Have it not started, or stopped: see :class:`Engine`."""
        job = _job_of(run_id)
        if handle and not handle.startswith(f"{self._cluster} "):
            raise ComputeTargetException(
                f"Job {run_id} is on another Slurm than this machine's. Cancel it there: "
                f"scancel --name={job}"
            )
        self._ask("scancel", f"--name={job}", f"--user={_user()}")

    def capacity(self) -> Capacity:
        """Say how many jobs the CPUs are for, how many of these are taken."""
        where = self._partition()
        # Of CPUs: taken, free, out of use, in all.
        said = self._ask("sinfo", "--noheader", "--format=%C", *where)
        counts = [list(map(int, line.split("/"))) for line in said.split() if _is_counts(line)]
        pending = self._ask("squeue", "--noheader", "--states=PENDING", "--format=%i", *where)
        taken = sum(each[0] for each in counts)
        usable = sum(each[0] + each[1] for each in counts)
        waiting = len([line for line in pending.splitlines() if line and line[0].isdigit()])
        return Capacity(usable // self._cpus, -(-taken // self._cpus), waiting)

    def _submitted(
        self, job: str, command: Sequence[str], variables: Mapping[str, str], gpus: int
    ) -> _Seen:
        try:
            return _Seen(self._sbatch(job, command, variables, gpus), "PENDING", "None")
        except ComputeTargetException:
            # Slurm may have taken it all the same.
            seen = None
            with suppress(ComputeTargetException):
                seen = self._find(job, _user())
            if seen is None:
                raise
            return seen

    def _sbatch(
        self, job: str, command: Sequence[str], variables: Mapping[str, str], gpus: int
    ) -> str:
        output = _output_of(job)
        _make_room(output.parent)
        # As single arguments, so that no value is taken for another option.
        options = {**({"gres": f"gpu:{gpus}"} if gpus else {}), **self._options}
        said = self._ask(
            "sbatch",
            "--parsable",
            "--no-requeue",
            f"--signal=B:TERM@{_WARNED_BEFORE_S}",
            "--export=ALL",
            f"--job-name={job}",
            "--output=/dev/null",
            # Where no file lies in the way of what Python imports.
            "--chdir=/",
            "--nodes=1",
            "--ntasks=1",
            *(f"--{name}={value}" for name, value in options.items()),
            given=_script(command, variables, output),
            within_s=_SUBMITTED_WITHIN_S,
        )
        number = said.strip().splitlines()[-1].partition(";")[0] if said.strip() else ""
        if not number.isdigit():
            raise self._error(f"sbatch answers {said.strip()[:_LONGEST_LINE]!r}")
        return number

    def _state(self, job: str, handle: str) -> EngineState:
        where = _HANDLE.fullmatch(handle or f"{self._cluster} {_user()} 0")
        if where is None or where["cluster"] != self._cluster:
            return EngineState("unknown", "It is on another Slurm than this machine's.")
        user = where["user"]
        seen = self._find(job, user)
        if seen is None:
            if user != _user():
                return EngineState("unknown", "Slurm may hide it: it is another user's.")
            last = _last_line(_output_of(job))
            known = f" Its last word: {last}" if last else ""
            return EngineState("gone", f"Slurm does not know it any more.{known}")
        if seen.state in _WAITING:
            position = self._before(seen)
            # That others go first is said by the number of them.
            is_news = seen.reason != "None" and (seen.reason != "Priority" or position is None)
            reason = f"Slurm says: {seen.reason}." if is_news else ""
            return EngineState("waiting", reason, position)
        if seen.state in _RUNNING:
            return EngineState("running")
        if seen.state in _GONE:
            return EngineState("gone", self._why_gone(job, seen))
        return EngineState("unknown", f"Slurm says {seen.state!r} of it.")

    def _why_gone(self, job: str, seen: _Seen) -> str:
        last = _last_line(_output_of(job))
        if last.startswith("cannot reach "):
            return last
        shown = self._ask("scontrol", "--oneliner", "show", "job", seen.number, check=False)
        found = re.search(r"\bExitCode=(\d+):(\d+)", shown)
        code = f" (exit code {found[1]}, signal {found[2]})" if found else ""
        reason = "" if seen.reason in ("None", "NonZeroExitCode") else f", {seen.reason}"
        return f"Slurm says that {_GONE[seen.state]}{reason}{code}." + (
            f" Its last word: {last}" if last else ""
        )

    def _before(self, seen: _Seen) -> int | None:
        """Return how many jobs Slurm means to start before one; None is not known.

        A small one behind a large one may still go first, where it fits in.
        """
        try:
            pending = self._pending.get()
        except ComputeTargetException:
            return None
        own = next((each for each in pending if str(each.number) == seen.number), None)
        if own is None:
            return None
        return sum(
            (-each.priority, each.number) < (-own.priority, own.number)
            and not each.partitions.isdisjoint(own.partitions)
            for each in pending
        )

    def _list_pending(self) -> list[_Pending]:
        """Return the jobs that wait for nothing but room."""
        said = self._ask("squeue", "--noheader", "--states=PENDING", "--format=%A|%Q|%P|%r")
        found = [line.split("|") for line in said.splitlines() if line.count("|") == 3]
        return [
            _Pending(int(number), int(priority), frozenset(partitions.split(",")))
            for number, priority, partitions, reason in found
            if number.isdigit() and priority.isdigit() and not _NOT_IN_LINE.match(reason)
        ]

    def _find(self, job: str, user: str) -> _Seen | None:
        """Return a user's job by its name, which is the run's alone: numbers begin again."""
        said = self._ask(
            "squeue",
            "--noheader",
            "--states=all",
            f"--name={job}",
            f"--user={user}",
            "--format=%i|%T|%r",
        )
        found = [line.split("|") for line in said.splitlines() if line.count("|") >= 2]
        # There are several only if it was submitted by hand, or twice at once: one of them runs it.
        jobs = [_Seen(*each[:3]) for each in found]
        return max(reversed(jobs), key=lambda each: each.state not in _GONE, default=None)

    @cached_property
    def _cluster(self) -> str:
        said = self._ask("scontrol", "show", "config")
        found = re.search(r"^ClusterName\s*=\s*(\S+)", said, re.MULTILINE)
        if found is None:
            raise self._error("it does not say the name of its cluster")
        return found[1]

    def _partition(self) -> list[str]:
        name = self._options.get("partition")
        return [] if name is None else [f"--partition={name}"]

    def _ask(
        self,
        program: str,
        *arguments: str,
        given: str = "",
        within_s: float = _WITHIN_S,
        check: bool = True,
    ) -> str:
        """Run one of Slurm's commands, and return what it says.

        Raises:
            ComputeTargetException: it is not there, refuses, or does not end.
        """
        path = shutil.which(program)
        if path is None:
            raise ComputeTargetException(
                f"Compute target {self._name!r} is Slurm, and this machine has no {program}. Run "
                "this on a machine that has Slurm's commands, such as the cluster's login node."
            )
        try:
            done = subprocess.run(
                [path, *arguments],
                input=given,
                capture_output=True,
                text=True,
                errors="replace",
                env={name: value for name, value in os.environ.items() if _KEPT.fullmatch(name)},
                timeout=within_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise self._error(f"{program} does not end within {within_s:.0f} s") from None
        except (OSError, ValueError) as error:
            raise self._error(f"{program} cannot be run: {error}") from error
        if check and done.returncode != 0:
            said = " ".join(done.stderr.split())[:_LONGEST_LINE].removeprefix(f"{program}: error: ")
            raise self._error(said or f"{program} ends with {done.returncode}")
        return done.stdout

    def _error(self, what: str) -> ComputeTargetException:
        return ComputeTargetException(
            f"Compute target {self._name!r}, Slurm, does not do it: {what.rstrip('.')}. Look at "
            "the cluster with sinfo, and at what the target says with: mlflow-workspace compute "
            "list"
        )


def _job_of(run_id: str) -> str:
    """Return Slurm's name of a job, which is made of the run's id, so that a job is one."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,200}", run_id):
        raise ComputeTargetException(
            f"{run_id!r} cannot be the id of a job on Slurm: use letters, digits, hyphens and "
            "underscores."
        )
    return f"mlflow-{run_id}"


def _script(command: Sequence[str], variables: Mapping[str, str], output: Path) -> str:
    """Return the batch script of a job.

    Slurm's warning goes to the shell that runs it only, which the runner therefore replaces. And
    what stands in the environment of a node for its users is that of their profile.
    """
    file = shlex.quote(str(output))
    exports = [f"export {shlex.quote(f'{name}={value}')}" for name, value in variables.items()]
    return "\n".join(
        [
            "#!/bin/bash -l",
            # Before all else: sbatch looks for options of its own up to the first command.
            "cd /",
            *exports,
            # A home that the nodes do not share may lack the folder.
            f"mkdir -p -m 700 {shlex.quote(str(output.parent))} 2>/dev/null",
            f"if (: >>{file}) 2>/dev/null; then exec >>{file} 2>&1; fi",
            f"exec {shlex.join(command)}",
            "",
        ]
    )


def _output_of(job: str) -> Path:
    folder = Path(settings.SLURM_OUTPUT_DIR.get()).expanduser().absolute()
    return folder / f"{job}.txt"


def _make_room(folder: Path) -> None:
    """Make the folder of what jobs print, and remove what is old."""
    # Where that is not possible here, it may be on the nodes; nothing else depends on it.
    with suppress(OSError):
        make_private(folder)
        old = time.time() - _OUTPUT_KEPT_S
        for each in folder.glob("mlflow-*.txt"):
            if each.stat().st_mtime < old:
                each.unlink()


def _last_line(file: Path) -> str:
    """Return the last line that a job has printed; empty where there is none, or it is not seen."""
    try:
        with file.open("rb") as opened:
            opened.seek(max(0, file.stat().st_size - 4096))
            text = opened.read().decode("utf-8", "replace")
    except OSError:
        return ""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:_LONGEST_LINE] if lines else ""


def _user() -> str:
    return str(os.geteuid())


def _is_counts(text: str) -> bool:
    return re.fullmatch(r"\d+(/\d+){3}", text) is not None
