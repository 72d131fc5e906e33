"""What a scan says of code that uses SDK v1: each name, where, how often, and whether it works."""

import json
from collections import Counter
from textwrap import dedent

import pytest
from click.testing import CliRunner

from mlflow_workspace_plugin.alias import answers
from mlflow_workspace_plugin.alias.scan.report import scan
from mlflow_workspace_plugin.cli import main


@pytest.fixture
def used(tmp_path):
    """The names that code uses, with the lines of each."""

    def scan_code(code):
        (tmp_path / "script.py").write_text(dedent(code), encoding="utf-8")
        report = scan([tmp_path])
        assert not report.unreadable
        return {each.name: [place.line for place in each.places] for each in report.names}

    return scan_code


class TestNames:
    def test_imports(self, used):
        """Modules, names, aliases and stars; each place once."""
        assert used("""\
            import azureml.core
            import azureml.core.compute as compute
            from azureml.core import Dataset, Workspace as W
            from azureml.train.hyperdrive import *
            import importlib
            print(azureml.core.VERSION, compute.AmlCompute.provisioning_configuration())
            print(W, choice(1, 2), azureml.core.webservice.AciWebservice)
            importlib.import_module("azureml.widgets")
            """) == {
            "azureml.core": [1],
            "azureml.core.compute": [2],
            "azureml.core.Dataset": [3],
            "azureml.core.Workspace": [3, 7],
            "azureml.train.hyperdrive.*": [4],
            "azureml.core.VERSION": [6],
            "AmlCompute.provisioning_configuration": [6],
            "azureml.train.hyperdrive.choice": [7],
            "azureml.core.webservice.AciWebservice": [7],
            "azureml.widgets": [8],
        }

    def test_members_of_what_variables_hold(self, used):
        """By assignment, ``with``, ``for``, comprehension, annotation, and from one to another."""
        found = used("""\
            from azureml.core import Experiment, Model, Run, Workspace
            ws = Workspace.from_config()
            with Experiment(ws, "e").start_logging() as run:
                run.log("x", 1)
            for child in run.get_children():
                child.tags
            names = [model.name for model in Model.list(ws)]
            ws.experiments["e"].archive()
            latest = next(Run.list(ws.experiments["e"]))
            latest.parent.experiment.workspace.datastores
            first, second = run, ws
            second.sku
            def train(run: "Run | None" = None, n: int = 1):
                run.complete()
            same = ws or None
            same.location
            """)
        del found["azureml.core.Workspace"], found["azureml.core.Experiment"]
        del found["azureml.core.Model"], found["azureml.core.Run"]
        assert found == {
            "Workspace.from_config": [2],
            "Experiment()": [3],
            "Experiment.start_logging": [3],
            "Run.log": [4],
            "Run.get_children": [5],
            "Run.tags": [6],
            "Model.list": [7],
            "Model.name": [7],
            "Workspace.experiments": [8, 9],
            "Experiment.archive": [8],
            "Run.list": [9],
            "Run.parent": [10],
            "Run.experiment": [10],
            "Experiment.workspace": [10],
            "Workspace.datastores": [10],
            "Workspace.sku": [12],
            "Run.complete": [14],
            "Workspace.location": [16],
        }

    def test_members_across_methods(self, used):
        """What ``self`` holds, and what the module binds after the function that uses it."""
        found = used("""\
            from azureml.core import Run
            def log():
                run.log("x", 1)
            class Trainer:
                def __init__(self):
                    self.run = Run.get_context()
                def end(self):
                    self.run.complete()
            run = Run.get_context()
            """)
        assert found["Run.log"] == [3]
        assert found["Run.complete"] == [8]

    def test_other_peoples_names_are_not_taken_for_sdk_v1s(self, used):
        """Of another package, a relative import, rebound, a parameter, or of no known type."""
        assert (
            used("""\
            import azureml_tools, mlflow
            from .azureml import core
            from other.azureml.core import Run
            core.Workspace
            Run.log
            def f(azureml):
                azureml.core
            run = mlflow.start_run()
            run.log("x", 1)
            "azureml.core.Dataset"
            # azureml.core.Dataset
            """)
            == {}
        )

    def test_name_that_is_bound_anew_is_another(self, used):
        """From there on; None stands in for what another branch binds."""
        found = used("""\
            from azureml.core import Workspace
            try:
                ws = Workspace.from_config()
            except Exception:
                ws = None
            ws.name
            ws = open("file")
            ws.name
            """)
        assert found["Workspace.name"] == [6]

    @pytest.mark.parametrize(
        ("line", "status", "said"),
        [
            ("from azureml.core import Workspace", answers.SERVED, ""),
            ("from azureml.core.compute_target import ComputeTargetException", answers.SERVED, ""),
            ("from azureml.telemetry import set_diagnostics_collection", answers.SERVED, "nothing"),
            ("from azureml.core import Keyvault", answers.NOT_SERVED, "environment"),
            ("from azureml.core import Worksapce", answers.UNKNOWN, "misspelt"),
            ("from azureml.core.nothing import X", answers.UNKNOWN, "no such module"),
            ("from azureml.rag.mlindex import MLIndex", answers.UNKNOWN, "another package"),
        ],
    )
    def test_what_is_said(self, tmp_path, line, status, said):
        """As the name behaves when the script runs."""
        (tmp_path / "script.py").write_text(line)
        (used,) = scan([tmp_path]).names
        assert used.answer.status == status
        assert said in used.answer.clause


