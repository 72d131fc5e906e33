"""Who looks something up, finds none and creates it gets the one that somebody created meanwhile.

MLflow's clients do so by two calls, between which another process may do the same. What they make
of the answer that there is one now differs: ``mlflow.set_experiment`` takes it for a success, but
leaves the old experiment the active one; others raise it. Whoever just creates is told that there
is one, as ever.

A store knows by thread what was looked up last, and in which workspace: many clients may be used in
one. So this is for the stores of clients: a server answers many of them in one thread.
"""

import functools
import threading
import time
from typing import Any, TypeVar

from mlflow.entities import LifecycleStage
from mlflow.entities.model_registry import RegisteredModel
from mlflow.exceptions import MlflowException
from mlflow.prompt.registry_utils import has_prompt_tag
from mlflow.protos.databricks_pb2 import (
    INVALID_STATE,
    RESOURCE_ALREADY_EXISTS,
    RESOURCE_DOES_NOT_EXIST,
    ErrorCode,
)

from mlflow_workspace_plugin.journal.use import is_server

_HOLDS_S = 60
"""For how long what is noted and what follows it are taken for one call of MLflow's."""

AnyStore = TypeVar("AnyStore", bound=type)


class _Noted(threading.local):
    """One name of a workspace of a hub, as this thread has noted it last."""

    name: tuple[str, str] | None = None
    at = 0.0

    def note(self, store: Any, name: str) -> None:
        """Note a name of the store's workspace."""
        self.name, self.at = _full_name(store, name), time.monotonic()

    def forget(self) -> None:
        """Note none."""
        self.name = None

    def was(self, store: Any, name: str) -> bool:
        """Whether it was noted just now, which counts once."""
        noted, self.name = self.name, None
        is_new = time.monotonic() - self.at < _HOLDS_S
        return noted == _full_name(store, name) and is_new and not is_server()


def _full_name(store: Any, name: str) -> tuple[str, str]:
    return store.tracking_uri, name


def experiment_created_or_found(store: AnyStore) -> AnyStore:
    """Let a store answer with the id of an experiment that was created meanwhile.

    Only where it is as any other: one with tags or a place of its own may not be what was wanted.
    """
    beneath: Any = store
    look_up, create = beneath.get_experiment_by_name, beneath.create_experiment
    missing = _Noted()

    @functools.wraps(look_up)
    def get_experiment_by_name(self: Any, experiment_name: str) -> Any:
        missing.forget()
        found = look_up(self, experiment_name)
        if found is None:
            missing.note(self, experiment_name)
        return found

    @functools.wraps(create)
    def create_experiment(
        self: Any,
        name: str,
        artifact_location: str | None = None,
        tags: list[Any] | None = None,
    ) -> Any:
        was_missing = missing.was(self, name)
        try:
            return create(self, name, artifact_location, tags)
        except MlflowException as error:
            if not _is_there(error) or not was_missing or artifact_location or tags:
                raise
            found = look_up(self, name)
            if found is None:
                raise
            if found.lifecycle_stage != LifecycleStage.ACTIVE:
                raise MlflowException(
                    f"Experiment {name!r} was created and deleted by somebody else just now. "
                    f"Restore it with MlflowClient.restore_experiment({found.experiment_id!r}), "
                    "or use another name.",
                    INVALID_STATE,
                ) from error
            return found.experiment_id

    beneath.get_experiment_by_name = get_experiment_by_name
    beneath.create_experiment = create_experiment
    return store


def prompt_created_or_found(store: AnyStore) -> AnyStore:
    """Let a registry answer with a prompt that was created meanwhile, with the tags of both."""
    beneath: Any = store
    look_up, create = beneath.get_registered_model, beneath.create_registered_model
    missing, of_others = _Noted(), _Noted()

    @functools.wraps(look_up)
    def get_registered_model(self: Any, name: str) -> RegisteredModel:
        missing.forget()
        try:
            return look_up(self, name)
        except MlflowException as error:
            if _is_missing(error):
                missing.note(self, name)
            raise

    @functools.wraps(create)
    def create_registered_model(
        self: Any, name: str, tags: list[Any] | None = None, *args: Any, **kwargs: Any
    ) -> RegisteredModel:
        was_missing = missing.was(self, name)
        of_others.forget()
        try:
            return create(self, name, tags, *args, **kwargs)
        except MlflowException as error:
            is_race = _is_there(error) and was_missing and has_prompt_tag(tags)
            if not is_race or not has_prompt_tag(look_up(self, name)._tags):
                raise
            for tag in tags or ():
                self.set_registered_model_tag(name, tag)
            of_others.note(self, name)
            return look_up(self, name)

    beneath.get_registered_model = get_registered_model
    beneath.create_registered_model = create_registered_model
    _keep_of_others(beneath, of_others)
    return store


def _keep_of_others(store: Any, of_others: _Noted) -> None:
    """Let a prompt that was created meanwhile stay.

    MLflow deletes one that it believes to have created if its first version fails.

    Args:
        store: the class of the registry.
        of_others: what a thread was to create, and found.
    """
    create_version, delete = store.create_model_version, store.delete_registered_model
    delete_of_user = store.delete_prompt

    @functools.wraps(create_version)
    def create_model_version(self: Any, name: str, *args: Any, **kwargs: Any) -> Any:
        version = create_version(self, name, *args, **kwargs)
        of_others.forget()
        return version

    @functools.wraps(delete)
    def delete_registered_model(self: Any, name: str) -> None:
        if of_others.was(self, name):
            raise MlflowException(
                f"Prompt {name!r} stays: somebody else created it just now.", INVALID_STATE
            )
        delete(self, name)

    @functools.wraps(delete_of_user)
    def delete_prompt(self: Any, name: str) -> None:
        of_others.forget()
        delete_of_user(self, name)

    store.create_model_version = create_model_version
    store.delete_prompt = delete_prompt
    store.delete_registered_model = delete_registered_model


def _is_there(error: MlflowException) -> bool:
    return bool(error.error_code == ErrorCode.Name(RESOURCE_ALREADY_EXISTS))


def _is_missing(error: MlflowException) -> bool:
    return bool(error.error_code == ErrorCode.Name(RESOURCE_DOES_NOT_EXIST))
