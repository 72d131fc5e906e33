"""What SDK v1 knows about a model, as the tags of a model version of MLflow's registry.

A tag of SDK v1 is a tag of the version, so that MLflow's UI and searches know it. What MLflow has
no place for is kept in tags that begin with ``mlflow.workspace.``.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlflow.tracking.context.default_context import DefaultRunContext
from mlflow.utils.mlflow_tags import MLFLOW_USER

from mlflow_workspace_plugin.errors import WebserviceException
from mlflow_workspace_plugin.runs import tag_text
from mlflow_workspace_plugin.runs.tag_text import OURS
from mlflow_workspace_plugin.sdk.models.resource_configuration import ResourceConfiguration

_PROPERTY_PREFIX = f"{OURS}property."
FRAMEWORK = f"{OURS}framework"
FRAMEWORK_VERSION = f"{OURS}framework_version"
CREATED_BY = f"{OURS}created_by"
FOLDER = f"{OURS}folder"
"""The name of the folder that was registered; empty if it was a file."""
DATASETS = f"{OURS}datasets"
SAMPLE_INPUT = f"{OURS}sample_input_dataset"
SAMPLE_OUTPUT = f"{OURS}sample_output_dataset"
RESOURCES = f"{OURS}resource_configuration"

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9\-._]{0,254}")


@dataclass(frozen=True)
class ModelFacts:
    """What a model is registered with.

    Raises:
        WebserviceException: the name breaks SDK v1's rule, tags or properties are no dict or not
            JSON, or there is a framework version without a framework.
    """

    name: str
    tags: Mapping[str, Any] | None = None
    properties: Mapping[str, Any] | None = None
    description: str | None = None
    framework: str | None = None
    framework_version: str | None = None
    datasets: Sequence[tuple[str, object]] | None = None
    sample_input_dataset: object = None
    sample_output_dataset: object = None
    resource_configuration: ResourceConfiguration | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise WebserviceException(
                f"Model name {self.name!r} is not 1-255 letters, digits, '-', '.' and '_' that "
                "begin with a letter or digit. Choose another name."
            )
        if self.framework_version is not None and self.framework is None:
            raise WebserviceException(
                f"Model {self.name!r} was given model_framework_version="
                f"{self.framework_version!r} and no model_framework. Give both."
            )
        for what, pairs in (("tags", self.tags), ("properties", self.properties)):
            if pairs is not None:
                _check(what, pairs)

    def version_tags(self, folder: str) -> dict[str, str]:
        """Return the tags of the model version.

        Args:
            folder: the name of the registered folder; empty for a file.
        """
        datasets = [[purpose, dataset_text(each)] for purpose, each in self.datasets or ()]
        resources = self.resource_configuration
        facts = {
            CREATED_BY: DefaultRunContext().tags()[MLFLOW_USER],
            FOLDER: folder,
            FRAMEWORK: self.framework,
            FRAMEWORK_VERSION: self.framework_version,
            DATASETS: json.dumps(datasets) if datasets else None,
            SAMPLE_INPUT: dataset_text(self.sample_input_dataset),
            SAMPLE_OUTPUT: dataset_text(self.sample_output_dataset),
            RESOURCES: None if resources is None else resources.to_text(),
        }
        return {
            **tags_as_written(self.tags or {}),
            **properties_as_written(self.properties or {}),
            **{key: text for key, text in facts.items() if text is not None},
        }


def tags_as_written(tags: Mapping[str, Any]) -> dict[str, str]:
    """Return tags of SDK v1 as those of a model version.

    Raises:
        WebserviceException: it is no dict, or not JSON.
    """
    _check("tags", tags)
    return tag_text.to_mlflow(tag_text.as_text(tags))


def properties_as_written(properties: Mapping[str, Any]) -> dict[str, str]:
    """Return properties of SDK v1 as tags of a model version.

    Raises:
        WebserviceException: it is no dict, or not JSON.
    """
    _check("properties", properties)
    return tag_text.to_mlflow(tag_text.as_text(properties), _PROPERTY_PREFIX)


def tags_as_read(written: Mapping[str, str]) -> dict[str, str | None]:
    """Return the tags of SDK v1 among those of a model version."""
    return tag_text.from_mlflow(written)


def properties_as_read(written: Mapping[str, str]) -> dict[str, str | None]:
    """Return the properties of SDK v1 among the tags of a model version."""
    return tag_text.from_mlflow(written, _PROPERTY_PREFIX)


def datasets_as_read(written: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the datasets among the tags of a model version: purpose, and what is kept of it."""
    return [(purpose, each) for purpose, each in json.loads(written.get(DATASETS, "[]"))]


def dataset_text(dataset: object) -> str | None:
    """Return what is kept of a dataset: its id if it has one, else its text."""
    if dataset is None:
        return None
    return str(getattr(dataset, "id", None) or dataset)


def _check(what: str, pairs: object) -> None:
    if not isinstance(pairs, dict):
        raise WebserviceException(
            f"The {what} of a model are of type {type(pairs).__name__}. Give a dict."
        )
    try:
        json.dumps(pairs)
    except (TypeError, ValueError) as error:
        raise WebserviceException(
            f"The {what} of a model cannot be written as JSON: {error}. "
            "Give a dict of text, numbers and None."
        ) from error
