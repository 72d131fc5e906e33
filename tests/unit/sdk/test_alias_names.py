"""What the name azureml holds, and how what it does not hold behaves."""

import logging
from importlib import import_module

import pytest

from mlflow_workspace_plugin.alias import names, sdk_v1
from mlflow_workspace_plugin.alias.loader import attribute
from mlflow_workspace_plugin.alias.not_served import not_served
from mlflow_workspace_plugin.errors import AzureMLException, NotServedError, UserErrorException


@pytest.mark.parametrize("module", names.MODULES)
def test_every_served_name_is_there(module):
    """Each name that is said to be served leads to an object of this package."""
    for target in names.MODULES[module].served.values():
        home, _, attribute = target.partition(":")
        assert hasattr(import_module(home), attribute), target


@pytest.mark.parametrize("module", names.MODULES)
def test_every_refusal_says_what_to_do(module):
    """A name is either served or not, and each sentence has an end."""
    found = names.MODULES[module]
    assert not set(found.served) & set(found.not_served)
    for sentence in filter(None, [*found.not_served.values(), found.sentence]):
        assert len(sentence.split()) > 6, sentence


def test_modules_below_a_family_are_of_it():
    """Of a package beside azureml-core any module is taken for one that it had."""
    assert names.module_of("azureml.train.automl.runtime.x").sentence == (
        names.MODULES["azureml.train.automl"].sentence
    )
    assert names.module_of("azureml.nothing") is None


@pytest.mark.parametrize("name", ["nothing", "compute.nothing", "run.Run", "_nothing"])
def test_modules_that_azureml_core_lacks_are_not_there(name):
    """All that it has are known, so any other is an ImportError."""
    assert names.module_of(f"azureml.core.{name}") is None


ALL_MODULES = [*sdk_v1._lines()[0], *sdk_v1._lines()[1]]


def test_all_modules_of_azureml_core_are_known():
    """Private ones and those of other people that it carries with it, too."""
    assert len(ALL_MODULES) > 1300
    for name in (
        "azureml._common._error_definition.user_error",
        "azureml._model_management._util",
        "azureml._restclient.models.create_run_dto",
        "azureml._vendor.ruamel.yaml",
        "azureml.core.webservice.aks",
        "azureml.exceptions._azureml_exception",
    ):
        assert name in ALL_MODULES
    for name in names.MODULES:
        if sdk_v1.is_of_core(name):
            assert name in ALL_MODULES


def test_every_name_of_every_module_is_something():
    """An exception, an object of ours, or what says what to use instead; nothing is missing."""
    for module in ALL_MODULES:
        found = names.module_of(module)
        for name in (*found.starred, *found.not_served):
            if name in found.values or names.is_module(f"{module}.{name}"):
                continue
            value = attribute(module, found, name)
            if names.is_exception(name):
                assert issubclass(value, Exception), f"{module}.{name}"


@pytest.mark.parametrize(
    ("module", "name", "ours"),
    [
        ("azureml.core.compute_target", "ComputeTargetException", "ComputeTargetException"),
        ("azureml.core.authentication", "AuthenticationException", "AuthenticationException"),
        ("azureml.core.model", "WebserviceException", "WebserviceException"),
        ("azureml.core.workspace", "ProjectSystemException", "ProjectSystemException"),
        ("azureml.core.run", "RunEnvironmentException", "RunEnvironmentException"),
        ("azureml._common.exceptions", "AzureMLException", "AzureMLException"),
        ("azureml._restclient.exceptions", "ServiceException", "ServiceException"),
        # SDK v1's is its parent: who catches the one, catches the other.
        ("azureml._restclient.models", "ErrorResponseException", "ServiceException"),
        ("azureml.data.dataset_error_handling", "DatasetValidationError", "DatasetValidationError"),
        # Nobody knows what the packages beside azureml-core had in all their versions.
        ("azureml.train.automl.old", "SomeException", "SomeException"),
    ],
)
def test_exception_is_one_wherever_it_is_imported_from(module, name, ours):
    """It is the same as in azureml.exceptions."""
    exceptions = import_module("mlflow_workspace_plugin.alias.exceptions")
    assert attribute(module, names.module_of(module), name) is getattr(exceptions, ours)


def test_every_exception_can_be_caught_and_raised():
    """Those that nothing here raises are exceptions, too, with SDK v1's arguments."""
    exceptions = import_module("mlflow_workspace_plugin.alias.exceptions")
    for name in names.module_of("azureml.exceptions").starred:
        assert issubclass(getattr(exceptions, name), Exception)
    assert issubclass(exceptions.TrainingException, AzureMLException)
    assert issubclass(exceptions.AuthenticationException, UserErrorException)
    assert exceptions.TrainingException is exceptions.TrainingException
    cause = ValueError("cause")
    error = exceptions.ComputeTargetException("gone", inner_exception=cause, target="cpu")
    assert error.message == "gone"
    assert error.inner_exception is cause
    with pytest.raises(AttributeError):
        _ = exceptions.Nothing


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("azureml.core.run", "Worksapce"),
        ("azureml.core.run", "NoSuchException"),
        ("azureml.core", "_nothing"),
        ("azureml._model_management._util", "nothing"),
    ],
)
def test_names_that_are_known_not_to_be_there_are_not(module, name):
    """Where all names are known, a misspelt one is an AttributeError, and so an ImportError."""
    with pytest.raises(AttributeError, match=name):
        attribute(module, names.module_of(module), name)


def test_served_classes_are_the_same_wherever_they_are_imported_from():
    """SDK v1 imports them into its other modules, too; what it calls Run elsewhere is no run."""
    assert names.module_of("azureml.core.model").target("Experiment").endswith(":Experiment")
    assert names.module_of("azureml.core.script_run").target("Run").endswith(":Run")
    assert names.module_of("azureml._restclient.models").target("Run") is None


def test_what_told_microsoft_of_its_use_does_nothing():
    """It can be called as ever."""
    telemetry = import_module(names.TELEMETRY)
    assert telemetry.set_diagnostics_collection(send_diagnostics=True, verbosity=1) is None
    assert telemetry.get_diagnostics_collection_info() == (False, "NOTSET")
    with telemetry.diagnostic_log("debug.log") as log:
        log.stop_capture()
    with telemetry.log_activity(logging.getLogger("x"), "training", "PublicApi") as logger:
        logger.info("said")

    @telemetry.monitor_with_activity(logger, "training")
    def train():
        return 1

    assert train() == 1
    logging.getLogger("x").addHandler(telemetry.get_telemetry_log_handler(path="x"))


class TestNotServed:
    datastore = not_served("azureml.core.Datastore", "It named storage. Use paths.")

    def test_use_is_an_error_that_helps(self):
        """Calling it, an attribute of it, and a class derived from it."""
        message = r"azureml\.core\.Datastore .* is not served here\. It named storage\. Use paths\."
        with pytest.raises(NotServedError, match=message):
            self.datastore("name")
        with pytest.raises(NotServedError, match=message):
            self.datastore.get(None, "name")
        with pytest.raises(NotServedError, match=message):
            type("Mine", (self.datastore,), {})

    def test_what_is_no_use_is_no_error(self):
        """It stands in annotations, in isinstance, and is asked for what it has."""
        assert not isinstance("x", self.datastore)
        assert (self.datastore | None) is not None
        assert not hasattr(self.datastore, "get")
        assert repr(self.datastore) == "<azureml.core.Datastore: not served>"
