"""Seeing a run from the shell: ``watch``, ``chart`` and ``report``."""

import math
import os
import pty
import re
import select
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from mlflow.entities import Metric
from rich.cells import cell_len

from mlflow_workspace_plugin import Experiment, Workspace
from mlflow_workspace_plugin.cli import main
from mlflow_workspace_plugin.cli.seen import followed
from mlflow_workspace_plugin.overview.figures.figures import figures_of_run
from mlflow_workspace_plugin.overview.source import source_of
from tests import python_processes
from tests.chromium import figure, kind_of, new_page, read_points
from tests.waiting import wait_until

pytestmark = pytest.mark.sqlite

MARKUP = "</script><img src=x onerror=alert(1)>"
LONG = "とても長い名前 " * 20
FORMULA = "_a $\\frac{ name"
CONFUSION = {
    "schema_type": "confusion_matrix",
    "schema_version": "1.0.0",
    "data": {"class_labels": ["cat", MARKUP], "matrix": [[38, 3], [4, 41]]},
}
RESIDUALS = {
    "schema_type": "residuals",
    "schema_version": "1.0.0",
    "data": {"bin_edges": [-40, 0, 40], "bin_counts": [3, 20]},
}


def command(*arguments, status=0):
    """Run a command in this process; return what it printed, and what on standard error."""
    done = CliRunner().invoke(main, [str(each) for each in arguments])
    assert done.exit_code == status, done.output
    assert "Traceback" not in done.output
    return done.stdout, done.stderr


@pytest.fixture(scope="module")
def workspace(copied_hub, tmp_path_factory):
    return Workspace.create("team-a", hub=copied_hub(tmp_path_factory.mktemp("seen") / "hub"))


@pytest.fixture(scope="module")
def where(workspace):
    return ("-w", "team-a", "--hub", workspace._hub.path)


