"""What a notebook shows of runs, workspaces and errors, and what becomes of its runs.

Each notebook is run by a kernel of Jupyter's own.
"""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlflow_workspace_plugin import Experiment

jupyter_client = pytest.importorskip("jupyter_client")

pytestmark = pytest.mark.sqlite


class Kernel:
    """A running kernel, asked cell by cell."""

    def __init__(self, manager):
        self._manager = manager
        self._client = manager.client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=120)

    def run(self, code):
        """Run a cell; return what it prints to each stream, its result's HTML, and its error."""
        found = {"stdout": "", "stderr": "", "html": "", "error": ""}

        def take(message):
            content = message["content"]
            match message["msg_type"]:
                case "stream":
                    found[content["name"]] += content["text"]
                case "execute_result":
                    found["html"] = content["data"].get("text/html", "")
                case "error":
                    found["error"] = "\n".join(content["traceback"])

        self._client.execute_interactive(code, timeout=120, output_hook=take)
        return found

    def shut_down(self, how):
        """End it, as Jupyter does or by a signal, and wait until it has ended."""
        process = self._manager.provisioner.process
        if how is None:
            self._client.shutdown()
        else:
            process.send_signal(how)
        process.wait(120)


@pytest.fixture
def kernel(workspace, tmp_path, monkeypatch):
    """A kernel in which there is a workspace, as JupyterLab starts it for a notebook."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", workspace.get_mlflow_tracking_uri())
    monkeypatch.setenv("JPY_SESSION_NAME", "somewhere/Training.ipynb")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    manager = jupyter_client.KernelManager(kernel_name="python3")
    manager.start_kernel(cwd=str(tmp_path))
    try:
        started = Kernel(manager)
        started.run(
            "import mlflow\n"
            "from mlflow_workspace_plugin import Experiment, Run, Workspace\n"
            "ws = Workspace.from_config()\n"
            "experiment = Experiment(ws, 'experiment')"
        )
        yield started
    finally:
        manager.shutdown_kernel(now=True)
        manager.cleanup_resources()


def test_notebook(kernel, workspace):
    """Runs say where to look, know their notebook and are shown; errors are short; all end."""
    begun = kernel.run("run = experiment.start_logging(run_id='mine'); child = run.child_run()")
    run = workspace.get_run("mine")
    hub = workspace._hub.path
    command = f"mlflow-workspace open {run.id} --hub {hub}"
    assert begun["stderr"] == f"Run {run.name} started: {command}\n"
    assert begun["error"] == ""

    by_mlflow = kernel.run(
        "mlflow.set_experiment('experiment')\n"
        "with mlflow.start_run() as parent:\n"
        "    with mlflow.start_run(nested=True): pass"
    )["stderr"].splitlines()
    lines = [line for line in by_mlflow if line.startswith("Run ")]
    assert [line.split()[2] for line in lines] == ["started:", "completed:"]
    for run_id in (run.id, lines[0].split()[5]):
        source = workspace.client.get_run(run_id).data.tags
        assert source["mlflow.source.name"] == "Training.ipynb"
        assert source["mlflow.source.type"] == "NOTEBOOK"

    shown = kernel.run("run.log('<i>', 0.25); run")["html"]
    row = re.sub("<[^>]*>", " ", shown.partition("&lt;i&gt;")[2].partition("</tr>")[0])
    assert row.split() == ["0.25", "1"]
    assert "team-a" in kernel.run("ws")["html"]

    wrong = kernel.run("def train():\n    ws.get_run('nope')\ntrain()")["error"]
    assert "ws.get_run('nope')" in wrong
    assert "RunNotFoundError: Run 'nope' was not found in workspace 'team-a'" in wrong
    assert len(wrong.splitlines()) < 8, wrong
    assert "site-packages" not in wrong
    assert "find_run" not in wrong
    assert "find_run" in kernel.run("%tb")["error"]

    kernel.run("1 / 0")
    kernel.shut_down(None)
    assert run.status == "Completed"
    assert {each.status for each in run.get_children()} == {"Completed"}


def test_kernel_that_is_terminated(kernel, workspace):
    """Cancels its runs."""
    import signal

    kernel.run("run = experiment.start_logging(run_id='mine')")
    kernel.shut_down(signal.SIGTERM)
    assert workspace.get_run("mine").status == "Canceled"


class Tags(HTMLParser):
    """Collects the tags and attributes of HTML."""

    def __init__(self):
        super().__init__()
        self.found = set()

    def handle_starttag(self, tag, attrs):
        self.found |= {tag, *(name for name, _ in attrs)}


TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40) | st.sampled_from(
    ["<script>alert(1)</script>", "\"><img src=x onerror='alert(1)'>", "a&b", "</table>"]
)


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(name=TEXT, metric=TEXT, column=TEXT, reason=TEXT)
def test_nothing_that_was_logged_is_html(workspace, name, metric, column, reason):
    """Whatever the names and texts of a run are, the tags of its HTML are ours."""
    name = re.sub(r"[\0]", "", name)
    run = Experiment(workspace, "experiment").start_logging(display_name=name or "x")
    run.child_run(name).log_row(metric, **{column: 1})
    run.log(metric, 0.5)
    run.fail(reason)
    for each in (run, next(run.get_children()), run.experiment, workspace):
        tags = Tags()
        tags.feed(each._repr_html_())
        assert tags.found <= {
            *("table", "tr", "th", "td", "div", "b", "span", "a", "img", "pre"),
            *("href", "target", "rel", "style", "src", "alt", "width"),
        }
