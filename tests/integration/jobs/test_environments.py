"""Environments of jobs: what is asked for is there, once, whole, and no secret is anywhere."""

import base64
import contextlib
import http.server
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path
from urllib.parse import quote

import pytest
from click.testing import CliRunner

from mlflow_workspace_plugin.cli import main
from mlflow_workspace_plugin.errors import EnvironmentBuildError, UserErrorException
from mlflow_workspace_plugin.jobs.environments import built, pip_settings, pythons
from mlflow_workspace_plugin.jobs.environments.check import check, wanted_python
from mlflow_workspace_plugin.jobs.environments.prepare import prepare
from mlflow_workspace_plugin.jobs.environments.requirements import Requirements
from mlflow_workspace_plugin.jobs.environments.url_secrets import shown
from mlflow_workspace_plugin.jobs.environments.uv import is_of_a_package
from tests import python_processes
from tests.commands import output_of
from tests.waiting import wait_until

PASSWORD = "pa/ss:w0rd"
CACHE = "MLFLOW_WORKSPACE_CACHE_DIR"


@pytest.fixture(scope="module")
def module_cache(tmp_path_factory) -> Path:
    """What was built for one test is there for the next."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def shared(module_cache, monkeypatch) -> Path:
    monkeypatch.setenv(CACHE, str(module_cache))
    return module_cache


def wheel(folder: Path, name: str = "private_thing", version: str = "1.0") -> Path:
    """A wheel with one module that says its version."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}-{version}-py3-none-any.whl"
    facts = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(f"{name}.py", f"version = {version!r}\n")
        archive.writestr(
            f"{facts}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
        archive.writestr(
            f"{facts}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{facts}/RECORD", "")
    return file


def run(prepared, code: str, **variables: str) -> str:
    """What Python says in an environment."""
    environment = os.environ | prepared.variables | variables
    return output_of([prepared.python, "-I", "-c", code], env=environment).strip()


@pytest.mark.sqlite
def test_job_logs_from_an_environment(shared, workspace, uri):
    """It has what was asked for, this copy of this package, and MLflow in the same version."""
    said = []
    asked = Requirements("env", pip=["emoji", "azureml-defaults"], variables={"OWN": "1"})
    prepared = prepare(asked, said.append)
    assert any("azureml-defaults" in each for each in said)
    code = """
import importlib.util, mlflow, mlflow_workspace_plugin, emoji, os, sys
assert importlib.util.find_spec("azureml") is None
assert mlflow_workspace_plugin.__file__.startswith(sys.prefix), mlflow_workspace_plugin.__file__
assert os.environ["OWN"] == "1"
assert os.environ["PATH"].startswith(os.path.join(os.environ["VIRTUAL_ENV"], "bin"))
mlflow.set_tracking_uri(os.environ["HUB"])
with mlflow.start_run() as run:
    mlflow.log_metric("m", 1)
    print(run.info.run_id, mlflow.__version__)
"""
    run_id, version = run(prepared, code, HUB=uri).split()[-2:]
    assert workspace.client.get_run(run_id).data.metrics == {"m": 1}
    import mlflow

    assert version == mlflow.__version__
    again = []
    assert prepare(asked, again.append).python == prepared.python
    assert not any("is built" in each for each in again)


PREPARE = """
import os, sys
from mlflow_workspace_plugin.jobs.environments.prepare import prepare
from mlflow_workspace_plugin.jobs.environments.requirements import Requirements
print(prepare(Requirements("e", pip=sys.argv[1:]), lambda each: print(each, flush=True)).python)
"""


def test_builders_wait_for_one_and_go_on_when_it_is_killed(tmp_path):
    """Killed in the middle, it leaves nothing that is used; one of the others builds it."""
    environment = os.environ | {CACHE: str(tmp_path / "cache")}

    def start():
        return python_processes.Popen(
            ["-c", PREPARE, "emoji"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
        )

    root = tmp_path / "cache" / "environments"
    first = start()
    wait_until(lambda: list(root.glob("*.building/*/pyvenv.cfg")))
    others = [start(), start()]
    for each in others:
        assert "built by another process" in each.stdout.readline()
    first.send_signal(signal.SIGKILL)
    first.wait()
    texts = [each.communicate(timeout=300)[0] for each in others]
    assert [each.returncode for each in others] == [0, 0], texts
    assert sum("was built in" in each for each in texts) == 1
    (python,) = {each.splitlines()[-1] for each in texts}
    code = "import emoji, mlflow_workspace_plugin"
    output_of([python, "-I", "-c", code])
    # Its uv, which went on for a while, may have left a folder.
    built.prune(1e9)
    assert not list(root.glob("*.building"))


class _Index(http.server.BaseHTTPRequestHandler):
    """An index that gives its packages to one user only."""

    folder: Path
    asked: list[str]

    def do_GET(self) -> None:
        login = base64.b64encode(f"team:{PASSWORD}".encode()).decode()
        if self.headers.get("Authorization") != f"Basic {login}":
            self.send_response(401)
            self.send_header("WWW-Authenticate", "Basic")
            self.end_headers()
            return
        name = self.path.rstrip("/").rpartition("/")[2]
        self.asked.append(name)
        file = self.folder / name
        content = file.read_bytes() if file.is_file() else b""
        if name == "private-thing":
            links = (
                f'<a href="/files/{each.name}">{each.name}</a>' for each in self.folder.iterdir()
            )
            content = "\n".join(links).encode()
        self.send_response(200 if content else 404)
        self.send_header(
            "Content-Type", "application/octet-stream" if file.is_file() else "text/html"
        )
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, *_arguments) -> None:
        """Say nothing."""


@pytest.fixture
def index(tmp_path):
    """The address of a private index, with who logs in."""
    wheel(tmp_path / "index")
    _Index.folder, _Index.asked = tmp_path / "index", []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Index)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://team:{quote(PASSWORD, safe='')}@127.0.0.1:{server.server_port}/simple"
    server.shutdown()
    server.server_close()


