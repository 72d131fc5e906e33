"""How calls of a store's methods travel: as JSON, in the form that the methods' own types say.

Both sides make it from the same signatures, so that nothing is accepted that a method does not say
it takes.
"""

import functools
import inspect
import json
import operator
import typing
from collections.abc import Callable, Collection, Mapping, Sequence
from types import UnionType
from typing import Annotated, Any

from mlflow.entities import Metric, Run, RunTag
from mlflow.protos.service_pb2 import Run as ProtoRun
from mlflow.utils.proto_json_utils import message_to_json, parse_dict
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationError,
    create_model,
)
from pydantic_core import PydanticSerializationError

from mlflow_workspace_plugin.bounded import TooMuchError, check_values
from mlflow_workspace_plugin.errors import UnstorableValueError, UserErrorException
from mlflow_workspace_plugin.hub.databases.storable import storable
from mlflow_workspace_plugin.stores.tracking import WorkspaceTrackingStore

_CONFIG = ConfigDict(
    extra="forbid",
    strict=True,
    # What is logged may be any number.
    ser_json_inf_nan="constants",
    protected_namespaces=(),
)
_ANSWER = "answer"
_MOST_VALUES = 500_000
"""In a call's JSON. Each may be a flaw, which takes more room than what was sent."""
_MOST_FLAWS = 1000
_LIMIT = 1 << 63
_WHOLE = Annotated[int, Field(ge=-_LIMIT, lt=_LIMIT)]
"""What a database takes for a whole number."""


class _NoObjectError(Exception):
    """Something is no object of MLflow's. Behind a ValueError the next one would be looked at."""


def _travelling(cls: type, to_json: Callable[[Any], Any], of_json: Callable[[Any], Any]) -> Any:
    """Say how objects of one of MLflow's classes travel."""

    def validated(value: Any) -> Any:
        if isinstance(value, cls):
            return value
        try:
            return of_json(value)
        except (ValueError, TypeError, KeyError, AttributeError):
            raise _NoObjectError(f"it holds what is no {cls.__name__}") from None

    return Annotated[cls, PlainValidator(validated), PlainSerializer(to_json)]


def _tag_of(said: Any) -> RunTag:
    key, value = said
    if not (isinstance(key, str) and isinstance(value, str)):
        raise TypeError
    return RunTag(key, value)


_METRIC = ("key", "value", "timestamp", "step", "model_id", "dataset_name", "dataset_digest")


def _metric_of(said: Any) -> Metric:
    key, value, timestamp, step, *texts = said
    is_number = all(type(each) in (int, float) for each in (value, timestamp, step))
    are_texts = all(each is None or isinstance(each, str) for each in texts)
    if not (isinstance(key, str) and is_number and are_texts):
        raise TypeError
    return Metric(**dict(zip(_METRIC, said, strict=True)))


def _run_of(said: Any) -> Run:
    proto = ProtoRun()
    parse_dict(said, proto)
    return Run.from_proto(proto)


def _run_to_json(run: Run) -> Any:
    return json.loads(message_to_json(run.to_proto()))


_OF_MLFLOW: Mapping[Any, Any] = {
    RunTag: _travelling(RunTag, lambda tag: [tag.key, tag.value], _tag_of),
    Metric: _travelling(
        Metric, lambda metric: [getattr(metric, each) for each in _METRIC], _metric_of
    ),
    Run: _travelling(Run, _run_to_json, _run_of),
}


