"""SDK v1's images and charts: files of the run, metrics, and images in MLflow's UI."""

import io
import json

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from mlflow_workspace_plugin import Experiment
from mlflow_workspace_plugin.artifacts.paths import INTERNAL_FOLDER
from mlflow_workspace_plugin.errors import AzureMLException, UserErrorException
from mlflow_workspace_plugin.runs.metrics.artifacts import ImageArtifact, JsonArtifact

mpl.use("Agg")

MATRIX = {
    "schema_type": "confusion_matrix",
    "schema_version": "1.0.0",
    "data": {"class_labels": ["cat", "dog"], "matrix": [[3, 1], [0, 2]]},
}


@pytest.fixture
def run(workspace):
    return Experiment(workspace, "experiment").start_logging(outputs=False)


@pytest.fixture
def plot():
    from matplotlib import pyplot as plt

    plt.figure()
    plt.plot([1, 2])
    yield plt
    plt.close("all")


def images_of_mlflow(workspace, run):
    """What MLflow's UI shows as images: key and step of each."""
    names = [each.path for each in workspace.client.list_artifacts(run.id, "images")]
    return sorted(
        tuple(name.removeprefix("images/").split("+")[0:3:2])
        for name in names
        if name.endswith(".png")
    )


class Drawn:
    """A plot that takes no time."""

    def __init__(self, color):
        self.color = color

    def savefig(self, stream, format):  # noqa: A002  matplotlib's name
        Image.new("RGB", (4, 4), self.color).save(stream, format)


class TestImages:
    @pytest.mark.parametrize("path", ["dot.png", "./dot.png", "img/dot.jpg", "../project/dot.png"])
    def test_file_keeps_its_path(self, workspace, run, tmp_path, monkeypatch, path):
        """But for what stands in front; the metric's value leads to it."""
        folder = tmp_path / "project"
        (folder / "img").mkdir(parents=True)
        monkeypatch.chdir(folder)
        Image.new("RGB", (4, 4), "red").save(path)
        run.log_image("dot", path=path)
        stored = path.removeprefix("./").removeprefix("../")
        assert run.get_file_names() == [stored]
        address = run.get_metrics()["dot"]
        assert address == f"aml://artifactId/ExperimentRun/dcid.{run.id}/{stored}"
        run.download_file(address, "back")
        assert (folder / "back").read_bytes() == (folder / path).read_bytes()
        assert images_of_mlflow(workspace, run) == [("dot", "0")]

    def test_plots(self, workspace, run, plot):
        """As plot, as a figure, and where SDK v1 took a path only."""
        run.log_image("module", plot=plot)
        run.log_image("figure", plot=plot.gcf())
        run.log_image("first", plot)
        names = run.get_file_names()
        assert [name.rsplit("_", 1)[0] for name in names] == ["figure", "first", "module"]
        assert all(name.endswith(".png") for name in names)
        found = workspace.client.list_artifacts(run.id)
        assert {each.path for each in found} == {*names, "images", INTERNAL_FOLDER}

    @pytest.mark.parametrize(
        "name", ["x" * 500, "精度" * 100, "A: loss", "a\0b", "../x", "50%", "run #1", "x%41"]
    )
    def test_any_text_is_a_name(self, run, name):
        """Of an image and of a chart, whatever a file may be called."""
        run.log_image(name, plot=Drawn("red"))
        run.log_confusion_matrix(f"{name} chart", MATRIX)
        found = run.get_metrics(populate=True)
        assert found[name].data.startswith(b"\x89PNG")
        assert found[f"{name} chart"].convert_to_object() == MATRIX

    def test_plots_of_one_second_are_all_kept(self, run):
        """Each in a file of its own, though files are named by the second."""
        for color in ["red", "green", "blue"]:
            run.log_image("dot", plot=Drawn(color))
        assert len(run.get_file_names()) == 3

    def test_image_leaves_no_tag(self, run):
        """MLflow notes that there is one; nobody has set a tag."""
        run.log_image("dot", plot=Drawn("red"))
        assert run.get_tags() == {}

    def test_several_of_one_name(self, workspace, run, tmp_path):
        """``get_metrics`` returns the first; MLflow's UI has a step for each."""
        for number in range(3):
            Image.new("RGB", (4, 4)).save(tmp_path / f"{number}.png")
            run.log_image("a/b", path=f"{number}.png")
        assert run.get_metrics()["a/b"].endswith("/0.png")
        assert images_of_mlflow(workspace, run) == [("a~b", str(step)) for step in range(3)]
        assert run.get_file_names() == ["0.png", "1.png", "2.png"]

    @pytest.mark.parametrize("kind", ["svg", "pdf"])
    def test_drawings(self, workspace, run, plot, kind):
        """They are files of the run; MLflow's UI shows none of them."""
        plot.savefig(f"drawing.{kind}")
        run.log_image("drawing", path=f"drawing.{kind}")
        assert run.get_file_names() == [f"drawing.{kind}"]
        assert images_of_mlflow(workspace, run) == []

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            ({}, "required"),
            ({"path": "dot.png", "plot": io}, "only one"),
            ({"plot": 3}, "invalid type"),
            ({"path": "notes.txt"}, "no image"),
            ({"path": io.BytesIO()}, "of type BytesIO"),
        ],
    )
    def test_misuse_is_an_error(self, run, tmp_path, arguments, said):
        """And nothing is stored."""
        (tmp_path / "notes.txt").write_text("text")
        with pytest.raises(AzureMLException, match=said):
            run.log_image("image", **arguments)
        assert run.get_metrics() == {}
        assert run.get_file_names() == []

    def test_missing_file_is_an_error(self, run):
        """As in SDK v1."""
        with pytest.raises(FileNotFoundError):
            run.log_image("image", path="missing.png")