@pytest.fixture(scope="module")
def runs(workspace, tmp_path_factory):
    """Two runs of every kind of metric; one with names that are markup, and with a log."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("pictures")
    made = []
    for number, name in enumerate((f"one {MARKUP}", "two")):
        run = Experiment(workspace, "e").start_logging(display_name=name)
        run.tag(MARKUP, MARKUP)
        run.tag("rate", str(number))
        for step in range(300):
            run.log("loss", math.exp(-step / 100) + number + (5 if step == 222 else 0))
        run.log("accuracy", 0.5 + number / 4)
        if name == "two":
            run.log_list("two only", [0.5, 0.5, 0.5])
        run.log("note", MARKUP)
        for value in (1.0, math.nan, math.inf, -2.0):
            run.log(FORMULA, value)
        for angle in range(20):
            run.log_row("wave", angle=angle / 2, cos=math.cos(angle / 2))
        run.log_table("errors", {LONG: ["cat", MARKUP], "count": [3, 2**60]})
        run.log_confusion_matrix("confusion", CONFUSION)
        run.log_residuals("residuals", RESIDUALS)
        Image.new("RGB", (40, 30), "red").save(folder / "red.png")
        run.log_image("picture", path=str(folder / "red.png"))
        log = folder / "user_log.txt"
        log.write_text(f"epoch 1\n\x1b[31m{MARKUP}\n")
        run.upload_file("logs/user_log.txt", str(log))
        run.complete()
        made.append(run)
    return made


class TestWatch:
    def test_once(self, runs, where):
        """Each metric with how many values it has, the last, the extremes and a curve; the log."""
        text, _ = command("watch", runs[0].id, "--once", *where)
        lines = {line.split("  ")[0]: line for line in text.splitlines()}
        assert re.search(r"^'one .*  Completed$", text.splitlines()[0])
        assert "team-a / e" in text.splitlines()[1]
        assert re.search(r" 300 +0\.0502874 +0\.0502874 +5\.10861 +\S+█\S+$", lines["loss"])
        assert re.search(r" 1 +0\.5$", lines["accuracy"])
        assert lines["confusion"].endswith("confusion matrix")
        assert "x" in lines[FORMULA].split()[-1]
        assert "epoch 1" in text
        assert "\x1b" not in text

    def test_narrow_and_without_blocks(self, runs, where, monkeypatch):
        """Nothing is wider than the terminal, and ASCII is enough for a curve."""
        monkeypatch.setenv("COLUMNS", "40")
        arguments = ["watch", runs[1].id, "--once", *map(str, where)]
        done = CliRunner(charset="ascii").invoke(main, arguments)
        assert done.exit_code == 0, done.output
        lines = done.stdout_bytes.decode().splitlines()
        assert max(map(cell_len, lines)) <= 40
        (loss,) = (line for line in lines if line.startswith("loss "))
        assert loss.isascii()
        assert "#" in loss

    def test_into_a_pipe_it_prints_what_is_new_until_the_end(self, workspace, where, tmp_path):
        """Its log as it comes, the last values, each status; the command ends as the run does."""
        run = Experiment(workspace, "e").start_logging(display_name="goes on")
        log = tmp_path / "user_log.txt"
        log.write_text("first line\n")
        run.upload_file("logs/user_log.txt", str(log))
        done = []
        watching = threading.Thread(
            target=lambda: done.append(command("watch", run.id, *where, status=1))
        )
        watching.start()
        for value in (3.0, 2.0):
            run.log("loss", value)
            time.sleep(1.2)
        run.fail("out of luck")
        watching.join(60)
        lines = done[0][0].splitlines()
        assert lines[0] == "first line"
        assert f"Run {run.id} is Running." in lines
        assert "loss: 2" in lines
        assert lines[-1].startswith(f"Run {run.id} is Failed: ")
        assert "out of luck" in lines[-1]

    @pytest.mark.parametrize("step", [1, 0])
    def test_points_are_put_into_a_long_curve(self, workspace, monkeypatch, step):
        """Of which not all are shown; it is not read again for each of them, with steps or not."""
        reads = []

        def counted(*given, **named):
            reads.append(named["names"])
            return figures_of_run(*given, **named)

        monkeypatch.setattr(followed, "figures_of_run", counted)
        run = Experiment(workspace, "e").start_logging(outputs=None)
        began = int(time.time() * 1000)
        before = [
            Metric("loss", 1 + i % 7, began - 7_200_000 + 1000 * i, i * step) for i in range(1_500)
        ]
        run._store.log_batch(run.id, before, [], [])
        run.flush()
        source = source_of(workspace.get_mlflow_tracking_uri())
        looked_at = followed.Followed(source, run.id, "e")
        looked_at.look()
        for i in range(1_500, 1_510):
            run._store.log_batch(run.id, [Metric("loss", float(i), began + i, i * step)], [], [])
            run.flush()
            looked_at.look()
        assert reads == [["loss"]]
        [row] = looked_at.seen().rows
        assert (row.values, row.last, row.least, row.greatest) == ("1,510", "1509", "1", "1509")
        run.complete()

    def test_on_a_terminal_it_is_a_screen(self, workspace, where):
        """Which follows the run, is taken away at the end, and leaves what the run came to."""
        run = Experiment(workspace, "e").start_logging(display_name="on a terminal")
        run.log("loss", 3.0)
        with on_terminal("watch", run.id, *where) as seen:
            seen.wait_for("loss")
            assert seen.has("\x1b[?1049h")
            run.log("loss", 1.75)
            seen.wait_for("1.75")
            run.complete()
            assert seen.end() == 0
            after = seen.text.rpartition("\x1b[?1049l")[2]
            assert "Completed" in after
            assert re.search(r"loss +2 +1\.75 +1\.75 +3", after)

    def test_ctrl_c_ends_the_watching_only(self, workspace, where):
        """That it goes on is said."""
        run = Experiment(workspace, "e").start_logging()
        run.log("loss", 3.0)
        with on_terminal("watch", run.id, *where) as seen:
            seen.wait_for("loss")
            seen.process.send_signal(signal.SIGINT)
            assert seen.end() == 130
            assert f"Run {run.id} goes on." in seen.text
        assert run.get_status() == "Running"
        run.complete()

    def test_hub_that_is_away_for_a_while(self, copied_hub, tmp_path):
        """It is said once, and the run is followed again when the hub is back."""
        hub = copied_hub(tmp_path / "hub")
        workspace = Workspace.create("team-b", hub=hub)
        run = Experiment(workspace, "e").start_logging()
        run.log("loss", 3.0)
        run.flush()
        with python_processes.Popen(
            [*_PROGRAM, "watch", run.id, "-w", "team-b", "--hub", str(hub)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as watching:
            assert watching.stdout.readline() == f"Run {run.id} is Running.\n"
            hub.rename(tmp_path / "away")
            assert watching.stderr.readline().startswith("It cannot be read now, and is tried")
            (tmp_path / "away").rename(hub)
            run.complete()
            out, err = watching.communicate(timeout=120)
        assert err == "It can be read again.\n"
        assert out.splitlines()[-1] == f"Run {run.id} is Completed."
        assert watching.returncode == 0


class TestChart:
    @pytest.mark.parametrize(
        "name", ["loss", "accuracy", "note", FORMULA, "wave", "errors", "confusion", "residuals"]
    )
    def test_every_kind_is_a_picture(self, runs, where, tmp_path, name):
        """A PNG that is not empty, and the same for the same values."""
        from PIL import Image

        files = [tmp_path / "1.png", tmp_path / "2.png"]
        for file in files:
            command("chart", runs[0].id, name, "-o", file, *where)
        with Image.open(files[0]) as picture:
            assert picture.format == "PNG"
            assert len(picture.convert("RGB").getcolors(1_000_000)) > 20
        assert files[0].read_bytes() == files[1].read_bytes()

    def test_several_runs_in_one_picture(self, runs, where):
        """To standard output, over the time since the start, on a logarithmic axis."""
        options = ("--x", "relative", "--log-scale", "-o", "-")
        done = CliRunner().invoke(
            main,
            ["chart", runs[0].id, "loss", "--compare", runs[1].id, *options, *map(str, where)],
        )
        assert done.exit_code == 0, done.output
        assert done.stdout_bytes.startswith(b"\x89PNG")

    def test_run_has_one_colour(self, runs, where, tmp_path):
        """The second of two has the second colour also where the first logged nothing."""
        from PIL import Image, ImageColor

        from mlflow_workspace_plugin.web.palette import COLOURS

        seen = {}
        for metric, others in (("loss", 1), ("two only", 1), ("two only", 0)):
            run_ids = [runs[0].id, "--compare", runs[1].id] if others else [runs[1].id]
            run, *compared = run_ids
            command("chart", run, metric, *compared, "-o", tmp_path / "1.png", *where)
            with Image.open(tmp_path / "1.png") as picture:
                colours = {each for _, each in picture.convert("RGB").getcolors(1_000_000)}
            drawn = [each for each in COLOURS if ImageColor.getrgb(each) in colours]
            seen[metric, others] = drawn
        assert seen == {
            ("loss", 1): list(COLOURS[:2]),
            ("two only", 1): [COLOURS[1]],
            ("two only", 0): [COLOURS[0]],
        }

    def test_file_is_named_for_the_metric(self, runs, where, tmp_path):
        """Whatever the name is, it is one in this folder."""
        command("chart", runs[0].id, FORMULA, *where)
        assert [each.name for each in tmp_path.glob("*.png")] == ["_a-frac-name.png"]

    def test_what_cannot_be_drawn_is_a_sentence(self, runs, where):
        """Which says what can."""
        text = CliRunner().invoke(main, ["chart", runs[0].id, "los", *map(str, where)]).output
        assert "Did you mean 'loss'?" in text
        text = CliRunner().invoke(main, ["chart", runs[0].id, "picture", *map(str, where)]).output
        assert "mlflow-workspace download" in text


class TestReport:
    @pytest.fixture(scope="class")
    def opened(self, runs, where, browser, tmp_path_factory):
        """A report in the browser, without a network; and what the browser asked for."""
        file = tmp_path_factory.mktemp("report") / "run.html"
        text, told = command("report", runs[0].id, "-o", file, *where)
        assert re.match(rf"{re.escape(str(file))} \(\d+\.\d kB\)", text)
        assert "Not in it: " in told
        context = browser.new_context(offline=True, viewport={"width": 1280, "height": 900})
        page = new_page(context)
        page.asked, page.faults = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        page.on("console", lambda message: page.faults.append(message.text))
        page.on("dialog", lambda dialog: page.faults.append(dialog.message))
        page.goto(file.as_uri())
        yield page
        context.close()

    @pytest.mark.parametrize(
        ("title", "kind"),
        [
            ("loss", "lines"),
            ("wave", "lines"),
            ("accuracy", "number"),
            ("note", "text"),
            ("errors", "table"),
            ("confusion", "heatmap"),
            ("residuals", "bars"),
            ("picture", "images"),
        ],
    )
    def test_every_figure_is_drawn(self, opened, title, kind):
        """As on the page of the run."""
        assert kind_of(figure(opened, title)) == kind

    def test_points_are_those_that_were_logged(self, opened):
        """All of them."""
        points = read_points(opened, figure(opened, "wave"))
        expected = [(angle / 2, math.cos(angle / 2)) for angle in range(20)]
        assert points == [pytest.approx(each, rel=1e-5, abs=1e-5) for each in expected]

    def test_image_is_in_the_file(self, opened):
        """And nothing is asked of anybody, no markup is any, no script fails."""
        picture = figure(opened, "picture").locator("img")
        width = picture.evaluate("image => image.decode().then(() => image.naturalWidth)")
        assert width == 40
        assert [each for each in opened.asked if not each.startswith(("file:", "data:"))] == []
        assert len([each for each in opened.asked if each.startswith("file:")]) == 1
        assert opened.faults == []
        assert opened.locator("img[src=x]").count() == 0
        assert f"one {MARKUP}" in opened.get_by_role("heading", level=1).inner_text()
        assert "epoch 1" in opened.locator("pre").inner_text()

    def test_same_runs_make_the_same_file(self, runs, where, tmp_path):
        """Byte for byte, also when they are compared."""
        for others in ((), ("--compare", runs[1].id)):
            files = [tmp_path / "1.html", tmp_path / "2.html"]
            for file in files:
                command("report", runs[0].id, *others, "-o", file, *where)
            assert files[0].read_bytes() == files[1].read_bytes()

    def test_compared_runs(self, runs, where, browser, tmp_path):
        """What they differ in is a table, and their curves are in one figure."""
        command("report", runs[0].id, "--compare", runs[1].id, "-o", tmp_path / "r.html", *where)
        page = new_page(browser)
        page.goto((tmp_path / "r.html").as_uri())
        rows = page.locator(".mw-report-differences tbody tr").all_inner_texts()
        assert any(row.split() == ["rate", "tag", "0", "1"] for row in rows)
        plot = figure(page, "loss").get_by_role("img").first
        assert "2 curves, 600 points" in plot.get_attribute("aria-label")
        page.close()

    def test_run_has_one_colour(self, runs, where, browser, tmp_path):
        """The second of two has the second colour also where the first logged nothing."""
        from mlflow_workspace_plugin.web.palette import COLOURS

        def colour_in(title):
            element = figure(page, title)
            element.get_by_role("img").first.focus()
            page.keyboard.press("Home")
            return element.locator(".mw-dot").last.evaluate(
                "dot => getComputedStyle(dot).backgroundColor"
            )

        command("report", runs[0].id, "--compare", runs[1].id, "-o", tmp_path / "r.html", *where)
        page = new_page(browser)
        page.goto((tmp_path / "r.html").as_uri())
        second = tuple(bytes.fromhex(COLOURS[1].removeprefix("#")))
        assert colour_in("two only") == f"rgb{second}"
        page.close()

    def test_rows_that_are_not_in_the_file_are_said(self, workspace, where, browser, tmp_path):
        """A page of a table cannot be turned in a file: how much of it is there is said."""
        run = Experiment(workspace, "e").start_logging()
        run.log_table("long", {"name": [f"row {each}" for each in range(250)]})
        run.log_table("short", {"name": ["row 0", "row 1"]})
        run.complete()
        _, told = command("report", run.id, "-o", tmp_path / "r.html", *where)
        sentence = "Of 1 table the first rows are shown: long (100 of 250)."
        assert f"Not in it: {sentence}" in told
        assert "short" not in told
        page = new_page(browser)
        page.goto((tmp_path / "r.html").as_uri())
        assert sentence in page.locator("footer").inner_text()
        page.close()

    def test_file_is_as_small_as_asked_and_says_what_is_left_out(self, workspace, where, tmp_path):
        """A run of a hundred long curves, and of an image that is larger than the file may be."""
        run = Experiment(workspace, "e").start_logging()
        for metric in range(100):
            run.log_list(f"m{metric}", [math.sin(step * metric) for step in range(400)])
        picture = Path("noise.png")
        picture.write_bytes(b"\x89PNG\r\n\x1a\n" + os.urandom(400_000))
        run.log_image("noise", path=str(picture))
        run.complete()
        text, told = command(
            "report", run.id, "-o", tmp_path / "r.html", "--max-size", "700kB", *where
        )
        size = (tmp_path / "r.html").stat().st_size
        assert 400_000 < size <= 700_000
        assert "Curves are drawn from at most" in told
        # The name of an image is its path, as in SDK v1.
        left_out = re.compile(r"1 image is left out: noise\.png\.")
        assert left_out.search(told)
        page = (tmp_path / "r.html").read_text()
        assert left_out.search(page)
        _, told = command("report", run.id, "--max-size", "1kB", *where, status=1)
        assert "Name a larger --max-size" in told
        assert len(text.splitlines()) == 1


_PROGRAM = ("-m", "mlflow_workspace_plugin.cli")


class on_terminal:  # noqa: N801  it reads as a function
    """A command on a terminal of 100 by 30; its output is in ``text``."""

    def __init__(self, *arguments):
        self._main, self._other = pty.openpty()
        environment = os.environ | {"COLUMNS": "100", "LINES": "30", "TERM": "xterm"}
        self.process = python_processes.Popen(
            [*_PROGRAM, *map(str, arguments)],
            stdin=self._other,
            stdout=self._other,
            stderr=self._other,
            env=environment,
        )
        os.close(self._other)
        self.text = ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        os.close(self._main)

    def has(self, text):
        return text in self.text

    def wait_for(self, text):
        def found():
            self._read(0.1)
            return self.has(text)

        wait_until(found, 120)

    def end(self):
        while self._read(120):
            pass
        return self.process.wait(60)

    def _read(self, seconds):
        if not select.select([self._main], [], [], seconds)[0]:
            return False
        try:
            read = os.read(self._main, 65536)
        except OSError:  # Linux's way to say that nobody writes any more
            return False
        self.text += read.decode("utf-8", "replace")
        return bool(read)
