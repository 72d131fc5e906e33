"""Runs that nobody ends are ended at the end of the process that began them."""

import signal
import sys
from subprocess import PIPE

import pytest

from mlflow_workspace_plugin import Experiment
from mlflow_workspace_plugin.runs.reason import reason_of
from tests import python_processes

pytestmark = [pytest.mark.databases, pytest.mark.alike]

BEGIN = """
import os, signal, sys
from mlflow_workspace_plugin import Experiment, Run, Workspace
workspace = Workspace.get({name!r}, hub={hub!r})
experiment = Experiment(workspace, "experiment")
"""


def begin_of(workspace):
    """Code that opens a workspace in another process."""
    return BEGIN.format(name=workspace.name, hub=str(workspace._hub_place))


@pytest.fixture
def script(workspace, run_python):
    """Run code in which there is an experiment; return the process."""

    def run(code, **variables):
        return run_python("-c", begin_of(workspace) + code, check=False, **variables)

    return run


def ended(workspace, run_id):
    """Status and reason of a run, found by an id of its starter's."""
    found = workspace.get_run(run_id)
    return found.status, found.reason


@pytest.mark.parametrize(
    ("end", "exit_status", "status", "reason"),
    [
        ("pass", 0, "Completed", None),
        ("sys.exit()", 0, "Completed", None),
        ("sys.exit(0)", 0, "Completed", None),
        ("sys.exit(3)", 3, "Failed", "The process ended with exit code 3."),
        ("sys.exit('no data')", 1, "Failed", "The process ended with exit code 1: no data"),
        ("1 / 0", 1, "Failed", "User program failed with ZeroDivisionError: division by zero"),
        (
            "try:\n    raise ValueError('bad')\nfinally:\n    print()",
            1,
            "Failed",
            "User program failed with ValueError: bad",
        ),
        ("raise KeyboardInterrupt", -2, "Canceled", "Stopped by Ctrl-C (SIGINT)."),
        ("try:\n    sys.exit(3)\nexcept SystemExit:\n    pass", 0, "Completed", None),
        (
            "try:\n    sys.exit(3)\nexcept ValueError:\n    pass",
            3,
            "Failed",
            "The process ended with exit code 3.",
        ),
        (
            "def main():\n    try:\n        sys.exit(5)\n    finally:\n        print()\nmain()",
            5,
            "Failed",
            "The process ended with exit code 5.",
        ),
        ("exit(3)", 3, "Failed", "The process ended with exit code 3."),
        ("quit()", 0, "Completed", None),
        ("try:\n    quit(3)\nexcept SystemExit:\n    pass", 0, "Completed", None),
        (
            "sys.excepthook = lambda *_: None\n1 / 0",
            1,
            "Failed",
            "User program failed with ZeroDivisionError: division by zero",
        ),
        ("sys.excepthook(*[ValueError, ValueError('told'), None])", 0, "Completed", None),
        ("os.kill(os.getpid(), signal.SIGTERM)", -15, "Canceled", "Stopped by SIGTERM (15)."),
    ],
)
def test_run_ends_as_its_process(workspace, script, end, exit_status, status, reason):
    """By whichever way that ends; what it logged and left in ./outputs is stored."""
    done = script(
        "run = experiment.start_logging(run_id='mine')\n"
        "run.log('loss', 0.5)\n"
        "open('outputs/model', 'w').close()\n" + end
    )
    assert done.returncode == exit_status, done.stderr
    assert ended(workspace, "mine") == (status, reason), done.stderr
    run = workspace.get_run("mine")
    assert run.get_metrics() == {"loss": 0.5}
    assert run.get_file_names() == ["outputs/model"]
    assert run.get_tags() == {}
    assert reason_of(workspace.client.get_run(run.id).data.tags) == reason


