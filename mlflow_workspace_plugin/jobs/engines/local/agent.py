"""The agent: the process that starts the jobs that wait on this machine. There is one a spool.

It imports the standard library only, and what is made of it: it waits for days, beside trainings.
Whenever it is killed, the jobs that run go on, and hold their slots; what waits is started by the
next agent, which the next command starts. It ends when it had nothing to do for a while.
"""

import errno
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import NoReturn

from mlflow_workspace_plugin.jobs.boot import boot_id
from mlflow_workspace_plugin.jobs.engines.local.job_file import DamagedJobError
from mlflow_workspace_plugin.jobs.engines.local.launch import SLOT, launch
from mlflow_workspace_plugin.jobs.engines.local.locks import is_held, try_lock
from mlflow_workspace_plugin.jobs.engines.local.processes import send_signal
from mlflow_workspace_plugin.jobs.engines.local.schedule import Held, Wants, next_to_start
from mlflow_workspace_plugin.jobs.engines.local.spool import Ended, Spool, run_of
from mlflow_workspace_plugin.jobs.marked_processes import end_marked
from mlflow_workspace_plugin.journal.files.lock import HeldLock

_LOOK_S = 1.0
_MOMENT_S = 0.05
_FAULT_S = 5.0
_CLEAN_S = 3600.0
_TAKE_S = 2.0
_ENDED_BY_OTHERS_S = 20.0
"""For how long what a runner has started, which was killed, may take to be ended without us."""
_PASSING = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EINTR, errno.EAGAIN})
"""Of errors: what says nothing of the file."""


