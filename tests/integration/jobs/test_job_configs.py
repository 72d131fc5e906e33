"""What is submitted, in SDK v1's words, and what jobs know of it."""

import copy
import dataclasses
import enum
import fractions
import logging
import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import mlflow_workspace_plugin.azureml  # noqa: F401  serves the name azureml

# isort: split
from azureml.core import Environment, RunConfiguration, ScriptRunConfig
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.core.conda_dependencies import CondaDependencies
from azureml.core.runconfig import (
    Data,
    DataReferenceConfiguration,
    DockerConfiguration,
    MpiConfiguration,
    PyTorchConfiguration,
    TensorflowConfiguration,
)
from azureml.core.script_run_config import get_run_config_from_script_run
from azureml.train.dnn import Mpi, Nccl, ParameterServer, PyTorch, TensorFlow
from azureml.train.estimator import Estimator
from azureml.train.sklearn import SKLearn

from mlflow_workspace_plugin.errors import (
    AzureMLException,
    NotServedError,
    RunConfigurationException,
    TrainingException,
    UserErrorException,
)
from mlflow_workspace_plugin.jobs import computes
from mlflow_workspace_plugin.jobs.definition import Definition
from mlflow_workspace_plugin.jobs.engines.engine import Compute
from mlflow_workspace_plugin.jobs.environments.requirements import Requirements
from mlflow_workspace_plugin.sdk.jobs.wishes import NO_GPU, granted


class Size(enum.Enum):
    SMALL = "small"


class Colour(str, enum.Enum):
    RED = "red"


class TestArguments:
    def test_of_any_type(self):
        """Each is the text that a person would write on the command line."""
        given_ = ["--a", 1, 0.5, -1e-05, True, Path("data/x y"), np.float64(0.1), np.int64(3)]
        given_ += [np.float32(0.5), Size.SMALL, Colour.RED, fractions.Fraction(1, 3), b"bytes", ""]
        assert ScriptRunConfig(".", "train.py", given_)._definition().arguments == [
            *("--a", "1", "0.5", "-1e-05", "True", "data/x y", "0.1", "3"),
            *("0.5", "small", "red", "1/3", "bytes", ""),
        ]

    @pytest.mark.parametrize(
        ("arguments", "texts"),
        [
            (None, []),
            ((), []),
            (("--a", 1), ["--a", "1"]),
            (["--layers", [64, (32, 16)]], ["--layers", "64", "32", "16"]),
            ("--a 1 --name 'two words'", ["--a", "1", "--name", "two words"]),
            (np.array([1, 2]), ["1", "2"]),
            ((each for each in "ab"), ["a", "b"]),
        ],
    )
    def test_as_they_are_passed(self, arguments, texts):
        """Lists in lists are flat, and a line is read as a shell reads it."""
        assert ScriptRunConfig(".", "train.py", arguments)._definition().arguments == texts

    @given(st.lists(st.text(st.characters(exclude_characters="\0")) | st.integers()))
    @settings(max_examples=50, deadline=None)
    def test_texts_are_as_they_were(self, given_):
        """Quotes, spaces and odd characters included; a definition is stored as JSON."""
        definition = ScriptRunConfig(".", "train.py", given_)._definition()
        assert definition.arguments == [str(each) for each in given_]
        assert Definition.from_json(definition.to_json()) == definition

    @pytest.mark.parametrize(
        "wrong", [None, {"a": 1}, {1}, object(), "a\0b", [None], lambda: None, print]
    )
    def test_no_text_of_a_script(self, wrong):
        """It is refused, and its place is said."""
        with pytest.raises(UserErrorException, match=r"arguments\[1\]"):
            ScriptRunConfig(".", "train.py", ["--a", wrong])._definition()

    @pytest.mark.parametrize("wrong", [{"--a": 1}, b"--a", 3])
    def test_no_arguments(self, wrong):
        """A list is asked for."""
        with pytest.raises(UserErrorException, match="list"):
            ScriptRunConfig(".", "train.py", wrong)._definition()


