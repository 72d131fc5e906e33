"""What a call of SDK v1 wants, and what is said of something else that it was given."""

import functools
import inspect
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from mlflow_workspace_plugin.errors import UserErrorException

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

_MAKING = (".__new__", ".__init__")


def in_workspace(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Refuse what is no workspace as the argument ``workspace`` of a function.

    Raises:
        UserErrorException: at a call, that it was given something else.
    """
    position = list(inspect.signature(function).parameters).index("workspace")
    # SDK v1's scripts call them by the names of the classes that are derived from those.
    name = function.__qualname__.removeprefix("Abstract")
    for ending in _MAKING:
        name = name.removesuffix(ending)

    @functools.wraps(function)
    def call(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        if len(args) > position:
            check_workspace(args[position], name)
        elif "workspace" in kwargs:
            check_workspace(kwargs["workspace"], name)
        return function(*args, **kwargs)

    return call


def check_workspace(given: object, name: str) -> None:
    """Check that something is a workspace.

    Args:
        given: what a call was given.
        name: of what was called.

    Raises:
        UserErrorException: it is none.
    """
    from mlflow_workspace_plugin.sdk.workspace import Workspace

    if isinstance(given, Workspace):
        return
    # What is no text may show anything of itself.
    what = repr(given) if given is None or isinstance(given, str) else f"a {type(given).__name__}"
    remedy = f"Workspace.get({given!r})" if isinstance(given, str) else "Workspace.from_config()"
    raise UserErrorException(
        f"{name}() wants a workspace, and was given {what}. Give what {remedy} returns."
    )


def check_experiment(given: object, name: str) -> None:
    """Check that something is an experiment; arguments and errors as of :func:`check_workspace`."""
    from mlflow_workspace_plugin.sdk.experiment import Experiment

    if isinstance(given, Experiment):
        return
    what = repr(given) if given is None or isinstance(given, str) else f"a {type(given).__name__}"
    wanted = repr(given) if isinstance(given, str) else "name"
    raise UserErrorException(
        f"{name}() wants an experiment, and was given {what}. Give Experiment(workspace, {wanted})."
    )