class TestCharts:
    @pytest.mark.parametrize(
        "method", ["log_confusion_matrix", "log_accuracy_table", "log_residuals", "log_predictions"]
    )
    @pytest.mark.parametrize("value", [MATRIX, json.dumps(MATRIX)], ids=["dict", "json"])
    def test_chart_is_a_file_of_its_name(self, run, tmp_path, method, value):
        """Its value leads to it."""
        getattr(run, method)("chart", value)
        assert run.get_file_names() == ["chart"]
        run.download_file(run.get_metrics()["chart"], "back")
        assert json.loads((tmp_path / "back").read_text()) == MATRIX

    @pytest.mark.parametrize("value", [{"x": object()}, {(1, 2): 3}, {1, 2}])
    def test_what_cannot_be_json_is_an_error(self, run, value):
        """Which says what; nothing is logged."""
        with pytest.raises(UserErrorException, match="'chart' cannot be kept as JSON"):
            run.log_predictions("chart", value)
        assert run.get_metrics() == {}

    def test_chart_that_cannot_be_drawn_is_said(self, run, caplog):
        """It is kept as it was given; SDK v1 showed an empty chart."""
        run.log_residuals("chart", {"bin_counts": [1, 2]})
        assert "'chart' is kept as it was given, and no residuals can be drawn" in caplog.text
        assert run.get_file_names() == ["chart"]

    def test_arrays_are_lists(self, run, tmp_path, caplog):
        """SDK v1 raised a TypeError."""
        matrix = {**MATRIX, "data": {"class_labels": ["a", "b"], "matrix": np.eye(2, dtype=int)}}
        run.log_confusion_matrix("chart", matrix)
        run.download_file("chart", "back")
        assert json.loads((tmp_path / "back").read_text())["data"]["matrix"] == [[1, 0], [0, 1]]
        assert not caplog.text

    def test_text_that_is_no_json_is_an_error(self, run):
        """As in SDK v1."""
        with pytest.raises(UserErrorException, match="Invalid JSON"):
            run.log_residuals("chart", "{")


def test_populated(run, tmp_path):
    """``populate=True`` returns the files in place of their addresses."""
    Image.new("RGB", (4, 4)).save(tmp_path / "dot.png")
    run.log_image("dot", path="dot.png")
    run.log_confusion_matrix("matrix", MATRIX)
    run.log("n", 1)
    found = run.get_metrics(populate=True)
    assert isinstance(found["dot"], ImageArtifact)
    assert found["dot"].data == (tmp_path / "dot.png").read_bytes()
    assert (found["dot"].filename, found["dot"].path) == ("dot.png", "dot.png")
    assert found["dot"].data_location == run.get_metrics()["dot"]
    assert isinstance(found["matrix"], JsonArtifact)
    assert found["matrix"].convert_to_object() == MATRIX
    assert found["n"] == 1
