"""The name azureml: served where it is asked for, and never taken from anybody."""

import os
import re
import subprocess
import sysconfig
import venv
from pathlib import Path

import pytest

from mlflow_workspace_plugin.runner.variables import STARTUP

IMPORT = "import mlflow_workspace_plugin.azureml\n"
WHOSE = "import azureml.core; print(azureml.core.VERSION)\n"


def path_of(*folders) -> str:
    """A PYTHONPATH that begins with these folders."""
    given = os.environ.get("PYTHONPATH")
    return os.pathsep.join([*map(str, folders), *([given] if given else [])])


@pytest.fixture
def real_sdk(tmp_path) -> Path:
    """A folder that holds an ``azureml.core`` of somebody else's."""
    folder = tmp_path / "installed"
    (folder / "azureml" / "core").mkdir(parents=True)
    (folder / "azureml" / "__init__.py").touch()
    (folder / "azureml" / "core" / "__init__.py").write_text("VERSION = 'real'\n")
    return folder


def test_not_there_unless_asked_for(run_new_python):
    """Having this package installed gives nobody an azureml."""
    done = run_new_python("-c", "import mlflow_workspace_plugin, azureml", check=False)
    assert "No module named 'azureml'" in done.stderr


def test_import_serves_the_names_of_sdk_v1(run_new_python):
    """In azureml.core and in the deep paths that scripts use, they are this package's classes."""
    run_new_python(
        "-c",
        IMPORT
        + """
import importlib.util
assert importlib.util.find_spec("azureml.core.run") is not None
import azureml.core
import mlflow_workspace_plugin as ours
from azureml.core import Experiment, Run, Workspace
from azureml.core.authentication import InteractiveLoginAuthentication
from azureml.core.experiment import Experiment as deep_experiment
from azureml.core.run import Run as deep_run, _OfflineRun, _SubmittedRun
from azureml.core.workspace import Workspace as deep_workspace
from azureml.exceptions import ComputeTargetException, UserErrorException
from mlflow_workspace_plugin import errors
assert Experiment is deep_experiment is ours.Experiment
assert Run is deep_run is azureml.core.run.Run is ours.Run
assert Workspace is deep_workspace is ours.Workspace
assert UserErrorException is errors.UserErrorException
assert isinstance(Run.get_context(), _OfflineRun)
assert issubclass(_SubmittedRun, Run)
assert azureml.core.VERSION.startswith("1.")
assert azureml.core.VERSION == azureml.data.__version__ == azureml.core.__version__
assert azureml.core.Dataset.Scenario.TRAINING == "training"
assert "Workspace" in dir(azureml.core)
""",
    )


def test_names_that_are_not_served_break_nothing_until_used(run_new_python):
    """They are imported beside served ones, from listed modules and from any below a family."""
    done = run_new_python(
        "-c",
        IMPORT
        + """
from azureml.core import Keyvault, ScriptRunConfig, Workspace
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.data.datapath import DataPath
from azureml.pipeline.steps import PythonScriptStep
from azureml.train.automl import AutoMLConfig
from azureml.interpret import ExplanationClient

def load(workspace: Workspace, store: Keyvault) -> "DataPath": ...

for use in (lambda: Keyvault.get_secret("x"), AutoMLConfig, ExplanationClient):
    try:
        use()
    except Exception as error:
        print(type(error).__name__, error)
""",
    )
    lines = done.stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["NotServedError", "azureml.core.Keyvault"],
        ["NotServedError", "azureml.train.automl.AutoMLConfig"],
        ["NotServedError", "azureml.interpret.ExplanationClient"],
    ]
    assert "azure-keyvault-secrets" in lines[0]