@pytest.mark.hubs
def test_children_end_before_their_parents(workspace, script):
    """The deepest first; those that were ended, by whomever, stay as they are."""
    script("""
top = experiment.start_logging(run_id="top")
child = top.child_run("child", run_id="child")
grandchild = child.child_run(run_id="grandchild")
many = top.create_children(count=2)
by_another_object = top.child_run(run_id="failed")
workspace.get_run("failed").fail("by another object")
by_mlflow = top.child_run(run_id="killed")
workspace.client.set_terminated(by_mlflow.id, "KILLED")
sys.exit(2)
""")
    order = ["grandchild", "child", "top"]
    ends = [workspace.client.get_run(workspace.get_run(each).id).info for each in order]
    assert [each.status for each in ends] == ["FAILED"] * 3
    assert ends[0].end_time <= ends[1].end_time <= ends[2].end_time
    assert ended(workspace, "failed") == ("Failed", "by another object")
    assert ended(workspace, "killed") == ("Canceled", None)
    numbered = [each for each in workspace.get_run("top").get_children() if each.tags]
    assert [each.status for each in numbered] == ["Failed"] * 2


def test_deleted_run_is_left(workspace, script):
    """Nothing is said of it, and nothing kept as refused."""
    done = script(
        "experiment.start_logging(run_id='kept')\n"
        "workspace.client.delete_run(experiment.start_logging().id)"
    )
    assert done.stderr == ""
    assert ended(workspace, "kept") == ("Completed", None)


@pytest.mark.hubs
def test_runs_of_others_are_left(workspace, script):
    """Attached ones, handed-over ones, a parent's in a fork, and one that another has ended."""
    experiment = Experiment(workspace, "experiment")
    attached, handed_over = experiment.start_logging(), experiment.start_logging()
    uri = workspace.get_mlflow_tracking_uri()
    script(
        f"""
Run(experiment, {attached.id!r}).log("loss", 1)
Run.get_context().log("loss", 1)
mine = experiment.start_logging(run_id="mine")
if (pid := os.fork()) == 0:
    experiment.start_logging(run_id="of-the-fork")
    sys.exit(5)
os.waitpid(pid, 0)
assert mine.get_status() == "Running"
assert workspace.get_run("of-the-fork").get_status() == "Failed"
""",
        MLFLOW_TRACKING_URI=uri,
        MLFLOW_RUN_ID=handed_over.id,
    )
    assert attached.get_status() == handed_over.get_status() == "Running"
    assert ended(workspace, "mine") == ("Completed", None)
    assert ended(workspace, "of-the-fork")[0] == "Failed"


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_children_of_multiprocessing_end_theirs(workspace, tmp_path, run_new_python, method):
    """As their function ended."""
    code = begin_of(workspace)
    (tmp_path / "script.py").write_text(f"""{code}
import multiprocessing
def work(number):
    experiment.start_logging(run_id=f"{{number}}")
    if number:
        raise ValueError("bad")
if __name__ == "__main__":
    experiment.start_logging(run_id="parent")
    context = multiprocessing.get_context({method!r})
    children = [context.Process(target=work, args=(number,)) for number in range(2)]
    [each.start() for each in children]
    [each.join() for each in children]
""")
    run_new_python("script.py")
    assert ended(workspace, "0") == ("Completed", None)
    status, reason = ended(workspace, "1")
    assert status == "Failed"
    # From 3.13 on the exception is gone by then.
    said = "User program failed with ValueError: bad" if sys.version_info < (3, 13) else "code 1"
    assert said in reason
    assert ended(workspace, "parent") == ("Completed", None)


def test_end_without_threads(workspace, script):
    """As in Python 3.12, which starts none as it ends."""
    done = script("""
import atexit, threading
def refuse(*_):
    raise RuntimeError("can't create new thread at interpreter shutdown")
experiment.start_logging(run_id="mine").log("loss", 0.5)
open("outputs/model", "w").close()
atexit.register(setattr, threading.Thread, "start", refuse)
""")
    assert ended(workspace, "mine") == ("Completed", None), done.stderr
    assert workspace.get_run("mine").get_file_names() == ["outputs/model"]