class TestScriptRunConfig:
    def test_of_the_seeds(self, tmp_path):
        """The environment is set afterwards, on what was made."""
        user_managed_env = Environment("user-managed-env")
        user_managed_env.python.user_managed_dependencies = True
        src = ScriptRunConfig(source_directory=tmp_path, script="train.py")
        src.run_config.environment = user_managed_env
        definition = src._definition()
        assert (definition.script, definition.target) == ("train.py", "local")
        assert definition.command is None
        assert definition.max_run_duration_seconds == 30 * 24 * 3600
        assert Requirements.from_json(definition.environment).user_managed
        assert src._source_directory == str(tmp_path)
        assert src._notes() == []

    def test_nothing_said_is_this_python_on_this_machine(self):
        """No environment is made, nothing is noted."""
        src = ScriptRunConfig(".", script="train.py")
        assert src._definition() == Definition(
            script="train.py", environment=Requirements().to_json()
        )
        assert src._notes() == []

    def test_later_changes_do_not_reach_what_was_submitted(self):
        """A definition shares nothing with the config."""
        arguments, environment = ["--a", [1]], Environment("env")
        src = ScriptRunConfig(".", "train.py", arguments, environment=environment)
        src.run_config.environment_variables["A"] = 1
        definition = src._definition()
        before = copy.deepcopy(definition)
        arguments[1].append(2)
        environment.python.conda_dependencies.add_pip_package("scipy")
        environment.environment_variables["B"] = "2"
        src.run_config.environment_variables["A"] = 2
        src.run_config.target = "other"
        assert definition == before
        assert definition.variables == {"A": "1"}
        assert src._definition() != before

    def test_compute_target_by_itself_and_by_name(self, workspace):
        """What is no target is ignored, as in SDK v1."""
        configuration = AmlCompute.provisioning_configuration(max_nodes=1)
        target = ComputeTarget.create(workspace, "cluster", configuration)
        for each in (target, "cluster"):
            src = ScriptRunConfig(".", "train.py", compute_target=each)
            assert src.run_config.target == "cluster"
        src.run_config.target = None
        assert src._definition().target == "cluster"

    def test_command(self):
        """The words of a list have a space between, and the shell reads them, as in SDK v1."""
        src = ScriptRunConfig(".", command=["pip list &&", "python", "train.py", "--a", 0.5])
        assert src._definition().command == "pip list && python train.py --a 0.5"
        assert src._definition().script is None
        assert ScriptRunConfig(".", command="echo $HOME")._definition().command == "echo $HOME"

    def test_run_config_comes_first(self, caplog, tmp_path):
        """What it says itself is ignored beside it, and that is said; the script's words count."""
        config = RunConfiguration(script="their.py", arguments=["--b"])
        config.max_run_duration_seconds = 60
        with caplog.at_level(logging.WARNING):
            src = ScriptRunConfig(".", run_config=config, compute_target="cluster")
        assert "ignores compute_target" in caplog.text
        definition = src._definition()
        assert (definition.script, definition.arguments) == ("their.py", ["--b"])
        assert (definition.target, definition.max_run_duration_seconds) == ("local", 60)
        src = ScriptRunConfig(".", "mine.py", ["--a"], run_config=config)
        assert get_run_config_from_script_run(src).script == "mine.py"
        assert src._definition().arguments == ["--a"]
        config.save(tmp_path, "saved")
        src = ScriptRunConfig(tmp_path, run_config="saved")
        assert src._definition().script == "their.py"
        # Which is too much, and refused when it is submitted (SDK v1's).
        src = ScriptRunConfig(".", command="echo", run_config=config)
        assert (src._definition().script, src._definition().command) == ("their.py", "echo")

    @pytest.mark.parametrize(
        ("distributed", "processes", "framework", "nodes"),
        [
            (MpiConfiguration(process_count_per_node=2), 2, "Python", 1),
            (MpiConfiguration(node_count=3), 1, "Python", 3),
            (PyTorchConfiguration("Gloo", process_count=4), 4, "PyTorch", 1),
            (PyTorchConfiguration(process_count=4, node_count=2), 2, "PyTorch", 2),
            (PyTorchConfiguration(), 1, "PyTorch", 1),
            (TensorflowConfiguration(worker_count=2), 1, "Python", 2),
        ],
    )
    def test_several_processes(self, distributed, processes, framework, nodes):
        """How many on a node, and on how many nodes."""
        src = ScriptRunConfig(".", "train.py", distributed_job_config=distributed)
        found = src._definition()
        assert (found.processes, found.framework, found.node_count) == (
            processes,
            framework,
            nodes,
        )

    @pytest.mark.parametrize("count", [0, -1, 1.5, "2", True])
    def test_no_number_of_processes(self, count):
        """A whole number is asked for."""
        distributed = MpiConfiguration(process_count_per_node=count)
        with pytest.raises(UserErrorException, match="process_count_per_node"):
            ScriptRunConfig(".", "train.py", distributed_job_config=distributed)._definition()

    @pytest.mark.parametrize(
        "wrong",
        [
            lambda: ScriptRunConfig(".", "train.py", distributed_job_config=3),
            lambda: ScriptRunConfig(".", "train.py", docker_runtime_config=3),
            lambda: PyTorchConfiguration("Mpi"),
        ],
    )
    def test_no_such_configuration(self, wrong):
        """SDK v1's exception."""
        with pytest.raises(RunConfigurationException):
            wrong()

    @pytest.mark.parametrize(
        ("field", "value", "said"),
        [
            ("environment", "mine", "Environment.get(workspace, 'mine')"),
            ("environment", None, "environment is None"),
            ("framework", None, "framework is None"),
            ("communicator", 1, "communicator is 1"),
            ("mpi", {"process_count_per_node": 2}, "an MpiConfiguration"),
            ("pytorch", None, "a PyTorchConfiguration"),
            ("environment_variables", ["A"], "a dict of texts"),
            ("max_run_duration_seconds", "1h", "a number of seconds"),
            ("max_run_duration_seconds", True, "a number of seconds"),
        ],
    )
    def test_what_is_of_another_type(self, field, value, said):
        """Is refused by its name, when it is submitted, with what it is to be."""
        src = ScriptRunConfig(".", "train.py")
        setattr(src.run_config, field, value)
        with pytest.raises(UserErrorException, match=re.escape(said)):
            src._definition()

    @pytest.mark.parametrize(
        ("field", "value"),
        [("python", 3), ("python.conda_dependencies", "env.yml"), ("environment_variables", ["A"])],
    )
    def test_what_of_an_environment_is_of_another_type(self, field, value):
        """The same of its parts."""
        environment = Environment("mine")
        if field == "python.conda_dependencies":
            environment.python.conda_dependencies = value
        else:
            setattr(environment, field, value)
        with pytest.raises(UserErrorException, match=f"{field} of environment 'mine'"):
            ScriptRunConfig(".", "train.py", environment=environment)._definition()

    @pytest.mark.parametrize("packages", ["numpy", 3, [None]])
    def test_packages_that_are_no_list_of_texts(self, packages):
        """One text is not its letters, nor is None a package."""
        for argument in ("pip_packages", "conda_packages"):
            with pytest.raises(UserErrorException, match=argument):
                Estimator(".", entry_script="train.py", **{argument: packages})
            with pytest.raises(UserErrorException, match=argument):
                CondaDependencies.create(**{argument: packages})

    @pytest.mark.parametrize("given_", [{"environment": "mine"}, {"run_config": 3}])
    def test_what_is_of_another_type_is_refused_at_once(self, given_):
        """An environment by its name, as notebooks try it, and no run configuration."""
        with pytest.raises(UserErrorException, match=next(iter(given_))):
            ScriptRunConfig(".", "train.py", **given_)

    def test_data_that_is_no_such_is_refused(self):
        """It says what to do instead, when it is submitted."""
        src = ScriptRunConfig(".", "train.py")
        src.run_config.data["input"] = Data()
        with pytest.raises(UserErrorException, match="says not where its data is"):
            src._definition()
        src.run_config.data.clear()
        src.run_config.data_references["input"] = DataReferenceConfiguration()
        with pytest.raises(UserErrorException, match="misses the datastore name"):
            src._definition()
        src.run_config.data_references.clear()
        src.run_config.datacaches.append("cache")
        with pytest.raises(NotServedError, match="datacaches"):
            src._definition()
        with pytest.raises(NotServedError, match="resume_from"):
            ScriptRunConfig(".", "train.py", resume_from="outputs")

    def test_what_is_not_used_is_noted_once(self):
        """In one line, by its names."""
        docker = DockerConfiguration(use_docker=True)
        src = ScriptRunConfig(".", "train.py", docker_runtime_config=docker)
        src.run_config.amlcompute.vm_size = "STANDARD_D2_V2"
        src.run_config.environment.spark.precache_packages = False
        src.run_config.history.output_collection = False
        assert src._notes() == [
            "Recorded, and not used here: history, amlcompute, environment.spark, docker."
        ]

    def test_variable_that_looks_like_a_secret_is_noted(self):
        """By its name only, and what is stored stays what was asked for."""
        src = ScriptRunConfig(".", "train.py")
        src.run_config.environment_variables = {"DB_PASSWORD": "hunter2", "MONKEYS": "3"}
        src.run_config.environment.environment_variables["api_key"] = "hunter2"
        (note,) = src._notes()
        assert "variables DB_PASSWORD, api_key." in note
        assert "hunter2" not in note
        assert src._definition().variables["DB_PASSWORD"] == "hunter2"

    def test_variables_are_texts(self):
        """SDK v1's example, which stands in each environment of its, is nobody's wish."""
        environment = Environment("env")
        environment.environment_variables = {"EXAMPLE_ENV_VAR": "EXAMPLE_VALUE", "B": 2}
        src = ScriptRunConfig(".", "train.py", environment=environment)
        src.run_config.environment_variables = {"A": 1, "P": Path("x"), "N": None}
        definition = src._definition()
        assert definition.variables == {"A": "1", "P": "x"}
        assert definition.environment["variables"] == {"B": "2"}