class TestFiles:
    def test_notebooks(self, tmp_path):
        """Cells share their names; lines for IPython and the shell are none of Python."""
        import nbformat

        cells = [
            "%matplotlib inline\n!pip install x\nfrom azureml.core import Workspace",
            "%%time\n\nws = Workspace.from_config()\nfiles = !ls\nws?\nws.name\nx = 5 % 3",
            "%%bash\necho azureml.core",
            "%%writefile train.py\nfrom azureml.core import Run\nws.sku\nRun.get_context()",
            "from azureml.core import (",
            "ws.get_details()",
        ]
        notebook = nbformat.v4.new_notebook(
            cells=[
                nbformat.v4.new_markdown_cell("from azureml.core import Dataset"),
                *map(nbformat.v4.new_code_cell, cells),
            ]
        )
        nbformat.write(notebook, tmp_path / "book.ipynb")
        report = scan([tmp_path])
        places = {
            each.name: [(place.cell, place.line) for place in each.places] for each in report.names
        }
        assert places == {
            "azureml.core.Workspace": [(2, 3)],
            "Workspace.from_config": [(3, 3)],
            "Workspace.name": [(3, 6)],
            "azureml.core.Run": [(5, 2)],
            "Run.get_context": [(5, 4)],
            "Workspace.get_details": [(7, 1)],
        }
        ((file, faults),) = report.unreadable.items()
        assert file.endswith("book.ipynb")
        assert faults == ["cell 6: line 1: '(' was never closed"]

    def test_what_is_not_theirs_is_left_out(self, tmp_path):
        """Hidden folders, caches, environments, links to folders, other files."""
        for folder in (".git", "node_modules", "env/lib", "src/deep"):
            (tmp_path / folder).mkdir(parents=True)
            (tmp_path / folder / "a.py").write_text("import azureml.core")
        (tmp_path / "env" / "pyvenv.cfg").touch()
        (tmp_path / "notes.txt").write_text("import azureml.core")
        (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
        (used,) = scan([tmp_path, tmp_path / "src" / "deep" / "a.py"]).names
        assert [place.file for place in used.places] == [str(tmp_path / "src/deep/a.py")]

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("old.py", b"import azureml.core\nprint 'Python 2'"),
            ("nul.py", b"import azureml\0"),
            ("coded.py", b"# coding: nothing\nimport azureml"),
            ("deep.py", b"import azureml\nx = " + b"(" * 2000 + b")" * 2000),
            ("added.py", b"import azureml\nx = 1" + b" + 1" * 20_000),
            ("broken.ipynb", b"azureml"),
            ("list.ipynb", b'["azureml"]'),
            ("cells.ipynb", b'{"cells": ["azureml"]}'),
        ],
    )
    def test_what_cannot_be_read_is_said(self, tmp_path, name, content):
        """And the rest is read; what does not hold the word is not looked at."""
        (tmp_path / name).write_bytes(content)
        (tmp_path / f"other {name}").write_bytes(content.replace(b"azureml", b"others"))
        (tmp_path / "fine.py").write_text("from azureml.core import Run")
        report = scan([tmp_path])
        assert [*report.unreadable] == [str(tmp_path / name)]
        assert "azureml.core.Run" in [each.name for each in report.names]
        assert not report.works

    def test_nothing_is_run(self, tmp_path):
        """Reading is all there is."""
        (tmp_path / "script.py").write_text(f"import azureml\nopen({str(tmp_path / 'x')!r}, 'w')")
        scan([tmp_path])
        assert not (tmp_path / "x").exists()


class TestCommand:
    def run(self, *arguments):
        done = CliRunner().invoke(main, ["azureml", "scan", *map(str, arguments)])
        return done.exit_code, done.output

    def test_report_and_exit_status(self, tmp_path):
        """Of names by what is said of them, and by file; 1 while something does not work."""
        (tmp_path / "a.py").write_text("from azureml.core import Run, Keyvault\nRun.get_context()")
        status, printed = self.run(tmp_path)
        assert status == 1
        assert f"azureml.core.Keyvault  once: {tmp_path}/a.py:1" in printed
        assert "Use environment variables" in printed
        assert "1 of 1 files use SDK v1: 3 names, of which 2 work here and 1 do not." in printed
        (tmp_path / "a.py").write_text("from azureml.core import Run\nRun.get_context()")
        assert self.run(tmp_path)[0] == 0

    def test_json(self, tmp_path):
        """The same for a program."""
        (tmp_path / "a.py").write_text("from azureml.core import Run, Keyvault\n" * 2)
        status, printed = self.run(tmp_path, "--json")
        found = json.loads(printed)
        assert status == 1
        assert found["works"] is False
        keyvault, _ = found["names"]
        assert keyvault["name"] == "azureml.core.Keyvault"
        assert keyvault["status"] == "not served"
        assert keyvault["count"] == 2
        assert keyvault["places"][1] == {"file": f"{tmp_path}/a.py", "line": 2, "cell": None}
        assert Counter(found["files"][0]) == {"file": f"{tmp_path}/a.py"} | {
            "not served": 1,
            "served": 1,
            "served better": 0,
            "unknown": 0,
        }

    def test_code_without_sdk_v1(self, tmp_path):
        """Is fine as it is."""
        (tmp_path / "a.py").write_text("import mlflow")
        assert self.run(tmp_path) == (
            0,
            "0 of 1 files use SDK v1: 0 names, of which 0 work here and 0 do not.\n",
        )

    def test_names_of_files_steer_no_terminal(self, tmp_path):
        """They may hold any characters, and bytes that are no text."""
        (tmp_path / "\x1b[31m.py").write_text("import azureml.core")
        (tmp_path / "\udcff.py").write_text("import azureml.core")
        _, printed = self.run(tmp_path)
        assert "\x1b" not in printed
        assert r"\x1b[31m.py:1" in printed

    def test_what_is_not_there_is_a_usage_error(self, tmp_path):
        """Not a clean bill."""
        assert self.run(tmp_path / "nothing")[0] == 2
        assert self.run()[0] == 2
