"""This machine as an engine: its jobs wait in a spool of the user's, and an agent starts them."""

import errno
import os
import platform
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from mlflow_workspace_plugin import settings
from mlflow_workspace_plugin.errors import ComputeTargetException, UserErrorException, clause
from mlflow_workspace_plugin.hub.files.filesystem import file_system_type, is_network
from mlflow_workspace_plugin.jobs.engines.engine import Capacity, Compute, EngineState
from mlflow_workspace_plugin.jobs.engines.local.cpus import cpus
from mlflow_workspace_plugin.jobs.engines.local.gpus import gpus_here
from mlflow_workspace_plugin.jobs.engines.local.job_file import DamagedJobError, SpooledJob
from mlflow_workspace_plugin.jobs.engines.local.launch import SLOT
from mlflow_workspace_plugin.jobs.engines.local.locks import is_held
from mlflow_workspace_plugin.jobs.engines.local.processes import send_signal
from mlflow_workspace_plugin.jobs.engines.local.spool import (
    Ended,
    Spool,
    SpoolError,
    is_run_id,
    run_of,
)
from mlflow_workspace_plugin.jobs.engines.local.start import ensure_agent
from mlflow_workspace_plugin.jobs.engines.local.submitter import environment_of_job, umask
from mlflow_workspace_plugin.journal.files.folder import host_id

_NOTED_S = 2.0
"""For how long it is waited for the agent to note how a job ended that has just done so."""
_STORE_S = 30.0
"""For how long a runner may take to store what there is when its command has been ended."""
_LOOK_S = 0.05
_FULL = (errno.ENOSPC, errno.EDQUOT)