@pytest.mark.skipif(sys.version_info[:2] == (3, 12), reason="It starts no thread as it ends.")
def test_end_waits_no_longer_than_it_may(workspace, script):
    """Files that cannot be stored in time are missed, which is said; the status is kept."""
    done = script(
        """
os.mkfifo("outputs-pipe")
run = experiment.start_logging(run_id="mine")
run.store_rest = lambda: open("outputs-pipe").read()
""",
        MLFLOW_WORKSPACE_EXIT_WAIT="2",
    )
    assert "may lack files: the time for the end of the process is up" in done.stderr
    assert ended(workspace, "mine")[0] == "Completed"


def test_handler_of_the_users_decides(workspace, script):
    """What it does ends the runs, as by ``sys.exit``, or nothing does."""
    done = script("""
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
experiment.start_logging(run_id="mine")
os.kill(os.getpid(), signal.SIGTERM)
""")
    assert done.returncode == 7
    assert ended(workspace, "mine") == ("Failed", "The process ended with exit code 7.")


@pytest.mark.hubs
def test_termination_while_values_are_logged(workspace):
    """Whatever it interrupts, the run is canceled, and the exit status is the signal's."""
    code = begin_of(workspace)
    code += """
with experiment.start_logging(run_id="mine") as run:
    print(flush=True)
    while True:
        run.log("loss", 0.5)
"""
    with python_processes.Popen(["-c", code], stdout=PIPE, text=True) as process:
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == -signal.SIGTERM
    assert ended(workspace, "mine") == ("Canceled", "Stopped by SIGTERM (15).")


def test_without_a_journal(workspace, script):
    """The same."""
    script("experiment.start_logging(run_id='mine'); 1 / 0", MLFLOW_WORKSPACE_JOURNAL="off")
    assert ended(workspace, "mine")[0] == "Failed"


@pytest.mark.hubs
def test_exception_that_leaves_mlflows_run_is_its_reason(workspace, script):
    """``with mlflow.start_run()`` stores no reason of its own."""
    script(
        """
import mlflow
mlflow.set_experiment("experiment")
with mlflow.start_run():
    raise ValueError("<b>bad\\0</b>")
""",
        MLFLOW_TRACKING_URI=workspace.get_mlflow_tracking_uri(),
    )
    (run,) = Experiment(workspace, "experiment").get_runs()
    assert (run.status, run.reason) == (
        "Failed",
        "User program failed with ValueError: <b>bad\\x00</b>",
    )
    tags = workspace.client.get_run(run.id).data.tags
    assert tags["workspace.reason"] == run.reason
    assert "bad" in repr(run)
    assert "&lt;b&gt;bad" in run._repr_html_()


@pytest.mark.hubs
def test_termination_cancels_mlflows_runs(workspace, script):
    """Those that are active and that the process began, nested ones too; no other."""
    handed_over = Experiment(workspace, "experiment").start_logging()
    terminate = "os.kill(os.getpid(), signal.SIGTERM)"
    uri = workspace.get_mlflow_tracking_uri()
    done = script(
        f"import mlflow\nmlflow.start_run()\nmlflow.start_run(nested=True)\n{terminate}",
        MLFLOW_TRACKING_URI=uri,
        MLFLOW_EXPERIMENT_NAME="mine",
    )
    assert done.returncode == -signal.SIGTERM
    runs = list(Experiment(workspace, "mine").get_runs(include_children=True))
    assert [each.status for each in runs] == ["Canceled"] * 2
    script(
        f"import mlflow\nmlflow.start_run()\n{terminate}",
        MLFLOW_TRACKING_URI=uri,
        MLFLOW_RUN_ID=handed_over.id,
    )
    assert handed_over.status == "Running"