def test_every_module_can_be_imported_and_starred(run_new_python):
    """Private ones, too; the names that star imports give are those of SDK v1."""
    done = run_new_python(
        "-c",
        IMPORT
        + """
import importlib
from mlflow_workspace_plugin.alias import sdk_v1
for module in [*sdk_v1._lines()[0], *sdk_v1._lines()[1]]:
    importlib.import_module(module)
    exec(f"from {module} import *", {})
import azureml
from azureml.core import *
from azureml.train.hyperdrive import *
from azureml._model_management._util import _get_mms_url
from azureml._base_sdk_common.user_agent import append
from azureml.telemetry import set_diagnostics_collection
set_diagnostics_collection(send_diagnostics=True)
print(Workspace.__name__, ScriptRunConfig.__name__, choice.__name__)
print(append("product", "1.0"), "os" in globals())
try:
    raise ValueError
except (azureml.core.compute_target.ComputeTargetException, ValueError):
    print("caught")
""",
    )
    assert done.stdout.splitlines() == ["Workspace ScriptRunConfig choice", "None False", "caught"]


def test_misspelt_name_is_an_import_error(run_new_python):
    """What azureml.core never had is not there, when it is imported."""
    for line in (
        "from azureml.core import Worksapce",
        "import azureml.nothing",
        "import azureml.core.compute.nothing",
    ):
        done = run_new_python("-c", IMPORT + line, check=False)
        assert "ImportError" in done.stderr or "ModuleNotFoundError" in done.stderr


def test_notebook_extension_is_the_import(run_new_python):
    """%load_ext mlflow_workspace_plugin."""
    load = "import mlflow_workspace_plugin; mlflow_workspace_plugin.load_ipython_extension(None)\n"
    assert run_new_python("-c", load + WHOSE).stdout.startswith("1.")


def test_real_sdk_is_never_shadowed(run_new_python, real_sdk):
    """Asking for ours beside it is an error that says why; in a run, it is the real one's."""
    done = run_new_python("-c", IMPORT, PYTHONPATH=path_of(real_sdk), check=False)
    assert "ImportError: The name azureml belongs to the real azureml-core" in done.stderr
    assert str(real_sdk) in done.stderr
    done = run_new_python("-c", WHOSE, PYTHONPATH=path_of(STARTUP, real_sdk))
    assert done.stdout == "real\n"
    assert not done.stderr


def test_real_sdk_is_served_alone_even_if_it_comes_later(run_new_python, real_sdk):
    """No module of ours completes the real SDK."""
    use = f"import sys; sys.path.insert(0, {str(real_sdk)!r})\n{WHOSE}import azureml.widgets"
    done = run_new_python("-c", IMPORT + use, check=False)
    assert done.stdout == "real\n"
    assert "No module named 'azureml.widgets'" in done.stderr


def test_other_parts_of_the_name_keep_their_own(run_new_python, tmp_path):
    """A folder azureml beside the script, or azureml-mlflow, are neither hidden nor in the way."""
    (tmp_path / "azureml").mkdir()
    (tmp_path / "azureml" / "mine.py").write_text("print('mine')\n")
    (tmp_path / "script.py").write_text(f"{IMPORT}import azureml.mine\n{WHOSE}")
    mine, version = run_new_python("script.py").stdout.splitlines()
    assert mine == "mine"
    assert version.startswith("1.")


class TestRun:
    def test_processes_of_a_run_have_it(self, run_new_python):
        """Through PYTHONPATH; what the folder holds cannot be imported by the script."""
        script = f"{WHOSE}import sys; print({str(STARTUP)!r} in sys.path)"
        version, in_path = run_new_python("-c", script, PYTHONPATH=path_of(STARTUP)).stdout.split()
        assert version.startswith("1.")
        assert in_path == "False"

    def test_sitecustomize_of_the_environment_still_runs(self, run_new_python, tmp_path):
        """It is executed, and is what ``import sitecustomize`` gives."""
        (tmp_path / "theirs").mkdir()
        (tmp_path / "theirs" / "sitecustomize.py").write_text("name = 'theirs'\n")
        done = run_new_python(
            "-c",
            f"{WHOSE}import sitecustomize; print(sitecustomize.name)",
            PYTHONPATH=path_of(STARTUP, tmp_path / "theirs"),
        )
        assert done.stdout.split()[1] == "theirs"
        assert not done.stderr

    def test_broken_sitecustomize_is_reported_as_ever(self, run_new_python, tmp_path):
        """Python says what is wrong with it, and goes on."""
        (tmp_path / "theirs").mkdir()
        (tmp_path / "theirs" / "sitecustomize.py").write_text("import not_there\n")
        done = run_new_python("-c", WHOSE, PYTHONPATH=path_of(STARTUP, tmp_path / "theirs"))
        assert "No module named 'not_there'" in done.stderr
        assert done.stdout.startswith("1.")


