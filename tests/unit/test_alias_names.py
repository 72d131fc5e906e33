"""What the name azureml holds, and how what it does not hold behaves."""

from importlib import import_module

import pytest

from mlflow_workspace_plugin.alias import names
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
    """A module that nobody listed resolves where its package stands for all below it."""
    assert names.module_of("azureml.train.automl.runtime.x").sentence == (
        names.MODULES["azureml.train.automl"].sentence
    )
    assert names.module_of("azureml.core.nothing") is None
    assert names.module_of("azureml.nothing") is None


def test_every_exception_can_be_caught():
    """Those that nothing here raises are exceptions, too."""
    exceptions = import_module("mlflow_workspace_plugin.alias.exceptions")
    for name in names.EXCEPTIONS:
        assert issubclass(getattr(exceptions, name), Exception)
    assert issubclass(exceptions.TrainingException, AzureMLException)
    assert issubclass(exceptions.AuthenticationException, UserErrorException)
    assert exceptions.TrainingException is exceptions.TrainingException
    with pytest.raises(AttributeError):
        _ = exceptions.Nothing


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