names = st.text("abcxyz_", min_size=1, max_size=8)


@st.composite
def configurations(draw):
    """Run configurations with whatever can be said in one."""
    made = RunConfiguration(
        script=draw(st.none() | names),
        arguments=draw(st.lists(names | st.integers() | st.floats(0, 1) | st.booleans())),
        framework=draw(st.sampled_from([None, "Python", "PyTorch"])),
        communicator=draw(st.sampled_from([None, "Mpi"])),
        conda_dependencies=draw(
            st.none() | st.just(CondaDependencies.create(pip_packages=["pandas"]))
        ),
    )
    made.target = draw(names)
    made.environment_variables = draw(st.dictionaries(names, st.text(max_size=5), max_size=3))
    made.max_run_duration_seconds = draw(st.none() | st.integers(1, 10**7))
    made.mpi.process_count_per_node = draw(st.integers(1, 8))
    made.pytorch = PyTorchConfiguration("Gloo", process_count=draw(st.none() | st.integers(1, 8)))
    made.environment.python.user_managed_dependencies = draw(st.booleans())
    made.environment.docker.base_image = draw(st.none() | names)
    made.docker.use_docker = draw(st.booleans())
    made.data_references = draw(
        st.dictionaries(names, names.map(DataReferenceConfiguration), max_size=2)
    )
    return made


