"""A Ray cluster as an engine: it starts runners, and is asked for nothing else.

No secret is in what it is told: the dashboard, its logs and every job of the cluster show that.
What a runner needs of secrets is in the environment of its node.
"""

import math
import re
import shlex
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any

from mlflow_workspace_plugin.errors import ComputeTargetException
from mlflow_workspace_plugin.jobs.engines.engine import Capacity, Compute, EngineState
from mlflow_workspace_plugin.jobs.engines.glance import Glance
from mlflow_workspace_plugin.jobs.engines.ray.dashboard import Answer, Dashboard, DashboardError
from mlflow_workspace_plugin.jobs.engines.said import number_of, options_of

OLDEST = "2.10.0"
NEWEST = "2.60.0"
"""The versions of Ray that this is tested with; between them its API is the same."""

_JOBS = "/api/jobs/"
_DEFAULT_CPUS = "1"
_GONE = {"SUCCEEDED": "has ended", "FAILED": "has failed", "STOPPED": "was stopped"}
_NOT_STARTED_IN_TIME = "JOB_SUPERVISOR_ACTOR_START_TIMEOUT"
_NO_PROGRAM = (126, 127)
"""With which a shell ends that cannot run what it is to."""
_OF_RAY = re.compile(r"^Running entrypoint for job |\bjob_manager\.py:")
"""Lines of a job's log that are Ray's own."""
_LONGEST_LINE = 500