def command_lines() -> str:
    found = []
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.append(each.read_bytes().decode(errors="replace"))
    return "\n".join(found)


def files_with(folder: Path, text: str) -> list[Path]:
    return [
        each
        for each in folder.rglob("*")
        if each.is_file() and not each.is_symlink() and text.encode() in each.read_bytes()
    ]


def test_private_index_of_pips_settings(tmp_path, index, monkeypatch):
    """It is asked, and its password is in no line, error, process list or file."""
    monkeypatch.setenv(CACHE, str(tmp_path / "cache"))
    config = tmp_path / "pip.conf"
    before = " ".join(pip_settings.configured().get("extra-index-url", []))
    config.write_text(f"[global]\nextra-index-url = {before}\n    {index}\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
    said, listed = [], []

    def say(line):
        said.append(line)
        listed.append(command_lines())

    prepared = prepare(Requirements("e", pip=["private-thing"]), say)
    assert run(prepared, "import private_thing; print(private_thing.version)") == "1.0"
    assert "private-thing" in _Index.asked
    (where,) = (each for each in said if "packages from" in each)
    assert "http://***@127.0.0.1" in where
    with pytest.raises(EnvironmentBuildError, match="no-such-thing-at-all") as error:
        prepare(Requirements("e", pip=["no-such-thing-at-all"]), say)
    texts = "\n".join([*said, str(error.value), repr(error.value), *listed])
    for secret in (PASSWORD, quote(PASSWORD, safe=""), index):
        assert secret not in texts
        assert not files_with(tmp_path / "cache", secret)


def test_resolvers_words_are_in_the_error(shared):
    """Also what an index on the disk has, and the place where packages were looked for."""
    with pytest.raises(EnvironmentBuildError, match=r"emoji==0\.0\.99") as error:
        prepare(Requirements("e", pip=["emoji==0.0.99"]), lambda _: None)
    assert "no version of emoji" in str(error.value)
    assert not list((shared / "environments").glob("*.building"))


def test_package_that_cannot_be_built_is_named(shared, tmp_path):
    """However much its build says; and so is what can be done."""
    project = tmp_path / "old-thing"
    project.mkdir()
    (project / "pyproject.toml").write_text(
        "[project]\nname = 'old-thing'\nversion = '1'\n[build-system]\n"
        "requires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n"
    )
    (project / "backend.py").write_text(
        "import sys\nfor number in range(100):\n    print('line', number, file=sys.stderr)\n"
        "raise RuntimeError('too old')\n"
    )
    with pytest.raises(EnvironmentBuildError, match=r"Failed to build.*old-thing") as error:
        prepare(Requirements("e", pip=[f"old-thing @ {project.as_uri()}"]), lambda _: None)
    said = str(error.value)
    assert "wheel" in said
    assert "MLFLOW_WORKSPACE_JOBS_IN_THIS_PYTHON=1" in said
    assert "too old" in said
    assert "line 9\n" not in said


def test_files_of_the_snapshot(shared, tmp_path, monkeypatch):
    """Requirements files and wheels are found from the folder of the script; contents count."""
    code = tmp_path / "code"
    (code / "more").mkdir(parents=True)
    (code / "requirements.txt").write_text(
        "# comment\nazureml-core\n-r more/other.txt\n--find-links ${PLACE}  # a place\n"
    )
    (code / "more/other.txt").write_text(
        "--requirement=../requirements.txt\nlocated \\\n  ==2.0\n-c c.txt\n"
    )
    (code / "more/c.txt").write_text("emoji<99\n")
    wheel(code / "wheels")
    place = wheel(tmp_path / "place", "located", "2.0").parent
    monkeypatch.setenv("PLACE", str(place))
    asked = Requirements(
        "e", pip=["-r requirements.txt", "./wheels/private_thing-1.0-py3-none-any.whl"]
    )
    checked = check(asked, code)
    assert checked.requirements.pip == [
        "located    ==2.0",
        "./wheels/private_thing-1.0-py3-none-any.whl",
    ]
    assert checked.requirements.constraints == ["emoji<99"]
    assert checked.requirements.pip_options == ["--find-links ${PLACE}"]
    assert check(checked.requirements, None) == (checked.requirements, [])
    shutil.copytree(code, tmp_path / "work")
    prepared = prepare(checked.requirements, lambda _: None, folder=tmp_path / "work")
    said = run(
        prepared, "import private_thing, located; print(private_thing.version, located.version)"
    )
    assert said == "1.0 2.0"
    # Another content is another environment.
    file = tmp_path / "work/wheels/private_thing-1.0-py3-none-any.whl"
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("more.py", "")
    other = prepare(checked.requirements, lambda _: None, folder=tmp_path / "work")
    assert other.python != prepared.python
    assert run(other, "import more") == ""
    file.unlink()
    with pytest.raises(EnvironmentBuildError, match="amlignore"):
        prepare(checked.requirements, lambda _: None, folder=tmp_path / "work")


@pytest.mark.parametrize(
    ("asked", "match"),
    [
        ({"pip": ["-e ."]}, "pip wheel --no-deps"),
        ({"pip": ["./code"]}, "pip wheel --no-deps"),
        ({"pip": ["-r missing.txt"]}, "no file that is there"),
        ({"pip": ["not a requirement"]}, "as pip does"),
        ({"pip": ["--unheard-of"]}, "Option"),
        ({"conda": ["r-base=3.6"]}, "no equivalent is known.*JOBS_IN_THIS_PYTHON"),
        ({"docker": {"base_image": "contoso/train:1"}}, "JOBS_IN_THIS_PYTHON"),
        ({"docker": {"base_dockerfile": "FROM x"}, "user_managed": True}, "JOBS_IN_THIS_PYTHON"),
        ({"python": "three"}, "no version of Python"),
        (
            {"pip_options": ["--extra-index-url https://me:SECRET@host/simple"]},
            "stored with the job",
        ),
        ({"pip": ["--index-url=https://SECRET@host/simple"]}, "stored with the job"),
        ({"pip": ["thing @ git+https://me:SECRET@host/thing.git"]}, "stored with the job"),
        ({"pip": ["https://host/thing-1-py3-none-any.whl?sv=1&sig=SECRET"]}, "stored with the job"),
    ],
    ids=str,
)
def test_what_is_refused_names_the_remedy(tmp_path, asked, match):
    """Before anything is queued; and no secret is said."""
    (tmp_path / "code").mkdir()
    with pytest.raises(UserErrorException, match=match) as error:
        check(Requirements("e", **asked), tmp_path)
    assert "SECRET" not in str(error.value)


def test_switch_runs_all_of_it_here(monkeypatch):
    """Whatever an environment says, on the machine where the switch is set."""
    asked = Requirements(
        "e", "3", pip=["emoji"], docker={"base_dockerfile": "x"}, variables={"A": "b"}
    )
    monkeypatch.setenv("MLFLOW_WORKSPACE_JOBS_IN_THIS_PYTHON", "1")
    checked = check(asked)
    assert checked.requirements == Requirements("e", "3", variables={"A": "b"})
    assert len(checked.notes) == 1
    prepared = prepare(asked, lambda _: None)
    assert prepared.python == sys.executable
    assert prepared.variables["A"] == "b"


def test_what_is_changed_is_said():
    """Conda's packages by their names on an index, MLflow's version, Microsoft's images."""
    checked = check(
        Requirements(
            "e",
            conda=[
                *("python=3.8.13", "pip=20.1", "scikit-learn=0.22.1", "conda-forge::pytorch>=1.4"),
                *("numpy==1.18.*", "pillow", "cudatoolkit=10.1", "opencv 4.5.0 py38_0"),
            ],
            pip=["azureml-defaults==1.0", "azureml", "mlflow==1.2", "mlflow-workspace-plugin", "x"],
            docker={"base_image": "mcr.microsoft.com/azureml/openmpi4.1.0", "enabled": True},
        )
    )
    asked = checked.requirements
    assert asked.python == "3.8.13"
    assert asked.pip == [
        *("x", "scikit-learn==0.22.1.*", "torch>=1.4", "numpy==1.18.*", "pillow"),
        "opencv-python-headless==4.5.0.*",
    ]
    assert not asked.conda
    notes = "\n".join(checked.notes)
    for each in ("too old", "cudatoolkit", "azureml-defaults==1.0", "mlflow==1.2", "mcr.microsoft"):
        assert each in notes, each
    assert check(asked).requirements == asked


@pytest.mark.parametrize(
    ("asked", "python"),
    [
        ("=3", None),
        ("=3.*", None),
        (">=3.8", None),
        (">=3.8,<4", None),
        ("<3.99", None),
        ("!=3.9", None),
        (">=3.6,<3.9", ">=3.6,<3.9"),
        (">=3.98", ">=3.98"),
        ("=3.9.*", "3.9"),
        ("=3.9.7=h12debd9_1", "3.9.7"),
    ],
)
def test_several_versions_of_python(asked, python):
    """The submitter's is one of them; else it is the nearest to the first that is named."""
    checked = check(Requirements("e", conda=[f"python{asked}"]))
    assert checked.requirements.python == python
    if python is not None:
        assert wanted_python(python)[0] == 3


def test_exported_environment_of_conda():
    """What there is below each Python is left out, as the wheels of others bring it."""
    exported = """
    _libgcc_mutex=0.1=main ca-certificates=2021.1.19=h06a4308_0 certifi=2020.12.5=py37h06a4308_0
    libffi=3.3=he6710b0_2 openssl=1.1.1j=h27cfd23_0 pip=21.0.1=py37h06a4308_0 tk=8.6.10=hbc83047_0
    python=3.7.9=h7579374_0 sqlite=3.33.0=h62c20be_0 numpy-base=1.19.2=py37hfa32c7d_0
    """
    checked = check(Requirements("e", conda=exported.split()))
    assert checked.requirements.pip == ["certifi==2020.12.5.*"]
    assert checked.requirements.python == "3.7.9"


@pytest.mark.parametrize(
    "url",
    [
        "https://me:SE@CRET@host/simple",
        "https://me:SE/CRET@host/simple",
        "https://me:SE%2FCRET@host/simple",
        "https://SECRET@host/simple",
        "https://host/simple?api_key=SECRET",
    ],
)
def test_secret_of_an_index_is_not_shown(monkeypatch, url):
    """However it is written, and wherever it is said again."""
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", url)
    index = pip_settings.package_index([])
    for text in (index.said, shown(f"error: {url} gave 401", index.secrets)):
        assert "CRET" not in text
        assert "SE" not in text


def test_no_environment_is_this_python():
    """And a user-managed one, at no cost: nothing is started or said."""
    for asked in (Requirements(), Requirements("e"), Requirements("e", user_managed=True)):
        said = []
        prepared = prepare(asked, said.append)
        assert prepared.python == sys.executable
        assert said == []
    assert (
        prepare(Requirements("e", pip=["azureml-defaults"]), said.append).python == sys.executable
    )


def test_interpreter_of_the_user(tmp_path):
    """It is there, and has what logs; or the remedy is named."""
    given = Requirements("e", user_managed=True, interpreter=sys.executable)
    prepared = prepare(given, lambda _: None)
    assert prepared.python == sys.executable
    missing = Requirements("e", user_managed=True, interpreter="/no/python")
    with pytest.raises(EnvironmentBuildError, match="interpreter_path"):
        prepare(missing, lambda _: None)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    bare = Requirements("e", user_managed=True, interpreter=str(tmp_path / "bare/bin/python"))
    with pytest.raises(EnvironmentBuildError, match="-m pip install mlflow-workspace-plugin"):
        prepare(bare, lambda _: None)


def test_nearest_python():
    """That MLflow runs on, of those that are there, and this one where it is as near."""
    assert pythons.nearest(None) == pythons.this_python()
    this = "{}.{}".format(*sys.version_info)
    assert pythons.nearest(f"{this}.99") == pythons.this_python()
    said = []
    assert prepare(Requirements("e", python=f"{this}.99"), said.append).python == sys.executable
    assert f"is used for {this}.99" in said[0]
    for asked in ("3.8.13", "3.99"):
        found = pythons.nearest(asked)
        assert found.minor >= (3, 10)
        code = "import sys; print(*sys.version_info[:3], sep='.')"
        assert output_of([found.path, "-c", code]).strip() == found.version


def test_canceled_build_ends_at_once(tmp_path, monkeypatch):
    """With all that it started, and nothing of it is left."""
    monkeypatch.setenv(CACHE, str(tmp_path / "cache"))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))

    class CanceledError(Exception):
        pass

    def poll():
        if list((tmp_path / "cache").rglob("pyvenv.cfg")):
            raise CanceledError

    with pytest.raises(CanceledError):
        prepare(Requirements("e", pip=["emoji", "scikit-learn"]), lambda _: None, poll=poll)
    assert built.built() == []
    assert not list((tmp_path / "cache/environments").glob("*.building"))
    assert str(tmp_path) not in command_lines()