class TestRunConfiguration:
    @given(configurations(), st.booleans())
    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    def test_it_is_what_its_files_say(self, tmp_path_factory, given_, is_apart):
        """Saved and loaded from a project and from a file, it is the same."""
        project = tmp_path_factory.mktemp("project")
        given_.save(path=project, name="mine", separate_environment_yaml=is_apart)
        loaded = RunConfiguration.load(path=str(project), name="mine")
        assert loaded == given_
        loaded.save()
        assert RunConfiguration.load(project / ".azureml" / "mine") == given_
        given_.save(project / "one.yml", separate_environment_yaml=is_apart)
        assert RunConfiguration.load(project / "one.yml") == given_
        assert copy.deepcopy(given_) == given_

    def test_configurations_of_a_project_keep_their_packages(self, tmp_path):
        """Each has a file of its own, where the others' says something else."""
        for each in ("one", "two", "three"):
            packages = CondaDependencies.create(pip_packages=[each])
            RunConfiguration(conda_dependencies=packages).save(tmp_path, each)
        for each in ("one", "two", "three"):
            loaded = RunConfiguration.load(tmp_path, each)
            assert list(loaded.environment.python.conda_dependencies.pip_packages) == [each]

    def test_file_of_the_users_own_is_left(self, tmp_path):
        """A configuration that names one neither writes into it nor copies it."""
        own = tmp_path / "conda.yml"
        own.write_text("dependencies: [numpy]")
        config = RunConfiguration()
        config.environment.python.conda_dependencies_file = "conda.yml"
        config.save(tmp_path, "mine")
        assert own.read_text() == "dependencies: [numpy]"
        loaded = RunConfiguration.load(tmp_path, "mine")
        assert list(loaded.environment.python.conda_dependencies.conda_packages) == ["numpy"]

    def test_layout_is_sdk_v1s(self, tmp_path):
        """Its keys in its order, below .azureml, with the packages beside it."""
        RunConfiguration().save(tmp_path, "mine")
        stored = yaml.safe_load((tmp_path / ".azureml" / "mine").read_text())
        assert [*stored][:9] == [
            *("script", "arguments", "target", "framework", "communicator"),
            *("maxRunDurationSeconds", "nodeCount", "priority", "environment"),
        ]
        assert [*stored][-3:] == ["command", "environmentVariables", "applicationEndpoints"]
        python = stored["environment"]["python"]
        assert python["condaDependenciesFile"] == ".azureml/conda_dependencies.yml"
        assert (tmp_path / ".azureml" / "conda_dependencies.yml").is_file()

    def test_file_written_by_hand(self, tmp_path):
        """What is missing has its default; a key without a value is an empty list."""
        file = tmp_path / "hand.runconfig"
        file.write_text(
            "script: train.py\narguments:\ntarget: cluster\n"
            "environment:\n  python:\n    userManagedDependencies: true\nunknown: 1\n"
        )
        loaded = RunConfiguration.load(tmp_path, "hand")
        assert (loaded.script, loaded.arguments, loaded.target) == ("train.py", [], "cluster")
        assert loaded.environment.python.user_managed_dependencies
        assert ScriptRunConfig(tmp_path, run_config=loaded)._definition().target == "cluster"

    def test_what_cannot_be_loaded_or_saved(self, tmp_path):
        """SDK v1's exception; its text names the file."""
        with pytest.raises(UserErrorException, match="none"):
            RunConfiguration.load(tmp_path, "none")
        (tmp_path / "bad.yml").write_text("- a")
        with pytest.raises(UserErrorException, match=r"bad\.yml"):
            RunConfiguration.load(tmp_path / "bad.yml")
        with pytest.raises(UserErrorException, match="name"):
            RunConfiguration().save(tmp_path)
        with pytest.raises(UserErrorException, match="no folder"):
            RunConfiguration().save(tmp_path / "none" / "file.yml")
        RunConfiguration().save(tmp_path, "mine")
        RunConfiguration.delete(tmp_path, "mine")
        with pytest.raises(UserErrorException):
            RunConfiguration.delete(tmp_path, "mine")

    def test_misspelt_field_is_an_error(self):
        """As in SDK v1; and what it had once may still be set."""
        config = RunConfiguration()
        config.auto_prepare_environment = True
        with pytest.raises(AttributeError):
            config.enviroment = Environment("env")


