"""Environments, in SDK v1's words: what a script needs installed."""

import copy
import logging
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import mlflow_workspace_plugin.azureml  # noqa: F401  serves the name azureml

# isort: split
from azureml.core import Environment
from azureml.core.conda_dependencies import CondaDependencies
from azureml.core.environment import DEFAULT_CPU_IMAGE, DockerBuildContext
from azureml.core.runconfig import ContainerRegistry, EnvironmentDefinition

from mlflow_workspace_plugin.errors import NotServedError, UserErrorException
from mlflow_workspace_plugin.jobs.environments.requirements import Requirements

CONDA_FILE = """\
name: project
channels: [conda-forge]
variables: {THREADS: 4}
dependencies:
  - python=3.11
  - scikit-learn=1.5
  - pip=24.0
  - pip:
      - pandas>=2  # a comment
      - --extra-index-url https://example.com/simple
"""

words = st.text("abcxyz019-", min_size=1, max_size=8).map(lambda word: f"p{word}q")
requirements = st.builds(
    "{}{}".format,
    words,
    st.sampled_from(["", "==1.0", ">=2,<3", "[extra]", "; python_version>'3'"]),
)


@st.composite
def dependencies(draw):
    """Conda dependencies as their methods make them."""
    made = CondaDependencies.create(
        pip_packages=draw(st.none() | st.lists(requirements, max_size=4)),
        conda_packages=draw(st.lists(words, max_size=3)),
        python_version=draw(st.sampled_from(["3.10", "3.11.7", "3.10.18"])),
    )
    for option in draw(st.lists(st.sampled_from(["--pre", "--no-cache-dir"]), max_size=2)):
        made.set_pip_option(option)
    for channel in draw(st.lists(words, max_size=2)):
        made.add_channel(channel)
    return made


texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=12)


@st.composite
def environments(draw):
    """Environments with whatever can be said of one."""
    made = Environment(draw(words))
    made.python.conda_dependencies = draw(dependencies())
    made.python.user_managed_dependencies = draw(st.booleans())
    made.environment_variables = draw(st.dictionaries(words, texts, max_size=3))
    made.docker.enabled = draw(st.booleans())
    if draw(st.booleans()):
        made.docker.base_dockerfile = draw(texts)
    made.docker.base_image_registry.address = draw(st.none() | words)
    made.inferencing_stack_version = draw(st.none() | words)
    return made


class TestCondaDependencies:
    @given(dependencies())
    @settings(max_examples=50, deadline=None)
    def test_they_are_what_their_file_says(self, tmp_path_factory, given_):
        """Saved and read again, they are the same."""
        file = tmp_path_factory.mktemp("conda") / "conda.yml"
        given_.save(file)
        assert CondaDependencies(file) == given_
        assert CondaDependencies(_underlying_structure=given_.as_dict()) == given_

    def test_packages_are_added_and_replaced(self):
        """By their names, however these are written; what is read are iterators, as in SDK v1."""
        made = CondaDependencies.create(pip_packages=["a", "B_c==1"], conda_packages=["numpy"])
        made.add_pip_package("b-C==2")
        made.add_conda_package("conda-forge::numpy=2")
        made.add_conda_package("python=3.11")
        made.add_conda_package("python-dateutil")
        assert list(made.pip_packages) == ["a", "b-C==2"]
        assert next(made.conda_packages) == "python=3.11"
        assert list(made.conda_packages)[1:] == ["conda-forge::numpy=2", "python-dateutil"]
        assert made.get_python_version() == "3.11"
        made.remove_pip_package("A")
        made.remove_conda_package("numpy")
        assert list(made.pip_packages) == ["b-C==2"]
        assert list(made.conda_packages) == ["python=3.11", "python-dateutil"]

    def test_options_are_kept_apart(self):
        """There is one index, and as many others as are named."""
        made = CondaDependencies.create(pip_indexurl="https://one", pip_packages=["a"])
        made.set_pip_option("--extra-index-url https://two")
        made.set_pip_option("--extra-index-url https://three")
        made.set_pip_index_url("--index-url https://four")
        assert list(made.pip_options) == [
            "--extra-index-url https://two",
            "--extra-index-url https://three",
            "--index-url https://four",
        ]
        made.remove_pip_option("--extra-index-url")
        assert list(made.pip_options) == ["--index-url https://four"]
        assert list(made.pip_packages) == ["a"]

    @pytest.mark.parametrize(
        "wrong",
        [
            lambda made, _: made.add_pip_package("-e ."),
            lambda made, _: made.set_pip_option("pandas"),
            lambda made, _: made.remove_conda_package("python"),
            lambda made, folder: made.save(folder),
            lambda made, folder: made.save(folder / "none" / "conda.yml"),
            lambda *_: CondaDependencies.create(pip_packages="pandas"),
            lambda *_: CondaDependencies(_underlying_structure={"packages": []}),
            lambda *_: CondaDependencies(_underlying_structure=["pandas"]),
            lambda *_: CondaDependencies(_underlying_structure={"dependencies": [{"npm": []}]}),
        ],
    )
    def test_what_cannot_be_is_refused(self, wrong, tmp_path):
        """By SDK v1's exception."""
        with pytest.raises(UserErrorException):
            wrong(CondaDependencies(), tmp_path)