def test_start_of_python_imports_nothing_for_it(run_new_python):
    """Serving the name takes three small modules of ours, and nothing else, until it is used."""
    modules = "import sys; print(*sorted(sys.modules))"
    plain = set(run_new_python("-c", modules).stdout.split())
    served = set(run_new_python("-c", modules, PYTHONPATH=path_of(STARTUP)).stdout.split())
    assert served - plain - {"sitecustomize", "__future__"} == {
        "mlflow_workspace_plugin",
        "mlflow_workspace_plugin.alias",
        "mlflow_workspace_plugin.alias.finder",
        "mlflow_workspace_plugin.azureml",
    }


class TestEnvironment:
    @pytest.fixture
    def python(self, tmp_path) -> str:
        """The Python of an environment of the test's own, which sees what is installed in ours."""
        venv.create(tmp_path / "venv", symlinks=True)
        (site_packages,) = (tmp_path / "venv").glob("lib/python3*/site-packages")
        ours = sysconfig.get_path("purelib")
        (site_packages / "a.pth").write_text(f"import site; site.addsitedir({ours!r})\n")
        return str(tmp_path / "venv" / "bin" / "python")

    def run(self, *command, **variables):
        done = subprocess.run(
            command, env=os.environ | variables, capture_output=True, text=True, check=False
        )
        return done.stdout + done.stderr

    def commands(self, python, *lines, **variables):
        """Run commands one after the other; starting Python for each takes seconds."""
        script = (
            "import sys\n"
            "from mlflow_workspace_plugin.cli import main\n"
            "for line in sys.argv[1:]:\n"
            "    try: main(['azureml', *line.split()])\n"
            "    except SystemExit: pass\n"
        )
        return self.run(python, "-c", script, *lines, **variables)

    def test_enable_and_disable(self, python):
        """Every Python of the environment serves azureml, until it is disabled; status tells."""
        printed = self.commands(python, "status", "enable", "status --json")
        assert re.search(r"enabled +False", printed)
        assert "is served by this package in" in printed
        assert '"enabled": true' in printed
        assert self.run(python, "-c", WHOSE).startswith("1.")
        printed = self.commands(python, "disable", "disable")
        assert "not served any more" in printed
        assert "was not served" in printed
        assert "No module named 'azureml'" in self.run(python, "-c", WHOSE)

    def test_refused_beside_the_real_sdk(self, python, real_sdk):
        """With what to do; nothing is written, and status says whose the name is."""
        printed = self.commands(python, "enable", "status", PYTHONPATH=path_of(real_sdk))
        assert "pip uninstall azureml-core" in printed
        assert re.search(rf"azureml-core +{re.escape(str(real_sdk))}", printed)
        assert re.search(r"enabled +False", printed)

    def test_enabled_alias_gives_way(self, python, real_sdk, tmp_path):
        """To the real SDK installed later; where this package is gone, nothing is left of it."""
        self.commands(python, "enable")
        assert self.run(python, "-c", WHOSE, PYTHONPATH=path_of(real_sdk)) == "real\n"
        (a_pth,) = (tmp_path / "venv").glob("lib/python3*/site-packages/a.pth")
        a_pth.unlink()
        assert self.run(python, "-c", "print('fine')", PYTHONPATH="") == "fine\n"
