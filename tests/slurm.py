"""A Slurm of the tests' own: one node, which is this machine, under a configuration of its own."""

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.processes import of_folder
from tests.servers import free_port

NODE = "node1"
_START_S = 60
_UP = ("idle", "mix", "alloc")
_PROGRAMS = ("munged", "slurmctld", "slurmd")


@dataclass
class Slurm:
    """A controller and a node, which can be killed and started again."""

    folder: Path
    host: str = field(default_factory=socket.gethostname)
    """What its node is called: another name than this machine's is another machine to a reader."""
    cpus: int = 2
    processes: "dict[str, subprocess.Popen[bytes]]" = field(default_factory=dict)

    @property
    def configuration(self) -> Path:
        """What ``SLURM_CONF`` is to name."""
        return self.folder / "slurm.conf"

    def write(self) -> None:
        """Write its configuration."""
        user = pwd.getpwuid(os.geteuid()).pw_name
        for each in ("state", "spool"):
            (self.folder / each).mkdir(mode=0o755)
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o400)
        self.configuration.write_text(
            f"""
ClusterName=tests
SlurmctldHost={socket.gethostname()}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={self.folder}/munge.socket
CryptoType=crypto/munge
SlurmctldPort={free_port()}
SlurmdPort={free_port()}
StateSaveLocation={self.folder}/state
SlurmdSpoolDir={self.folder}/spool
SlurmctldPidFile={self.folder}/slurmctld.pid
SlurmdPidFile={self.folder}/slurmd.pid
SlurmctldLogFile={self.folder}/slurmctld.log
SlurmdLogFile={self.folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/backfill
ReturnToService=2
SlurmdTimeout=10
MessageTimeout=3
InactiveLimit=0
KillWait=30
MinJobAge=30
MailProg=/bin/true
NodeName={NODE} NodeHostname={self.host} NodeAddr=127.0.0.1 CPUs={self.cpus}
PartitionName=main Nodes={NODE} Default=YES MaxTime=INFINITE State=UP OverTimeLimit=0
"""
        )

    def start(self, *programs: str) -> None:
        """Start its programs, all by default, and wait until the node takes jobs."""
        commands = {
            "munged": [
                *("--foreground", "--force", f"--key-file={self.folder}/munge.key"),
                *(f"--socket={self.folder}/munge.socket", f"--pid-file={self.folder}/munge.pid"),
                *(f"--log-file={self.folder}/munge.log", f"--seed-file={self.folder}/munge.seed"),
            ],
            "slurmctld": ["-D", "-f", str(self.configuration)],
            "slurmd": ["-D", "-N", NODE, "-f", str(self.configuration)],
        }
        for program in programs or _PROGRAMS:
            with (self.folder / f"{program}.out").open("ab") as log:
                self.processes[program] = subprocess.Popen(
                    [program_path(program), *commands[program]],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            if program == "munged":
                self._wait(lambda: (self.folder / "munge.socket").exists())
        self._wait(lambda: self.run("sinfo", "-h", "-o", "%t", check=False).strip() in _UP)

    def kill(self, *programs: str) -> None:
        """Kill its programs, all by default, at once."""
        for program in programs or tuple(self.processes):
            process = self.processes.pop(program)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(30)

    def run(self, program: str, *arguments: str, check: bool = True) -> str:
        """Run one of its commands, and return what it says."""
        done = subprocess.run(
            [program, *arguments],
            env={**os.environ, "SLURM_CONF": str(self.configuration)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert not check or done.returncode == 0, done.stderr
        return done.stdout

    def _wait(self, condition) -> None:
        end = time.monotonic() + _START_S
        while not condition():
            logs = "\n".join(each.read_text()[-2000:] for each in self.folder.glob("*.out"))
            assert time.monotonic() < end, logs
            time.sleep(0.2)


@contextmanager
def slurm(**options: str) -> Iterator[Slurm]:
    """Run a Slurm until the block is left; options as of :class:`Slurm`."""
    folder = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))
    folder.chmod(0o755)
    started = Slurm(folder, **options)
    try:
        started.write()
        started.start()
        yield started
    finally:
        started.kill()
        for each in of_folder(folder):
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)


def program_path(program: str) -> str:
    """Find a program of Slurm's, which Debian keeps where only root looks."""
    found = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    assert found, "Install Slurm (Debian: apt-get install slurm-wlm)."
    return found