class LocalEngine:
    """Starts runners on this machine.

    All jobs of a user on a machine share its slots, whatever workspace they are of. A slot is held
    by a lock of the kernel's, which is free when no process of the job is left.

    Args:
        compute: the compute target. Its ``slots`` is how many jobs of it run at once.
    """

    runs_here = True

    def __init__(self, compute: Compute) -> None:
        self._compute = compute
        # Machines, and containers, that share a home have interpreters and folders of their own.
        base = Path(settings.QUEUE_DIR.get()).expanduser().absolute()
        self._spool = Spool(base / host_id())

    def check(self, *, gpus: int) -> None:
        """Refuse a job that wants more GPUs than there are (see :class:`ChecksJobs`).

        Raises:
            ComputeTargetException: this machine has fewer.
        """
        self._devices(gpus)

    def submit(
        self,
        run_id: str,
        command: Sequence[str],
        *,
        variables: Mapping[str, str],
        gpus: int,
    ) -> str:
        """Have a command run once, as soon as there is room: see :class:`Engine`.

        It has the environment of this process, but for what says which run this one is in. Until it
        has ended, a file in the spool holds that, which is this user's only.

        Raises:
            ComputeTargetException: the spool cannot be used, or this machine has fewer GPUs.
            UserErrorException: the id of the run cannot name files.
        """
        if not is_run_id(run_id):
            raise UserErrorException(
                f"{run_id!r} cannot be the id of a job on this machine: use letters, digits, "
                "hyphens and underscores."
            )
        devices = self._devices(gpus)
        with self._faults():
            self._refuse_network()
            self._spool.make()
            self._spool.add(
                SpooledJob(
                    run_id,
                    list(command),
                    environment_of_job(variables),
                    umask(),
                    self._slots(),
                    self._compute.name,
                    self._compute_slots(),
                    gpus,
                    devices,
                )
            )
            self._have_started(run_id)
            return f"{self._spool.id}@{platform.node()}:{self._spool.folder}"

    def state(self, run_id: str, handle: str) -> EngineState:
        """Say what has become of a job, and see to it that those that wait are started."""
        try:
            elsewhere = self._elsewhere(handle)
            if elsewhere:
                return EngineState("unknown", elsewhere)
            self._spool.check()
            return self._state(run_id, is_ours=bool(handle))
        except (OSError, SpoolError) as error:
            return EngineState("unknown", str(error))

    def cancel(self, run_id: str, handle: str) -> None:
        """Have a job not started, or stopped.

        One that runs is sent SIGTERM, and killed if it has not ended half a minute after its
        command has to have (``MLFLOW_WORKSPACE_GRACE``).

        Raises:
            ComputeTargetException: it is not of this machine, or the spool cannot be used.
        """
        with self._faults():
            elsewhere = self._elsewhere(handle)
            if elsewhere:
                raise SpoolError(elsewhere)
            self._spool.check()
            with self._spool.locked():
                name = self._spool.name_of(run_id)
            if name is None:
                return
            try:
                # As it is moved once by what starts it.
                (self._spool.waiting / name).unlink()
            except FileNotFoundError:
                self._stop(run_id)
            else:
                self._spool.note_ended(run_id, Ended(None, "It was canceled before it started."))

    def capacity(self) -> Capacity:
        """Say how many jobs run here at once, how many slots are in use, and how many jobs wait.

        Raises:
            ComputeTargetException: the spool cannot be used.
        """
        slots = self._slots()
        if self._compute_slots() is not None:
            slots = min(slots, self._compute_slots() or 0)
        if not self._spool.exists:
            return Capacity(slots, 0, 0)
        with self._faults():
            self._spool.check()
            waiting = self._spool.names_waiting()
            if waiting:
                ensure_agent(self._spool)
            running = [
                name for name in self._spool.names_running() if is_held(self._spool.running / name)
            ]
            lent = {each.run_id for each in self._spool.slots_lent()}
            return Capacity(slots, max(0, len(running) - len(lent)), len(waiting))

    def _have_started(self, run_id: str) -> None:
        try:
            ensure_agent(self._spool)
        except TimeoutError:
            # Somebody else is about to start it, and else who asks for the job's state does so.
            pass
        except (OSError, SpoolError):
            name = self._spool.name_of(run_id)
            if name is not None:
                (self._spool.waiting / name).unlink(missing_ok=True)
            raise

    def _state(self, run_id: str, *, is_ours: bool) -> EngineState:
        deadline = time.monotonic() + _NOTED_S
        while time.monotonic() < deadline:
            found = self._look(run_id)
            if found is not None:
                return found
            with self._spool.locked():
                is_known = self._spool.knows(run_id)
            if not is_known and is_ours:
                return EngineState("gone", "This machine knows nothing of it, or no longer.")
            if not is_known:
                break
            time.sleep(_LOOK_S)
        return EngineState("unknown", "Nothing is known of it here.")

    def _look(self, run_id: str) -> EngineState | None:
        """Return the state of a job; None while it is between two, and if there is none."""
        waiting = self._spool.names_waiting()
        name = next((each for each in waiting if run_of(each) == run_id), None)
        running = next((each for each in self._spool.names_running() if run_of(each) == run_id), "")
        ended = self._spool.how_ended(run_id)
        if ended is not None:
            return EngineState("gone", ended.reason)
        if waiting or running:
            ensure_agent(self._spool)
        if running and is_held(self._spool.running / running):
            has_started = self._spool.started(run_id) is not None
            return EngineState("running") if has_started else None
        if name is not None and (self._spool.waiting / name).exists():
            return EngineState("waiting", position=waiting.index(name))
        return None

    def _stop(self, run_id: str) -> None:
        self._spool.note_asked_to_stop(run_id, settings.GRACE_S.number() + _STORE_S)
        deadline = time.monotonic() + _NOTED_S
        # It may be about to start.
        while (started := self._spool.started(run_id)) is None and time.monotonic() < deadline:
            time.sleep(_LOOK_S)
        if started is not None:
            send_signal(started, signal.SIGTERM)
        # It kills what does not heed that.
        ensure_agent(self._spool)

    def _slots(self) -> int:
        """How many jobs of all targets run here at once.

        The number of CPUs, as most of a training is computing; where the target says more than
        that, as many.
        """
        said = settings.SLOTS.given_number()
        if said is not None:
            return max(1, int(said))
        return max(cpus(), self._compute_slots() or 0)

    def _compute_slots(self) -> int | None:
        said = self._compute.settings.get("slots")
        return None if said is None else max(1, int(said))

    def _devices(self, gpus: int) -> list[str]:
        if not gpus:
            return []
        devices = self._of_parent() or gpus_here()
        if len(devices) < gpus:
            has = f"only {len(devices)}" if devices else "none"
            raise ComputeTargetException(
                f"The job wants {_counted(gpus)}, and {has} can be seen on this machine. Ask for "
                f"fewer, or say which there are, in CUDA_VISIBLE_DEVICES or {settings.GPUS.name}: "
                "else nvidia-smi is asked."
            )
        return devices

    def _of_parent(self) -> list[str]:
        """Return the GPUs that jobs share, in one that was given some of them."""
        slot = os.environ.get(SLOT)
        if slot:
            with suppress(OSError, DamagedJobError):
                return list(self._spool.read(Path(slot)).devices)
        return []

    def _elsewhere(self, handle: str) -> str:
        """Return where a job is that is not of this spool; empty if it may be."""
        of_spool, _, where = handle.partition("@")
        if not self._spool.exists:
            return f"It is on {where or 'a machine'}, which is not seen from here."
        if of_spool and of_spool != self._spool.id:
            return f"It is on {where}, which is not what is seen here."
        return ""

    def _refuse_network(self) -> None:
        kind = file_system_type(self._spool.folder)
        if is_network(kind):
            raise SpoolError(
                f"The folder {str(self._spool.folder)!r} of this machine's jobs is on a network "
                f"file system ({kind}), which other machines see, too. Have "
                f"{settings.QUEUE_DIR.name} name a folder on a local disk, such as below /var/tmp."
            )

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except SpoolError as error:
            raise ComputeTargetException(str(error)) from error
        except TimeoutError as error:
            raise ComputeTargetException(
                f"{clause(error)}: if it hangs, end it, and try again."
            ) from error
        except OSError as error:
            folder = str(self._spool.folder)
            if error.errno in _FULL:
                raise ComputeTargetException(
                    f"The disk of {folder!r} is full, so no job can wait there: free some space, "
                    f"or have {settings.QUEUE_DIR.name} name a folder elsewhere."
                ) from error
            raise ComputeTargetException(
                f"The folder {folder!r} of this machine's jobs cannot be used: {clause(error)}. "
                f"{settings.QUEUE_DIR.name} may name another one."
            ) from error


def _counted(gpus: int) -> str:
    return "a GPU" if gpus == 1 else f"{gpus} GPUs"