class Agent:
    """Starts jobs, and notes how they ended.

    Args:
        spool: of the jobs.
        lock: the agent's, which is held.
    """

    def __init__(self, spool: Spool, lock: HeldLock) -> None:
        self._spool = spool
        self._lock = lock
        self._children: dict[int, str] = {}
        self._codes: dict[str, int] = {}
        self._wants: dict[str, Wants] = {}
        self._running: dict[str, Held] = {}
        self._said = ""

    def run(self, idle_s: float) -> None:
        """Do so until there was nothing to do for some seconds, or the spool is gone."""
        with ExitStack() as stack:
            wakes = self._wakes(stack)
            busy_at = time.monotonic()
            clean_at = 0.0
            while self._lock.is_there:
                pause = _LOOK_S
                try:
                    if time.monotonic() >= clean_at:
                        self._spool.remove_old()
                        clean_at = time.monotonic() + _CLEAN_S
                    pause = self._turn()
                except Exception:  # noqa: BLE001  the disk is full, say; what waits goes on waiting
                    self._say(traceback.format_exc())
                    pause = _FAULT_S
                if self._running or self._children or self._spool.names_waiting():
                    busy_at = time.monotonic()
                elif time.monotonic() - busy_at >= idle_s and self._end():
                    return
                ready = select.select(wakes, [], [], pause)[0]
                for each in ready:
                    with suppress(BlockingIOError):
                        os.read(each, 4096)

    def _say(self, fault: str) -> None:
        """Say what went wrong, once as long as it does."""
        if fault != self._said:
            self._said = fault
            with suppress(OSError):
                sys.stderr.write(fault)
                sys.stderr.flush()

    def _wakes(self, stack: ExitStack) -> list[int]:
        """Return what can be read from when a job was added, or a process has ended."""
        reading, writing = os.pipe()
        for end in (reading, writing):
            os.set_blocking(end, False)
            stack.callback(os.close, end)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        stack.callback(signal.set_wakeup_fd, -1)
        wake = self._spool.open_wake()
        if wake is None:
            return [reading]
        stack.callback(os.close, wake)
        return [reading, wake]

    def _end(self) -> bool:
        """Let go of the lock unless somebody has just added a job, who counts on this agent."""
        with suppress(TimeoutError), self._spool.locked():
            if not self._spool.names_waiting():
                self._lock.close()
                return True
        return False

    def _turn(self) -> float:
        """Do what there is to do; return for how many seconds there is nothing else."""
        self._reap()
        self._look_at_running()
        self._kill_deaf()
        while True:
            held = self._held()
            if held is None:
                return _LOOK_S
            chosen = next_to_start(self._waiting(), held)
            if chosen is None:
                return _LOOK_S
            pause = self._start(chosen.name, chosen.gpus)
            if pause:
                return pause

    def _reap(self) -> None:
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            name = self._children.pop(pid, None)
            if name is not None:
                self._codes[name] = os.waitstatus_to_exitcode(status)

    def _look_at_running(self) -> None:
        """Find the jobs that hold slots, also those that another agent started."""
        running = {}
        children = set(self._children.values())
        for name in self._spool.names_running():
            is_alive = name in children
            is_locked = is_held(self._spool.running / name)
            if not is_alive and not is_locked:
                self._end_what_is_left(name)
            if is_alive or is_locked:
                running[name] = self._running.get(name) or self._look_at(name)
            if not is_alive and (name in self._codes or not is_locked):
                if not is_locked and self._was_never_started(name):
                    self._spool.put_back(name)
                    continue
                self._note_ended(name)
            if not is_alive and not is_locked:
                self._spool.forget(name)
        self._running = running
        self._codes = {name: code for name, code in self._codes.items() if name in running}

    def _end_what_is_left(self, name: str) -> None:
        """End what a job started and those that would have ended it, who were killed, did not."""
        # One that ended by itself has left nothing.
        if self._codes.get(name, -1) < 0:
            end_marked(SLOT, str(self._spool.running / name))

    def _look_at(self, name: str) -> Held:
        run_id = run_of(name)
        process = self._spool.started(run_id) or self._spool.claimed(run_id)
        gpus = [] if process is None else process.gpus
        try:
            compute = self._spool.read(self._spool.running / name).compute
        except (OSError, DamagedJobError):
            compute = ""
        return Held(compute, gpus)

    def _was_never_started(self, name: str) -> bool:
        """Whether the process that a job was about to become has ended before that.

        Of one from before this machine's start nobody knows: what it did last may not be on disk.
        """
        run_id = run_of(name)
        claimed = self._spool.claimed(run_id)
        return (
            claimed is not None
            and claimed.boot == boot_id()
            and self._spool.started(run_id) is None
            and self._spool.how_ended(run_id) is None
            and not self._spool.was_asked_to_stop(run_id)
        )

    def _note_ended(self, name: str) -> None:
        run_id = run_of(name)
        process = self._spool.started(run_id) or self._spool.claimed(run_id)
        is_rebooted = process is not None and process.boot != boot_id()
        code = self._codes.get(name)
        words = self._spool.last_words(run_id)
        self._spool.note_ended(run_id, Ended(code, how_it_ended(code, words, is_rebooted)))

    def _kill_deaf(self) -> None:
        """Kill the jobs that were asked to stop long ago."""
        for name in self._running:
            run_id = run_of(name)
            started = self._spool.started(run_id)
            if started is not None and self._spool.is_to_be_killed(run_id):
                send_signal(started, signal.SIGKILL, to_group=True)
                # Who ends the rest then may have been stopped.
                if self._spool.is_to_be_killed(run_id, since_s=_ENDED_BY_OTHERS_S):
                    end_marked(SLOT, str(self._spool.running / name))

    def _held(self) -> list[Held] | None:
        """Return what jobs hold that do not lend it; None while one waits to have its own back."""
        lent = list(self._spool.slots_lent())
        names = {run_of(name): name for name in self._running}
        lending = {each.run_id for each in lent}
        held = [each for run_id, each in self._by_run() if run_id not in lending]
        is_one_awaited = False
        for each in lent:
            if not each.is_wanted_back:
                continue
            name = names.get(each.run_id)
            if name is None or self._has_room(name, held):
                each.path.unlink(missing_ok=True)
                if name is not None:
                    held.append(self._running[name])
            else:
                is_one_awaited = True
        return None if is_one_awaited else held

    def _by_run(self) -> Iterator[tuple[str, Held]]:
        return ((run_of(name), each) for name, each in self._running.items())

    def _has_room(self, name: str, held: list[Held]) -> bool:
        """Whether a job that lent its slot can have it back."""
        try:
            wants = Wants.of(self._spool.read(self._spool.running / name))
        except (OSError, DamagedJobError):
            return True
        own = tuple(self._running[name].gpus)
        return next_to_start([(name, wants._replace(devices=own, gpus=len(own)))], held) is not None

    def _waiting(self) -> Iterator[tuple[str, Wants]]:
        names = self._spool.names_waiting()
        self._wants = {name: self._wants[name] for name in names if name in self._wants}
        for name in names:
            if name not in self._wants:
                try:
                    job = self._spool.read(self._spool.waiting / name)
                except FileNotFoundError:
                    continue
                except DamagedJobError as error:
                    self._refuse(name, error)
                    continue
                except OSError as error:
                    if error.errno in _PASSING:
                        raise
                    self._refuse(name, error)
                    continue
                self._wants[name] = Wants.of(job)
            yield name, self._wants[name]

    def _refuse(self, name: str, error: Exception) -> None:
        reason = (
            f"It was never started: its file {str(self._spool.waiting / name)!r} is damaged "
            f"({error}). Submit it again."
        )
        self._spool.note_ended(run_of(name), Ended(None, reason))
        (self._spool.waiting / name).unlink(missing_ok=True)

    def _start(self, name: str, gpus: list[str]) -> float:
        """Start a job; return after how many seconds to go on."""
        path = self._spool.waiting / name
        try:
            lock = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return 0.0
        try:
            if not try_lock(lock):
                # The process that an agent made of it before it was killed is about to move it.
                return _MOMENT_S
            try:
                job = self._spool.read(path)
            except FileNotFoundError:
                return 0.0
            except DamagedJobError as error:
                self._refuse(name, error)
                return 0.0
            pid = launch(self._spool, name, job, lock, gpus, self._lock.close)
        finally:
            os.close(lock)
        self._children[pid] = name
        if self._spool.started(job.run_id) is None:
            # The disk is full, say, or it was canceled.
            return _FAULT_S if path.exists() else _MOMENT_S
        self._running[name] = Held(job.compute, gpus)
        return 0.0