class TestEstimators:
    def test_script_params(self, tmp_path):
        """A name without a value is a flag, and a list is several values."""
        estimator = Estimator(
            source_directory=str(tmp_path),
            script_params={"--a": 0.5, "--flag": "", "--none": None, "--layers": [64, 32], "-n": 0},
            compute_target="local",
            entry_script="train.py",
            environment_variables={"A": 1},
        )
        definition = estimator._definition()
        assert definition.arguments == [
            *("--a", "0.5", "--flag", "--none", "--layers", "64", "32", "-n", "0"),
        ]
        assert (definition.script, definition.variables) == ("train.py", {"A": "1"})
        assert estimator._source_directory == estimator.source_directory == str(tmp_path)
        assert definition.environment == Requirements().to_json()
        changed = estimator._with(script_params={"--a": 1})
        assert changed._definition().arguments[:2] == ["--a", "1"]
        assert estimator._definition() == definition

    def test_packages(self, tmp_path):
        """Given in the call, and in files of the folder."""
        (tmp_path / "requirements.txt").write_text("pandas\n# more\nscipy\n")
        estimator = Estimator(
            tmp_path,
            entry_script="train.py",
            pip_requirements_file="requirements.txt",
            pip_packages=["emoji"],
            conda_packages=["scikit-learn"],
            use_gpu=True,
        )
        definition = estimator._definition()
        requirements = Requirements.from_json(definition.environment)
        assert {"pandas", "scipy", "emoji"} < {*requirements.pip}
        assert requirements.conda == ["scikit-learn"]
        assert definition.gpus == 1
        assert estimator.run_config.environment.python.conda_dependencies is (
            estimator.conda_dependencies
        )

    @pytest.mark.parametrize(
        ("estimator", "package"),
        [(PyTorch, "torch"), (TensorFlow, "tensorflow"), (SKLearn, "scikit-learn")],
    )
    def test_framework(self, estimator, package):
        """The newest stands in for SDK v1's versions, and that is said; others are installed."""
        made = estimator(".", compute_target="local", entry_script="train.py")
        assert package in made._definition().environment["pip"]
        assert any(made.DEFAULT_VERSION in note for note in made._notes())
        made = estimator(".", entry_script="train.py", framework_version="9.1")
        assert f"{package}==9.1.*" in made._definition().environment["pip"]
        assert made._notes() == []
        made = estimator(".", entry_script="train.py", pip_packages=[f"{package}==8"])
        assert f"{package}==8" in made._definition().environment["pip"]
        assert made._notes() == []
        made = estimator(".", entry_script="train.py", user_managed=True)
        assert made._definition().environment["user_managed"]
        assert made._notes() == []

    @pytest.mark.parametrize(
        ("given_", "processes", "framework", "nodes"),
        [
            ({"distributed_training": Mpi(4)}, 4, "Python", 1),
            ({"distributed_training": MpiConfiguration(4), "node_count": 2}, 4, "Python", 2),
            ({"distributed_backend": "mpi", "process_count_per_node": 2}, 2, "Python", 1),
            ({"distributed_training": Nccl(), "process_count_per_node": 2}, 2, "PyTorch", 1),
            ({"distributed_training": ParameterServer(worker_count=2)}, 1, "Python", 2),
        ],
    )
    def test_several_processes(self, given_, processes, framework, nodes):
        """As the newer words say them."""
        found = Estimator(".", entry_script="train.py", **given_)._definition()
        assert (found.processes, found.framework, found.node_count) == (
            processes,
            framework,
            nodes,
        )

    @pytest.mark.parametrize(
        "wrong",
        [
            {"environment_definition": Environment("env"), "pip_packages": ["pandas"]},
            {"process_count_per_node": 2},
            {"distributed_backend": "none"},
            {"distributed_training": 3},
            {"script_params": ["--alpha", 0.5]},
        ],
    )
    def test_what_cannot_be_is_refused(self, wrong):
        """When it is made, as in SDK v1."""
        with pytest.raises((TrainingException, NotServedError)):
            Estimator(".", entry_script="train.py", **wrong)

    def test_size_of_a_machine_is_noted(self):
        """SDK v1 would make one; here it runs on this one."""
        made = Estimator(".", entry_script="train.py", vm_size="STANDARD_NC6")
        assert made._definition().target == "local"
        assert made._notes() == [
            "Recorded, and not used here: amlcompute.",
            "No machine is made for this run: it runs on this one.",
        ]

    def test_gpu_is_had_where_there_is_one(self, workspace, monkeypatch):
        """use_gpu chose an image in SDK v1: a machine without GPUs runs the script, and says so."""
        definition = Estimator(".", entry_script="train.py", use_gpu=True)._definition()
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
        assert granted(workspace.tracking_store, definition) == (
            dataclasses.replace(definition, gpus=0),
            [NO_GPU],
        )
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
        assert granted(workspace.tracking_store, definition) == (definition, [])
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
        cluster = Compute("cluster", "ray", "http://127.0.0.1:8265")
        workspace.tracking_store.put_compute(cluster)
        computes.remember(cluster)
        definition = dataclasses.replace(definition, target="cluster")
        assert granted(workspace.tracking_store, definition) == (definition, [])

    def test_errors_are_of_sdk_v1s_root(self):
        """One except clause catches them."""
        assert issubclass(TrainingException, AzureMLException)