class TestConstructors:
    def test_conda_specification(self, tmp_path):
        """What jobs know of it; neither Python nor pip is a package."""
        file = tmp_path / "conda.yml"
        file.write_text(CONDA_FILE)
        made = Environment.from_conda_specification(name="env", file_path=str(file))
        assert made._requirements() == Requirements(
            name="env",
            python="3.11",
            pip=["pandas>=2"],
            pip_options=["--extra-index-url https://example.com/simple"],
            conda=["scikit-learn=1.5"],
            channels=["conda-forge"],
            variables={"THREADS": "4"},
        )

    def test_no_version_of_python_is_the_submitters(self, tmp_path):
        """SDK v1 writes its default into the file, which nobody has asked for."""
        file = tmp_path / "conda.yml"
        file.write_text("dependencies: [numpy]")
        made = Environment.from_conda_specification("env", file)
        assert made.python.conda_dependencies.get_python_version() == "3.10.18"
        assert made._requirements().python is None

    @pytest.mark.parametrize("text", ["packages: []", "- numpy", "a: [", "dependencies: numpy"])
    def test_no_environment_file(self, text, tmp_path):
        """SDK v1's exception; its text names the file."""
        file = tmp_path / "conda.yml"
        file.write_text(text)
        with pytest.raises(UserErrorException, match=r"conda\.yml"):
            Environment.from_conda_specification("env", file)

    def test_pip_requirements(self, tmp_path):
        """Included files are read, comments left out."""
        (tmp_path / "more").mkdir()
        (tmp_path / "more" / "base.txt").write_text("numpy # fast\n--pre\n")
        file = tmp_path / "requirements.txt"
        file.write_text("# mine\n\npandas>=2\n-r more/base.txt\nscipy \\\n  ==1.14\n")
        made = Environment.from_pip_requirements("env", file, pip_version="24.0")._requirements()
        assert made.pip == ["pandas>=2", "numpy", "scipy ==1.14"]
        assert (made.pip_options, made.conda) == (["--pre"], [])

    def test_requirements_that_include_themselves(self, tmp_path):
        """They end in an error, and not in all of memory."""
        file = tmp_path / "requirements.txt"
        file.write_text("-r requirements.txt")
        with pytest.raises(UserErrorException, match="includes itself"):
            Environment.from_pip_requirements("env", file)

    @pytest.mark.parametrize(
        "of", [Environment.from_conda_specification, Environment.from_pip_requirements]
    )
    def test_missing_file(self, of, tmp_path):
        """As in SDK v1."""
        with pytest.raises(FileNotFoundError):
            of("env", tmp_path / "none")

    def test_images(self, tmp_path):
        """The image is kept, and with no packages nothing is installed."""
        made = Environment.from_docker_image("env", "example.com/image:1")
        assert made._requirements().user_managed
        assert made._requirements().docker["base_image"] == "example.com/image:1"
        (tmp_path / "Dockerfile").write_text("FROM example.com/base")
        made = Environment.from_dockerfile("env", tmp_path / "Dockerfile")
        assert made.docker.base_dockerfile == "FROM example.com/base"
        assert made.docker.base_image is None
        context = DockerBuildContext.from_local_directory(None, tmp_path)
        made = Environment.from_docker_build_context("env", context)
        assert made._requirements().docker["build_context"]["location"] == str(tmp_path)
        with pytest.raises(UserErrorException, match="one of them"):
            Environment.from_docker_image("e", "i", conda_specification="a", pip_requirements="b")

    def test_conda_that_is_not_there(self, capsys, monkeypatch):
        """It is said, and there is no environment, as in SDK v1."""
        monkeypatch.setenv("PATH", "")
        assert Environment.from_existing_conda_environment("env", "mine") is None
        assert "'mine' cannot be read: conda cannot be started" in capsys.readouterr().out

    def test_name_is_a_text(self):
        """Any other is SDK v1's error."""
        with pytest.raises(TypeError):
            Environment(3)


