"""Jobs for tests: created as a submission creates them, and run by real runners."""

import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

from mlflow_workspace_plugin import Experiment
from mlflow_workspace_plugin.jobs.definition import Definition
from mlflow_workspace_plugin.jobs.environments.requirements import Requirements
from mlflow_workspace_plugin.remote.build import open_workspace_store
from tests import python_processes

RUNNER = ["-m", "mlflow_workspace_plugin.runner"]
LOG = "user_logs/std_log.txt"
QUICK = {"_MLFLOW_WORKSPACE_BEAT_S": "0.6", "MLFLOW_WORKSPACE_GRACE": "1"}
"""Signs of life that come often, and little patience."""


def until(condition, seconds=120):
    """Wait until something is so, and return it."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError(f"It did not come about in {seconds} s.")


def is_alive(pid):
    """Whether a process runs."""
    try:
        return state_of(pid) not in "ZX"
    except OSError:
        return False


def state_of(pid):
    """Return the state of a process, as the kernel names it."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


class JobOfTest:
    """A job, its runner, and what is known of both."""

    def __init__(self, workspace, folder, **definition):
        self.workspace = workspace
        self.uri = workspace.get_mlflow_tracking_uri()
        self.store = open_workspace_store(self.uri)
        self.folder = folder
        defaults = {"environment": Requirements(user_managed=True).to_json()}
        created = self.store.create_job(
            Experiment(workspace, "jobs").id,
            run_name=None,
            tags=[],
            definition=Definition(**(defaults | definition)).to_json(),
            compute="local",
            engine="local",
        )
        self.id = created.info.run_id
        self.store.job_queued(self.id, "handle")
        self.runner = None

    def start(self, **variables):
        """Start its runner."""
        environment = {**os.environ, **QUICK, **variables}
        with (self.folder / "said").open("ab") as said:
            self.runner = python_processes.Popen(
                [*RUNNER, self.uri, self.id], env=environment, stderr=said, stdout=said
            )
        return self

    def hand_to(self, engine):
        """Have its runner started by an engine, as a submission does; return the handle."""
        command = [sys.executable, *RUNNER, self.uri, self.id]
        handle = engine.submit(self.id, command, variables={}, gpus=0)
        self.store.job_queued(self.id, handle)
        return handle

    def run(self, **variables):
        """Run it to its end; return how its runner ended."""
        self.start(**variables)
        return self.wait()

    def wait(self):
        return self.runner.wait(timeout=120)

    @property
    def said(self):
        """What its runner printed."""
        return (self.folder / "said").read_text()

    @property
    def row(self):
        return self.store.job(self.id)

    @property
    def state(self):
        return self.row.stored_state

    @property
    def status(self):
        """MLflow's."""
        return self.store.get_run(self.id).info.status

    def until_state(self, *wanted):
        return until(lambda: self.state in wanted and self.state)

    @property
    def files(self):
        return self.workspace.get_run(self.id).get_file_names()

    def log(self, name=LOG):
        client = self.workspace.client
        return Path(client.download_artifacts(self.id, name)).read_text()

    def until_printed(self, text):
        """Wait until a reader of its log sees something."""
        until(lambda: LOG in self.files and text in self.log())

    def pid(self, name):
        """Return the process that a script has told of."""
        file = self.folder / name
        return int(until(lambda: file.exists() and file.read_text().strip()))

    def kill(self, number=signal.SIGKILL):
        os.kill(self.runner.pid, number)
        if number == signal.SIGSTOP:
            until(lambda: state_of(self.runner.pid) in "Tt")

    def end(self):
        """Leave nothing behind."""
        if self.runner is not None and self.runner.poll() is None:
            with suppress(ProcessLookupError):
                self.kill()
            self.wait()


def jobs_of(workspace, tmp_path):
    """Yield what creates jobs whose command is Python code; FOLDER is a folder of the test's."""
    made = []

    def new(code=None, **definition):
        if code is not None:
            prelude = f"import os, sys, time\nFOLDER = {str(tmp_path)!r}\n"
            definition["command"] = [sys.executable, "-c", prelude + code]
        made.append(JobOfTest(workspace, tmp_path, **definition))
        return made[-1]

    yield new
    for each in made:
        each.end()


TELL = """
def tell(name, what=None):
    with open(f"{FOLDER}/{name}.part", "w") as file:
        file.write(str(os.getpid() if what is None else what))
    os.rename(f"{FOLDER}/{name}.part", f"{FOLDER}/{name}")
"""
