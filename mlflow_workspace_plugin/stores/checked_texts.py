"""Texts that a database would not store as they are are refused before they are sent to it."""

from collections.abc import Iterable

from mlflow.entities import Metric, Param, RunTag
from mlflow.store.tracking.dbmodels.models import SqlLoggedModelMetric, SqlRun
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NAME

from mlflow_workspace_plugin.hub.databases import storable

RUN_NAME_LENGTH = SqlRun.__table__.c.name.type.length
USER_LENGTH = SqlRun.__table__.c.user_id.type.length
_DATASET_NAME = SqlLoggedModelMetric.__table__.c.dataset_name.type.length
_DATASET_DIGEST = SqlLoggedModelMetric.__table__.c.dataset_digest.type.length


class CheckedTexts:
    """Checks texts for a store."""

    @property
    def _is_sqlite(self) -> bool:
        """Whether the database is SQLite, which stores what others do not."""
        raise NotImplementedError

    def _check_text(self, what: str, text: str | None, limit: int | None = None) -> None:
        """Refuse a text that the database would not store as it is.

        Args:
            what: names the text, such as ``The key of a param``.
            text: what is to be stored.
            limit: how many characters the column holds, where MLflow does not see to it.

        Raises:
            UnstorableValueError: it cannot be stored.
        """
        # What is no text is not ours to judge.
        if isinstance(text, str):
            storable.refuse(what, text, is_sqlite=self._is_sqlite, limit=limit)

    def _check_batch(
        self,
        metrics: Iterable[Metric],
        params: Iterable[Param],
        tags: Iterable[RunTag],
        *,
        is_away: bool = False,
    ) -> None:
        """Refuse metrics, params or tags of which the database would not store a text.

        Args:
            metrics: valid metrics.
            params: valid params.
            tags: valid tags.
            is_away: whether the database cannot say by itself that a name is too long for a run,
                after what it finds wrong before that.

        Raises:
            UnstorableValueError: a text cannot be stored.
        """
        for metric in metrics:
            self._check_text("The key of a metric", metric.key)
            if metric.model_id is not None:
                self._check_text("A model id", metric.model_id)
                self._check_text("The name of a dataset", metric.dataset_name, _DATASET_NAME)
                self._check_text("The digest of a dataset", metric.dataset_digest, _DATASET_DIGEST)
        for param in params:
            self._check_text("The key of a param", param.key)
            self._check_text(f"The value of param {param.key!r}", param.value)
        for tag in tags:
            self._check_text("The key of a tag", tag.key)
            limit = RUN_NAME_LENGTH if is_away and tag.key == MLFLOW_RUN_NAME else None
            self._check_text(f"The value of tag {tag.key!r}", tag.value, limit)