class RayEngine:
    """Starts runners on a Ray cluster.

    A job takes one CPU of the cluster, or as many as the option ``cpus`` says: so many threads its
    libraries start by themselves, too. It sees as many GPUs as it asks for, or, as SDK v1's
    configurations have no word for that, as the option ``gpus`` says.

    Args:
        compute: the compute target. Its address is that of the cluster's dashboard.

    Raises:
        ComputeTargetException: it is no such address, or an option is none.
    """

    def __init__(self, compute: Compute) -> None:
        self._name = compute.name
        self._dashboard = Dashboard(compute.name, compute.address)
        options = options_of(compute, ("cpus", "gpus"))
        self._cpus = number_of(compute, "cpus", options.get("cpus", _DEFAULT_CPUS))
        self._gpus = number_of(compute, "gpus", options["gpus"]) if "gpus" in options else 0
        self._waiting = Glance(self._list_waiting)

    @cached_property
    def runs_here(self) -> bool:
        """Whether each node of the cluster is this machine, by its address.

        Raises:
            ComputeTargetException: the cluster cannot be asked.
        """
        answer = self._dashboard.get("/api/v0/nodes?detail=0&limit=10000")
        nodes = _inside(answer.json(), "data", "result", "result")
        if answer.status != 200 or not isinstance(nodes, list):
            raise ComputeTargetException(
                f"{self._dashboard.address} does not say which nodes the Ray cluster of compute "
                f"target {self._name!r} has (HTTP {answer.status}). Check that this is the address "
                "of its dashboard; where its nodes see the hub is said by --hub-on-nodes of: "
                "mlflow-workspace compute add"
            )
        alive = [node for node in nodes if _inside(node, "state") != "DEAD"]
        return bool(alive) and all(_is_own_address(str(_inside(node, "node_ip"))) for node in alive)

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
        body: dict[str, Any] = {
            "submission_id": job,
            # Where `ray start` was typed, files may lie in the way of what Python imports.
            "entrypoint": f"cd / && exec {shlex.join(command)}",
            "entrypoint_num_cpus": self._cpus,
        }
        if gpus or self._gpus:
            body["entrypoint_num_gpus"] = gpus or self._gpus
        if variables:
            body["runtime_env"] = {"env_vars": dict(variables)}
        try:
            answer = self._dashboard.post(_JOBS, body)
        except DashboardError:
            # It may have taken the job all the same.
            if self._find(job).status != 200:
                raise
            return self._handle(job)
        is_taken = answer.status == 200 and _inside(answer.json(), "submission_id") == job
        if not is_taken and not _is_known(answer, job):
            raise ComputeTargetException(
                f"The Ray cluster of compute target {self._name!r}, {self._dashboard.address}, "
                f"does not take the job (HTTP {answer.status}): {_last_line(answer.text)}. Check "
                f"that this is the address of its dashboard; Ray {OLDEST} to {NEWEST} are known to "
                "take it."
            )
        return self._handle(job)

    def state(self, run_id: str, handle: str) -> EngineState:
        """Say what has become of it; never raises."""
        job = _job_of(run_id)
        if handle and handle != self._handle(job):
            return EngineState("unknown", "It was handed to another Ray cluster than is named now.")
        try:
            answer = self._find(job)
        except ComputeTargetException as error:
            return EngineState("unknown", error.message)
        if answer.status == 404 and f"{job} does not exist" in answer.text:
            why = ": its head was started again" if handle else ""
            return EngineState("gone", f"The Ray cluster does not know the job{why}.")
        said = answer.json()
        status = _inside(said, "status")
        if answer.status != 200 or not isinstance(said, dict):
            return EngineState("unknown", f"The Ray cluster answers with HTTP {answer.status}.")
        if status == "PENDING":
            reason = f"Ray: {_first_line(said.get('message'))}"
            return EngineState("waiting", reason, self._before(said.get("start_time")))
        if status == "RUNNING":
            return EngineState("running")
        if status in _GONE:
            return EngineState("gone", _why_gone(str(status), said))
        return EngineState("unknown", f"Ray says {status!r} of it.")

    def cancel(self, run_id: str, handle: str) -> None:
        """Have it stopped, or not started: see :class:`Engine`.

        Ray starts a waiting job in spite of it; the job's runner then finds it canceled.
        """
        job = _job_of(run_id)
        if handle and handle != self._handle(job):
            raise ComputeTargetException(
                f"Job {run_id} was handed to another Ray cluster than compute target "
                f"{self._name!r} names now, {self._dashboard.address}. It was not asked to stop."
            )
        answer = self._dashboard.post(f"{_JOBS}{job}/stop")
        if answer.status not in (200, 404):
            raise ComputeTargetException(
                f"The Ray cluster of compute target {self._name!r}, {self._dashboard.address}, "
                f"does not stop job {run_id} (HTTP {answer.status}): {_last_line(answer.text)}. "
                "Try again."
            )

    def capacity(self) -> Capacity:
        """Say how many jobs the CPUs of the cluster are for, how many of these are taken."""
        answer = self._dashboard.get("/api/cluster_status")
        usage = _inside(answer.json(), "data", "clusterStatus", "loadMetricsReport", "usage", "CPU")
        jobs = self._dashboard.get(_JOBS).json()
        waiting = None
        if isinstance(jobs, list):
            waiting = sum(_inside(each, "status") == "PENDING" for each in jobs)
        try:
            used, total = map(float, usage)
        except (TypeError, ValueError):
            return Capacity(None, None, waiting)
        return Capacity(int(total // self._cpus), math.ceil(used / self._cpus), waiting)

    def _before(self, submitted: Any) -> int | None:
        """Return how many jobs that wait, anybody's, were submitted before one; None is not known.

        Ray promises no order; where all ask for the same it is this one.
        """
        if not isinstance(submitted, int):
            return None
        try:
            waiting = self._waiting.get()
        except ComputeTargetException:
            return None
        return None if waiting is None else sum(each < submitted for each in waiting)

    def _list_waiting(self) -> list[int] | None:
        """Return when each job that waits was submitted."""
        jobs = self._dashboard.get(_JOBS).json()
        if not isinstance(jobs, list):
            return None
        times = (
            _inside(each, "start_time") for each in jobs if _inside(each, "status") == "PENDING"
        )
        return [each for each in times if isinstance(each, int)]

    def _find(self, job: str) -> Answer:
        return self._dashboard.get(f"{_JOBS}{job}")

    def _handle(self, job: str) -> str:
        return f"{job} at {self._dashboard.address}"


def _job_of(run_id: str) -> str:
    """Return Ray's id of a job, which is made of the run's, so that a job is one."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,200}", run_id):
        raise ComputeTargetException(
            f"{run_id!r} cannot be the id of a job on Ray: use letters, digits, hyphens and "
            "underscores."
        )
    return f"mlflow-{run_id}"


def _is_known(answer: Answer, job: str) -> bool:
    # Ray answers with 500 and a traceback.
    return f"{job} already exists" in answer.text


def _why_gone(status: str, said: Mapping[str, Any]) -> str:
    """Say how a job ended that no runner has taken, by what the runner said last."""
    message, _, log = str(said.get("message") or "").partition(", last available logs")
    last = _last_line("\n".join(line for line in log.splitlines()[1:] if not _OF_RAY.search(line)))
    if last.startswith("cannot reach "):
        return last
    if said.get("error_type") == _NOT_STARTED_IN_TIME:
        return (
            "Ray gave up, as nothing was free for the job in the time that a job may wait. Start "
            "the cluster's head with RAY_JOB_START_TIMEOUT_SECONDS=2592000 in its environment, so "
            "that jobs may wait for a month."
        )
    first = _first_line(message).partition(". Full traceback")[0]
    reason = f"The job {_GONE[status]}: {first.rstrip('.')}."
    if last:
        reason += f" Last it said: {last}"
    code = said.get("driver_exit_code")
    if isinstance(code, int) and code < 0:
        reason += f" It was ended by signal {-code}."
    if code in _NO_PROGRAM:
        reason += (
            " The node has no such Python. Name that of the nodes with --python of: "
            "mlflow-workspace compute add"
        )
    return reason


def _first_line(text: Any) -> str:
    lines = str(text or "").strip().splitlines()
    return lines[0].strip()[:_LONGEST_LINE] if lines else ""


def _last_line(text: str) -> str:
    lines = [each.strip(" .") for each in text.splitlines() if each.strip(" .")]
    return lines[-1][:_LONGEST_LINE] if lines else ""


def _inside(value: Any, *keys: str) -> Any:
    """Return what is in an answer; None where it is another one than expected."""
    for key in keys:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def _is_own_address(address: str) -> bool:
    """Whether an address is one of this machine's."""
    for family in (socket.AF_INET, socket.AF_INET6):
        # No packet is sent by that.
        with suppress(OSError, ValueError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
            return True
    return False