class TestEnvironment:
    def test_nothing_asked_for_is_the_submitters_python(self):
        """The environment that SDK v1 makes where none is given is none."""
        assert EnvironmentDefinition()._requirements() == Requirements()
        assert Environment("mine")._requirements().name == "mine"

    def test_user_managed(self):
        """The seeds' way: this Python, or the one that is named."""
        made = Environment("user-managed-env")
        made.python.user_managed_dependencies = True
        assert made._requirements().user_managed
        assert made._requirements().interpreter == "python"
        made.python.interpreter_path = "/opt/conda/bin/python"
        assert made._requirements().interpreter == "/opt/conda/bin/python"

    def test_settings_that_exclude_each_other(self):
        """Of image and Dockerfile the last one is kept; a misspelt name is an error."""
        made = Environment("env")
        made.docker.enabled = made.docker.gpu_support = True
        assert made.docker.base_image == DEFAULT_CPU_IMAGE
        made.docker.base_dockerfile = "FROM example.com/base"
        assert made.docker.base_image is None
        made.docker.base_image = "example.com/image"
        assert made.docker.base_dockerfile is None
        with pytest.raises(AttributeError):
            made.docker.base_imag = "x"
        with pytest.raises(AttributeError):
            made.pyhton = "x"

    @given(environments())
    @settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    def test_it_is_what_its_folder_says(self, tmp_path_factory, given_):
        """Saved and loaded, stored and read, copied and cloned, it is the same."""
        folder = tmp_path_factory.mktemp("environment") / "saved"
        given_.save_to_directory(folder)
        assert Environment.load_from_directory(folder) == given_
        assert Environment.from_stored(given_.to_stored()) == given_
        assert copy.deepcopy(given_) == given_
        cloned = given_.clone("other")
        assert (cloned.name, cloned.python) == ("other", given_.python)
        again = Environment._from_requirements(given_._requirements())._requirements()
        assert (again.pip, again.conda) == (
            given_._requirements().pip,
            given_._requirements().conda,
        )

    def test_folder_is_not_overwritten_unasked(self, tmp_path):
        """As in SDK v1."""
        Environment("env").save_to_directory(tmp_path / "saved")
        with pytest.raises(FileExistsError):
            Environment("env").save_to_directory(tmp_path / "saved")
        Environment("other").save_to_directory(tmp_path / "saved", overwrite=True)
        assert Environment.load_from_directory(tmp_path / "saved").name == "other"
        with pytest.raises(FileNotFoundError):
            Environment.load_from_directory(tmp_path / "none")

    def test_passwords_of_registries_are_not_shown(self, tmp_path):
        """They are in no file and in no text of it."""
        made = Environment("env")
        registry = ContainerRegistry()
        registry.address, registry.password = "example.com", "hunter2"
        made.docker.base_image_registry = registry
        made.save_to_directory(tmp_path / "saved")
        written = "".join(each.read_text() for each in (tmp_path / "saved").iterdir())
        assert "hunter2" not in written + repr(made) + repr(made._requirements())

    def test_what_is_not_served_says_so(self):
        """There are no images to look at."""
        with pytest.raises(NotServedError, match="without images"):
            Environment("env").get_image_details(None)


