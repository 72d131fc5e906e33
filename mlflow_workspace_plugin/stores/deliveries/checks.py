"""What values that a stranger sends may say: what MLflow's server takes in a request.

The journal of a process is its own, and is trusted. What is sent to a served hub, be it a journal
or a call, may say anything.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mlflow.entities import Metric, RunStatus, RunTag
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.utils.validation import (
    _validate_metric,
    _validate_param,
    _validate_run_id,
)

from mlflow_workspace_plugin.hub.databases import storable
from mlflow_workspace_plugin.journal.files.records import OTHERS, UNCOUNTED, Kind, Record
from mlflow_workspace_plugin.stores.checked_texts import RUN_NAME_LENGTH, CheckedTexts
from mlflow_workspace_plugin.stores.reads.exact_values import ExactValue
from mlflow_workspace_plugin.stores.tags.growing_tags import valid_tag
from mlflow_workspace_plugin.stores.tags.own_tags import DESCRIPTOR_PREFIX, is_descriptor

_LIMIT = 1 << 63
_MOST_COUNTED = 1 << 40
_MODEL_ID_LENGTH = 50
_TABLE_LENGTH = 64
_VALUE_PARTS = (4, 7)
_EXACT_PARTS = (4, 5)
_INFO_PARTS = 4
_TYPED_PARTS = 3
_SCALARS = (str, bool, int, float, type(None))
_OF_MODEL = operator.attrgetter("model_id", "dataset_name", "dataset_digest")


class Checks:
    """Checks records before they are delivered.

    Args:
        store: of the hub, whose database takes some texts and not others.
    """

    def __init__(self, store: CheckedTexts) -> None:
        self._store = store
        # Names that were found good: a training logs to few metrics.
        self._good: set[str] = set()
        self._of_kind: dict[str, Callable[[Any], Any]] = {
            Kind.METRICS: self._values,
            Kind.TYPED: self._typed,
            Kind.PARAM: self._params,
            Kind.PARAMS: self._params,
            Kind.TAG: self._tags,
            Kind.TAGS: self._tags,
            Kind.DESCRIBED: self._descriptors,
            Kind.INFO: self._info,
            Kind.DROPPED: self._counts,
            Kind.LOGGED: self._counts,
        }

    def checked_or_refusal(self, record: Record) -> Record | MlflowException:
        """Return a record as it may be delivered: MLflow cuts what is too long, say.

        Returns:
            Or why it may not be delivered: as MLflow's server has it, where that knows a word for
            what is wrong.
        """
        try:
            return self.checked(record)
        except MlflowException as error:
            return error

    def checked(self, record: Record) -> Record:
        """Return a record as it may be delivered.

        Raises:
            MlflowException: it may not be.
        """
        check = self._of_kind.get(record.kind)
        if check is None:
            raise _refused(f"This server knows no record of kind {record.kind[:40]!r}.")
        _validate_run_id(record.run_id)
        self._store._check_text("The id of a run", record.run_id)
        if record.called_at is not None:
            _whole(record.called_at, "The time of a call")
        return record._replace(content=check(record.content))

    def _values(self, content: Any) -> list[list[Any]]:
        return [self._value(each) for each in _list(content, "The values of metrics")]

    def _value(self, given: Any) -> list[Any]:
        if not isinstance(given, list) or len(given) not in _VALUE_PARTS:
            raise _refused("A value of a metric is a list of key, value, timestamp and step.")
        key, value, timestamp, step, *model = given
        self._metric(key, value, timestamp, step)
        if model:
            model_id, dataset_name, dataset_digest = model
            _text(model_id, "A model id", _MODEL_ID_LENGTH)
            for each in (dataset_name, dataset_digest):
                if each is not None:
                    _text(each, "The name or digest of a dataset")
            metric = Metric(key, value, timestamp, step, *model, run_id="")
            self._store._check_batch([metric], (), ())
        try:
            return [key, float(value), timestamp, step, *model]
        except OverflowError:
            raise _refused(f"The value of metric {key!r} is too large for a double.") from None

    def _metric(self, key: Any, value: Any, timestamp: Any, step: Any) -> None:
        if not isinstance(key, str) or key not in self._good:
            _text(key, "The key of a metric")
            _validate_metric(key, 0.0, 0, 0)
            self._store._check_text("The key of a metric", key)
            self._good.add(key)
        if type(value) is not float:
            _validate_metric(key, value, timestamp, step)
        _whole(timestamp, "A timestamp")
        _whole(step, "A step", least=-_LIMIT)

    def _typed(self, content: Any) -> list[Any]:
        if not isinstance(content, list) or len(content) != _TYPED_PARTS:
            raise _refused("Typed values are a list of numbers, of what they are, and a table.")
        values, exact, table = content
        if table is not None:
            self._store._check_text("The name of a table", _text(table, "A table", _TABLE_LENGTH))
        return [
            self._values(values),
            [self._exact(each) for each in _list(exact, "Typed values")],
            table,
        ]

    def _exact(self, given: Any) -> list[Any]:
        if not isinstance(given, list) or len(given) not in _EXACT_PARTS:
            raise _refused("A typed value is a list of key, timestamp, step and value.")
        key, timestamp, step, value, *alone = given
        _text(key, "The key of a metric")
        _whole(timestamp, "A timestamp")
        _whole(step, "A step", least=-_LIMIT)
        if not isinstance(value, _SCALARS) or not all(isinstance(each, bool) for each in alone):
            raise _refused(f"Metric {key!r} was given what is neither number, text nor nothing.")
        if any(alone):
            self._metric(key, 0.0, timestamp, step)
        return given

    def _params(self, content: Any) -> dict[str, str]:
        valid = [_validate_param(key, value) for key, value in _texts(content, "Params")]
        self._store._check_batch((), valid, ())
        return {each.key: each.value for each in valid}

    def _tags(self, content: Any) -> dict[str, str]:
        valid = [valid_tag(key, value) for key, value in _texts(content, "Tags")]
        self._store._check_batch((), (), valid, is_away=True)
        return {each.key: each.value for each in valid}

    def _descriptors(self, content: Any) -> dict[str, str]:
        for key, value in _texts(content, "Descriptors"):
            if not key.startswith(DESCRIPTOR_PREFIX) or not is_descriptor(value):
                raise _refused(f"{storable.shown(key)} describes no metric.")
            valid_tag(key, value)
            self._store._check_batch((), (), [RunTag(key, value)])
        described: dict[str, str] = content
        return described

    def _info(self, content: Any) -> list[Any]:
        if not isinstance(content, list) or len(content) != _INFO_PARTS:
            raise _refused("A change of a run is a list of status, end, name and counts.")
        status, end_time, name, logged = content
        if status is not None and not _is_status(status):
            raise _refused(f"{storable.shown(str(status))} is no status of a run.")
        if end_time is not None:
            _whole(end_time, "The end of a run")
        if name is not None:
            _text(name or "-", "The name of a run")
            self._store._check_text("The name of a run", name, RUN_NAME_LENGTH)
        return [status, end_time, name, self._counts(logged)]

    def _counts(self, content: Any) -> dict[str, int]:
        if not isinstance(content, dict):
            raise _refused("Counts are numbers by the keys of metrics.")
        for key, count in content.items():
            if key not in (UNCOUNTED, OTHERS):
                self._metric(key, 0.0, 0, 0)
            if type(count) is not int or not 0 <= count <= _MOST_COUNTED:
                raise _refused(f"The count of {storable.shown(key)} is none.")
        return content


def checked_values(
    store: CheckedTexts,
    run_id: str,
    metrics: Sequence[Metric],
    exact: Sequence[ExactValue] = (),
    descriptors: Mapping[str, str] | None = None,
    table: str | None = None,
) -> dict[str, Any]:
    """Return what somebody sent to ``log_values``, by parameter, as it may be stored.

    Args:
        store: of the workspace.
        run_id: as that method has it, like the others.
        metrics: the numbers.
        exact: what was logged in their place.
        descriptors: tags that describe them.
        table: whose rows they are.

    Raises:
        MlflowException: a journal that says it would be refused.
    """
    checks = Checks(store)
    content = [list(map(_sent, metrics)), list(map(list, exact)), table]
    values, _, _ = checks.checked(Record(1, Kind.TYPED.value, run_id, None, content)).content
    if descriptors:
        checks.checked(Record(1, Kind.DESCRIBED.value, run_id, None, descriptors))
    return {
        "run_id": run_id,
        "metrics": [Metric(*each) for each in values],
        "exact": exact,
        "descriptors": descriptors,
        "table": table,
    }


def _sent(metric: Metric) -> list[Any]:
    of_model = [] if metric.model_id is None else _OF_MODEL(metric)
    return [metric.key, metric.value, metric.timestamp, metric.step, *of_model]


def _refused(message: str) -> MlflowException:
    return MlflowException(message, INVALID_PARAMETER_VALUE)


def _list(given: Any, what: str) -> list[Any]:
    if not isinstance(given, list):
        raise _refused(f"{what} are no list.")
    return given


def _text(given: Any, what: str, limit: int | None = None) -> str:
    if not isinstance(given, str) or not given:
        raise _refused(f"{what} is no text.")
    if limit is not None and len(given) > limit:
        raise _refused(f"{what} has more than {limit} characters.")
    return given


def _texts(given: Any, what: str) -> list[tuple[str, str]]:
    """Return the items of what is to be one or more texts by keys."""
    if not isinstance(given, dict) or not given:
        raise _refused(f"{what} are texts by keys.")
    if not all(isinstance(value, str) for value in given.values()):
        raise _refused(f"{what} are texts.")
    return list(given.items())


def _whole(given: Any, what: str, least: int = 0) -> int:
    if type(given) is not int or not least <= given < _LIMIT:
        raise _refused(f"{what} is a whole number of at most 64 bits.")
    return given


def _is_status(given: Any) -> bool:
    return isinstance(given, str) and given in RunStatus._STRING_TO_STATUS
