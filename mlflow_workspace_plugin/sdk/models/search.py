"""Which model versions of a workspace are meant: SDK v1's filters on MLflow's registry."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.prompt.constants import IS_PROMPT_TAG_KEY
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, RESOURCE_DOES_NOT_EXIST, ErrorCode

from mlflow_workspace_plugin.errors import UserErrorException
from mlflow_workspace_plugin.runs import search as run_search
from mlflow_workspace_plugin.sdk.models import facts as model_facts

_MISSING = (ErrorCode.Name(RESOURCE_DOES_NOT_EXIST), ErrorCode.Name(INVALID_PARAMETER_VALUE))


@dataclass(frozen=True)
class ModelFilter:
    """SDK v1's filters; None means any.

    Args:
        name: the model's name.
        tags: keys, or ``[key, value]`` pairs; all must be there.
        properties: as ``tags``.
        run_id: of the run that it was registered from.
        framework: the model's framework.
        dataset_id: of a dataset that it was registered with.

    Raises:
        UserErrorException: tags or properties are no list, or hold something else.
    """

    name: str | None = None
    tags: Sequence[Any] | None = None
    properties: Sequence[Any] | None = None
    run_id: str | None = None
    framework: str | None = None
    dataset_id: str | None = None

    def __post_init__(self) -> None:
        for what, wanted in (("tags", self.tags), ("properties", self.properties)):
            if wanted is not None and not (
                isinstance(wanted, list) and all(map(_is_key_or_pair, wanted))
            ):
                raise UserErrorException(
                    f"The filter {what}={wanted!r} is no list of keys and [key, value] pairs. "
                    f'Write {what}=["key", ["other", "value"]].'
                )

    def matches(self, version: ModelVersion) -> bool:
        """Whether a version passes."""
        written = version.tags
        datasets = [each for _, each in model_facts.datasets_as_read(written)]
        return (
            IS_PROMPT_TAG_KEY not in written
            and self.name in (None, version.name)
            and self.run_id in (None, version.run_id)
            and self.framework in (None, written.get(model_facts.FRAMEWORK))
            and (self.dataset_id is None or self.dataset_id in datasets)
            and _holds(model_facts.tags_as_read(written), self.tags)
            and _holds(model_facts.properties_as_read(written), self.properties)
        )


def newest_first(
    client: MlflowClient, wanted: ModelFilter, page_size: int = 255
) -> Iterator[ModelVersion]:
    """Yield the versions that pass, newest first.

    Args:
        client: of the workspace.
        wanted: the filters.
        page_size: how many MLflow is asked for at once.
    """
    named = None if wanted.name is None else f"name = {_quoted(wanted.name)}"
    # By number within a name: clocks of machines differ.
    order = "creation_timestamp" if named is None else "version_number"
    token = None
    while True:
        page = client.search_model_versions(named, page_size, [f"{order} DESC"], token)
        yield from filter(wanted.matches, page)
        token = page.token
        if not token:
            return


def exact(client: MlflowClient, wanted: ModelFilter, version: "int | str") -> ModelVersion | None:
    """Return one version of the model of the filter's name, if it exists and passes."""
    try:
        found = client.get_model_version(wanted.name, str(version))
    except MlflowException as error:
        if error.error_code not in _MISSING:
            raise
        return None
    return found if wanted.matches(found) else None


def _is_key_or_pair(wanted: object) -> bool:
    return isinstance(wanted, str) or (isinstance(wanted, (list, tuple)) and len(wanted) == 2)


def _holds(pairs: dict[str, str | None], wanted: Sequence[Any] | None) -> bool:
    # As filters of runs: a value that is no text was stored as its text.
    return all(
        run_search.has(pairs, each if isinstance(each, str) else {each[0]: each[1]}, "pairs")
        for each in wanted or ()
    )


def _quoted(name: str) -> str:
    return f'"{name}"' if "'" in name else f"'{name}'"
