"""The part of SDK v1's ``Run`` that logs metrics and reads them."""

import numbers
from typing import Any

from mlflow.entities import Metric
from mlflow.tracking.fluent import get_active_model_id

from mlflow_workspace_plugin.errors import InvalidMetricError, UserErrorException
from mlflow_workspace_plugin.sdk.metric_order import MetricOrder
from mlflow_workspace_plugin.sdk.run_base import RunBase


class RunMetrics(RunBase):
    """Logs metrics of a run, and reads them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._orders: dict[str, MetricOrder] = {}

    def log(
        self,
        name: str,
        value: object,
        description: str = "",
        step: int | None = None,
    ) -> None:
        """Log one number as a value of a metric (SDK v1). Logging a name again appends.

        Args:
            name: the metric.
            value: any number. NaN is kept; MLflow's store keeps an infinity as the largest float.
            description: accepted and dropped, as in SDK v1.
            step: the step; by default the running index of the value within the metric.

        Equal values logged in one millisecond are told apart, by all threads that use this object.

        Raises:
            InvalidMetricError: the value is not one number, or the step no integer.
            mlflow.exceptions.MlflowException: MLflow refuses the name, or the run was deleted.
        """
        if type(value) is not float and not isinstance(value, numbers.Real):
            raise InvalidMetricError(
                f"Metric {name!r} was given {value!r} of type {type(value).__name__}, which is "
                "not one number. Log each number by a call of its own; log text with tag()."
            )
        try:
            number, given_step = float(value), None if step is None else int(step)
        except (OverflowError, ValueError, TypeError) as error:
            raise InvalidMetricError(
                f"Metric {name!r} was given a value or step that MLflow cannot hold: {error}. "
                "A value is a 64-bit float, a step an integer."
            ) from error
        timestamp, taken = self._order_of(name).next(given_step)
        # Past MLflow's client, whose own part of a call is more than all of this.
        self._store.log_metric(
            self._id, Metric(name, number, timestamp, taken, model_id=get_active_model_id())
        )

    def get_metrics(
        self,
        name: str | None = None,
        recursive: bool = False,  # noqa: FBT001, FBT002  SDK v1's signature
        run_type: str | None = None,
        populate: bool = False,  # noqa: FBT001, FBT002
    ) -> dict[str, Any]:
        """Return the values of metrics, in the order they were logged (SDK v1).

        Args:
            name: only this metric; all when None.
            recursive: not served yet.
            run_type: of SDK v1's jobs; accepted and ignored.
            populate: of SDK v1's file metrics; accepted and ignored.

        Returns:
            Each metric's values: a bare number if it has one, a list of numbers if several.

        Raises:
            UserErrorException: ``recursive`` was asked for.
        """
        if recursive:
            raise UserErrorException(
                "get_metrics(recursive=True) is not served yet: child runs have no names of their "
                "own here. Call get_metrics() on each run."
            )
        found = self._store.get_run_metrics(self.id, name)
        return {each: values[0] if len(values) == 1 else values for each, values in found.items()}

    def flush(self, timeout_seconds: int = 300) -> None:
        """Wait until all that this process logged is stored (SDK v1).

        Args:
            timeout_seconds: how long to wait, in seconds; what is not stored by then is kept, and
                stored later.
        """
        self._store.flush(timeout_seconds)

    def _order_of(self, name: str) -> MetricOrder:
        order = self._orders.get(name)
        if order is None:
            # The run may have values that this object did not log: go on behind them.
            latest = {m.key: m.step for m in self._mlflow_run().data.to_proto().metrics}
            order = self._orders.setdefault(name, MetricOrder(latest.get(name, -1)))
        return order