class TestRegistered:
    @pytest.mark.databases
    def test_versions(self, workspace):
        """The same content keeps its version; the newest is found unless one is named."""
        made = Environment("env")
        made.python.conda_dependencies.add_pip_package("pandas")
        assert made.register(workspace).version == "1"
        assert made.version is None
        assert made.register(workspace=workspace).version == "1"
        made.python.conda_dependencies.add_pip_package("scipy")
        assert str(made.register(workspace)) == "Environment(Name: env,\nVersion: 2)"
        newest = Environment.get(workspace=workspace, name="env")
        first = Environment.get(workspace, "env", version="1")
        assert (newest.version, first.version) == ("2", "1")
        assert newest.python == made.python
        assert newest._requirements().version == "2"
        assert list(first.python.conda_dependencies.pip_packages)[-1] == "pandas"
        assert Environment.get(workspace, "env", label="latest") == newest
        assert {**Environment.list(workspace)} == workspace.environments == {"env": newest}

    @pytest.mark.parametrize(
        ("name", "more", "said"),
        [
            ("none", {}, "it holds env"),
            ("env", {"version": "7"}, "the newest is 1"),
            ("env", {"version": "x"}, "the newest is 1"),
            ("env", {"version": 1, "label": "latest"}, "one of them"),
            ("env", {"label": "stable"}, "no label"),
        ],
    )
    def test_missing_one_is_named(self, workspace, name, more, said):
        """With what is there."""
        Environment("env").register(workspace)
        with pytest.raises(UserErrorException, match=said):
            Environment.get(workspace, name, **more)

    @pytest.mark.parametrize("name", ["AzureML-mine", "Microsoft-mine", "", None])
    def test_name_that_cannot_be_registered(self, workspace, name):
        """Microsoft's are Microsoft's."""
        with pytest.raises(UserErrorException):
            Environment(name).register(workspace)

    @pytest.mark.parametrize(
        "option",
        [
            "--extra-index-url https://me:hunter2@example.com/simple",
            "--index-url=https://hunter2@example.com/simple",
        ],
    )
    def test_password_of_an_index_is_not_kept(self, workspace, option):
        """The error does not repeat it, and says how to give it."""
        made = Environment("env")
        made.python.conda_dependencies.set_pip_option(option)
        with pytest.raises(UserErrorException, match=r"\$\{NAME\}") as said:
            made.register(workspace)
        assert "hunter2" not in str(said.value)
        made.python.conda_dependencies.remove_pip_option(option)
        made.python.conda_dependencies.set_pip_option(option.replace("hunter2", "${SECRET}"))
        made.python.conda_dependencies.add_pip_package("x @ git+ssh://git@example.com/x.git")
        assert made.register(workspace).version == "1"


class TestBuild:
    def test_the_submitters_python_needs_no_building(self, workspace, capsys):
        """It is there: building it prints nothing of installing, and waiting is over at once."""
        made = Environment("env")
        made.python.user_managed_dependencies = True
        built = made.build(workspace=workspace)
        built.wait_for_completion(show_output=True)
        assert capsys.readouterr().out.endswith("Succeeded\n")
        assert (built.status, Path(built.interpreter).resolve()) == (
            "Succeeded",
            Path(sys.executable).resolve(),
        )
        assert made.build_local(workspace, useDocker=False).get_log() == built.get_log()

    def test_image_is_refused(self, workspace):
        """Nothing is installed in its place unasked; the switch is named."""
        with pytest.raises(UserErrorException, match="MLFLOW_WORKSPACE_JOBS_IN_THIS_PYTHON"):
            Environment.from_docker_image("env", "example.com/image").build(workspace)


class TestCurated:
    @pytest.mark.parametrize(
        ("name", "package"),
        [
            ("AzureML-sklearn-0.24-ubuntu18.04-py37-cpu", "scikit-learn"),
            ("AzureML-Tutorial", "scikit-learn"),
            ("AzureML-PyTorch-1.6-GPU", "torch"),
            ("AzureML-tensorflow-2.4-ubuntu18.04-py37-cuda11-gpu", "tensorflow"),
            ("AzureML-lightgbm-3.2-ubuntu18.04-py37-cpu", "lightgbm"),
        ],
    )
    def test_substitute_is_usable_and_said(self, workspace, caplog, name, package):
        """It has the name's packages, may be cloned, changed and registered."""
        with caplog.at_level(logging.WARNING):
            found = Environment.get(workspace, name=name)
        assert repr(name) in caplog.text
        assert "not here" in caplog.text
        mine = found.clone("mine")
        mine.python.conda_dependencies.add_pip_package("emoji")
        assert {package, "emoji"} <= {*mine._requirements().pip}
        assert mine.register(workspace).version == "1"

    def test_minimal_one_is_empty(self, workspace):
        """There is nothing to install."""
        assert Environment.get(workspace, "AzureML-Minimal")._requirements().pip == []