class Form:
    """How the arguments and the answer of a method travel.

    Args:
        name: of the method.
    """

    def __init__(self, name: str) -> None:
        method = inspect.unwrap(getattr(WorkspaceTrackingStore, name))
        hints = typing.get_type_hints(method, include_extras=True)
        self.signature = inspect.signature(method)
        parameters = list(self.signature.parameters.values())[1:]
        self._arguments = _model(
            name,
            {
                each.name: (
                    _sent(hints[each.name]),
                    ... if each.default is each.empty else each.default,
                )
                for each in parameters
            },
        )
        self._answer = _model(name, {_ANSWER: (_with_mlflow(hints["return"]), ...)})
        self._name = name

    def call_to_json(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bytes:
        """Return the arguments of a call as JSON.

        Raises:
            UnstorableValueError: there is a text among them that is none.
        """
        given = self.signature.bind(None, *args, **kwargs).arguments
        values = dict(list(given.items())[1:])
        return _to_json(self._arguments.model_construct(set(values), **values))

    def call_of_json(self, content: bytes) -> dict[str, Any]:
        """Return the arguments of a call by name.

        Raises:
            UserErrorException: it is not what the method takes.
        """
        called = self._name.lstrip("_")
        try:
            check_values(content, _MOST_VALUES)
            found = self._arguments.model_validate_json(content)
        except TooMuchError as error:
            raise UserErrorException(
                f"What was sent to {called} is too large: {error}. Send less at a time."
            ) from None
        except (ValidationError, RecursionError, _NoObjectError) as error:
            raise UserErrorException(
                f"What was sent is not what {called} takes: {_flaw(error)}. "
                "Send what its parameters say, or install the same version on both sides."
            ) from error
        return {name: getattr(found, name) for name in found.model_fields_set}

    def answer_to_json(self, answer: Any) -> bytes:
        """Return an answer as JSON.

        What a row holds of which JSON has no word, as of a file whose name is no text, stands in it
        as it can be written: of a list of many things the others are to be read.
        """
        model = self._answer.model_construct(answer=answer)
        try:
            return _to_json(model)
        except UnstorableValueError:
            return json.dumps(_written(model.model_dump(warnings=False))).encode()

    def answer_of_json(self, content: bytes) -> Any:
        """Return an answer.

        Raises:
            ValueError: it is none.
        """
        try:
            return getattr(self._answer.model_validate_json(content), _ANSWER)
        except _NoObjectError as error:
            raise ValueError(_flaw(error)) from None


@functools.cache
def form_of(name: str) -> Form:
    """Return how calls of a method travel.

    Args:
        name: of the method.
    """
    return Form(name)


def _model(name: str, fields: dict[str, Any]) -> type[BaseModel]:
    made: type[BaseModel] = create_model(name.strip("_"), __config__=_CONFIG, **fields)
    return made


def _sent(hint: Any) -> Any:
    """Return the type of what is sent: as :func:`_with_mlflow`, and no number is larger."""
    return _with_mlflow(hint, {**_OF_MLFLOW, int: _WHOLE})


def _with_mlflow(hint: Any, known: Mapping[Any, Any] = _OF_MLFLOW) -> Any:
    """Return a type in which MLflow's classes, and collections of any kind, say how they travel."""
    if hint in known:
        return known[hint]
    origin = typing.get_origin(hint)
    if origin is Annotated:
        return hint
    parts = tuple(_with_mlflow(each, known) for each in typing.get_args(hint))
    if origin is Collection:
        return Annotated[list[parts[0]], PlainSerializer(list)]  # type: ignore[valid-type]
    if parts == typing.get_args(hint):
        return hint
    if origin is UnionType:
        return functools.reduce(operator.or_, parts)
    return origin[parts]


def _to_json(model: BaseModel) -> bytes:
    try:
        return model.model_dump_json(exclude_unset=True, warnings="error").encode()
    except (PydanticSerializationError, UnicodeEncodeError, ValueError) as error:
        raise UnstorableValueError(
            f"A value cannot be sent to the hub: {_flaw(error)}. Leave it out, or give what the "
            "method takes."
        ) from error


def _written(value: Any) -> Any:
    """Return a value in the way in which JSON can be written and read by everybody."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        return {_written(key): _written(each) for key, each in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_written(each) for each in value]
    return value


def _flaw(error: Exception) -> str:
    """Return what is wrong, without what was sent."""
    if not isinstance(error, ValidationError):
        return str(error).splitlines()[0].rstrip(".") or type(error).__name__
    if error.error_count() > _MOST_FLAWS:
        # To name the first all of them are made.
        return f"more than {_MOST_FLAWS:,} things in it are of other types"
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(str(each) for each in first["loc"])
    said = str(first["msg"]).rstrip(".")
    return f"{place}: {said}" if place else said