def how_it_ended(code: int | None, last_words: str, is_rebooted: bool) -> str:  # noqa: FBT001
    """Return how a job's process ended, for people.

    Args:
        code: its exit code, or minus the signal that ended it; None if that is not known.
        last_words: the last line that it said.
        is_rebooted: whether the machine was started anew since.
    """
    said = f": {last_words}" if last_words else "."
    if code is not None and code < 0:
        with suppress(ValueError):
            return f"Its runner was ended by {signal.Signals(-code).name}{said}"
        return f"Its runner was ended by signal {-code}{said}"
    if code is not None:
        return f"Its runner ended with exit code {code}{said}"
    if is_rebooted:
        return f"This machine was restarted while it ran{said}"
    return f"Its runner has ended; how, nobody has seen{said}"


def main(folder: str, idle_s: str) -> NoReturn:
    """Be the agent of a spool, in the background, unless there is one.

    The process that is started ends as soon as there is an agent.

    Args:
        folder: of the spool.
        idle_s: after how many seconds with nothing to do it ends.
    """
    spool = Spool(Path(folder))
    deadline = time.monotonic() + _TAKE_S
    # Who asks whether there is an agent holds its lock for a moment.
    while (lock := HeldLock.take(spool.agent_lock)) is None:
        if time.monotonic() > deadline:
            sys.exit(0)
        time.sleep(_MOMENT_S)
    if os.fork():
        os._exit(0)
    os.umask(0o077)
    Agent(spool, lock).run(float(idle_s))
    sys.exit(0)