HOLD = """
import sys, time
from mlflow_workspace_plugin.jobs.environments.prepare import prepare
from mlflow_workspace_plugin.jobs.environments.requirements import Requirements
held = prepare(Requirements("env", pip=["emoji"]), lambda _: None)
print(held.python, flush=True)
time.sleep(600)
"""


def test_prune_leaves_what_is_used(tmp_path, monkeypatch):
    """By a job that runs; what a killed process left goes, and it is all made again."""
    monkeypatch.setenv(CACHE, str(tmp_path / "cache"))
    job = python_processes.Popen(
        ["-c", HOLD], stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    python = job.stdout.readline().strip()
    root = tmp_path / "cache/environments"
    (root / "abc.def.building/abc").mkdir(parents=True)
    (root / "half").mkdir()

    def env(*arguments):
        done = CliRunner().invoke(main, ["env", *arguments])
        assert done.exit_code == 0, done.output
        return done.output

    (listed,) = json.loads(env("list", "--json"))
    assert Path(python).is_relative_to(listed["folder"])
    assert listed["packages"] == ["emoji"]
    assert "emoji" in env("list")
    assert "Removed 0 environments" in env("prune", "--older-than", "0s")
    assert {each.name for each in root.iterdir()} == {listed["key"], "locks", "wheels"}
    output_of([python, "-c", "import emoji"])
    job.kill()
    job.wait()
    assert "Removed 0 environments" in env("prune")
    assert "Would remove 1" in env("prune", "--older-than", "0s", "--dry-run")
    assert Path(python).exists()
    assert "Removed 1 environments" in env("prune", "--older-than", "0s")
    assert {each.name for each in root.iterdir()} == {"locks", "wheels"}
    assert prepare(Requirements("env", pip=["emoji"]), lambda _: None).python == python
    # The Python that it was made of was removed.
    Path(python).unlink()
    Path(python).symlink_to("/no/python")
    assert built.built() == []


@pytest.mark.parametrize(
    ("files", "variables"),
    [
        ({}, {}),
        ({"user": "[global]\nindex-url = https://a/simple\nfind_links =\n    /x\n    /y\n"}, {}),
        (
            {"user": "[global]\nindex-url=https://a\n[install]\nindex-url=https://b\npre=yes\n"},
            {"PIP_INDEX_URL": "https://c", "PIP_EXTRA_INDEX_URL": "https://d https://e"},
        ),
        ({"user": "[global]\nno-index=true\n", "named": "[install]\ntrusted-host=h\n"}, {}),
        ({"user": "[global]\nproxy=http://p:1\n"}, {"PIP_CONFIG_FILE": os.devnull}),
    ],
    ids=str,
)
def test_pips_settings_are_read_as_pip_reads_them(tmp_path, monkeypatch, files, variables):
    """Which are in several files and in variables, one before the other."""
    for name in list(os.environ):
        if name.startswith("PIP_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_CONFIG_HOME", "XDG_CONFIG_DIRS"):
        monkeypatch.delenv(name, raising=False)
    places = {"user": tmp_path / ".config/pip/pip.conf", "named": tmp_path / "named.conf"}
    for name, text in files.items():
        places[name].parent.mkdir(parents=True, exist_ok=True)
        places[name].write_text(text)
        if name == "named":
            monkeypatch.setenv("PIP_CONFIG_FILE", str(places[name]))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    found = pip_settings.configured()
    found.pop("config-file", None)
    assert found == said_by_pip()


def said_by_pip() -> dict[str, list[str]]:
    """pip's settings for installing, as pip lists them."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    said = {}
    for section in ("global", "install", ":env:"):
        for line in listed.splitlines():
            key, _, value = line.partition("=")
            if key.startswith(f"{section}.") and key != ":env:.config-file":
                text = value[1:-1].replace("\\n", " ")
                said[key.removeprefix(f"{section}.").replace("_", "-")] = text.split()
    return said


@pytest.mark.parametrize(
    ("line", "is_detail"),
    [
        (" + mlflow==3.17.2", True),
        (" - pip==24.0", True),
        (" ~ own==1 (from file:///own)", True),
        ("Downloading numpy (16.1MiB)", True),
        (" Downloaded numpy", True),
        ("Downloading torch (857.6MiB)", False),
        ("Downloading nvidia-cudnn (1.2GiB)", False),
        ("Resolved 108 packages in 1.33s", False),
        ("Installed 108 packages in 527ms", False),
        ("   Building old @ file:///old", False),
        ("  cause: Because there is no version of emoji==999", False),
        ("  \u00d7 No solution found when resolving dependencies:", False),
    ],
)
def test_what_is_shown_of_a_build(line, is_detail):
    """Not the line of each package; what takes long, what is wrong, and how many there were are."""
    assert is_of_a_package(line) == is_detail


def test_uv_is_told_pips_settings(monkeypatch):
    """As pip would look for packages; and what the user told uv itself goes before."""
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    for name in list(os.environ):
        if name.startswith(("PIP_", "UV_")) and name != "PIP_CONFIG_FILE":
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_INDEX_URL", "https://one/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://two https://three")
    monkeypatch.setenv("TOKEN", "t0ken-of-mine")
    options = ["--extra-index-url https://me:${TOKEN}@four", "--pre", "--no-binary numpy"]
    index = pip_settings.package_index(options)
    assert index.variables == {
        "UV_DEFAULT_INDEX": "https://one/simple",
        "UV_INDEX": "https://two https://three https://me:t0ken-of-mine@four",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_PRERELEASE": "allow",
    }
    assert index.lines == ["--no-binary numpy"]
    assert index.secrets == ("t0ken-of-mine",)
    assert index.said == "https://two, https://three, https://***@four, https://one/simple"
    monkeypatch.setenv("UV_INDEX_URL", "https://of-uv")
    index = pip_settings.package_index([])
    assert "UV_DEFAULT_INDEX" not in index.variables
    assert index.said.endswith("https://of-uv")
    with pytest.raises(UserErrorException, match="NOT_SET"):
        pip_settings.package_index(["--index-url https://${NOT_SET}@x"])


def test_waiting_has_an_end_that_the_caller_sets(tmp_path, monkeypatch):
    """While another process builds, the callback is asked, and may end it."""
    monkeypatch.setenv(CACHE, str(tmp_path / "cache"))
    said = []

    def hold_first(line):
        said.append(line)

    prepared = prepare(Requirements("e", pip=["emoji"]), hold_first)
    key = Path(prepared.variables["VIRTUAL_ENV"]).name
    from mlflow_workspace_plugin.journal.files.lock import HeldLock

    lock = HeldLock.take(built.lock_of(key))
    began = time.monotonic()

    def poll():
        if time.monotonic() - began > 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(Requirements("e", pip=["emoji"]), said.append, poll=poll)
    assert "another process" in said[-1]
    lock.close()
