"""SDK v1's ``Model``."""

import builtins
import os
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode

from mlflow_workspace_plugin.errors import (
    ModelNotFoundException,
    RunEnvironmentException,
    UserErrorException,
    WebserviceException,
)
from mlflow_workspace_plugin.runs import tag_text
from mlflow_workspace_plugin.sdk.models import cache as model_cache
from mlflow_workspace_plugin.sdk.models import facts as model_facts
from mlflow_workspace_plugin.sdk.models import files as model_files
from mlflow_workspace_plugin.sdk.models import registration as model_registration
from mlflow_workspace_plugin.sdk.models import search as model_search
from mlflow_workspace_plugin.sdk.models.facts import ModelFacts
from mlflow_workspace_plugin.sdk.models.resource_configuration import ResourceConfiguration
from mlflow_workspace_plugin.sdk.models.search import ModelFilter
from mlflow_workspace_plugin.sdk.not_served import NotServedOfModel
from mlflow_workspace_plugin.sdk.wanted import in_workspace
from mlflow_workspace_plugin.terminal import shown

if TYPE_CHECKING:
    from mlflow_workspace_plugin.sdk.runs.run import Run
    from mlflow_workspace_plugin.sdk.workspace import Workspace

_PAGE_COUNTS = range(20, 256)


class Model(NotServedOfModel):
    """A version of a registered model, under SDK v1's name, in MLflow's model registry.

    The constructor finds one that is registered: that of ``version`` or ``id``, else the latest
    that passes all filters.

    Args:
        workspace: the workspace it is registered in.
        name: the model's name.
        id: ``name:version``.
        tags: a list of keys and ``[key, value]`` pairs, all of which it has.
        properties: as ``tags``.
        version: its number.
        run_id: of the run that it was registered from.
        model_framework: its framework.
        expand: accepted and ignored.

    Attributes:
        workspace: the workspace.
        name: the model's name.
        version: the number, from 1.
        id: ``name:version``.
        description: as given.
        tags: a dict of text and None.
        properties: a dict of text and None.
        model_framework: such as ``Model.Framework.SCIKITLEARN``; None if not given.
        model_framework_version: as given.
        sample_input_dataset: id or text of what was given.
        sample_output_dataset: as ``sample_input_dataset``.
        datasets: by purpose, the ids or texts of what was given.
        resource_configuration: as given.
        created_by: the user.
        created_time: with time zone UTC.
        run_id: of the run that it was registered from; None if from local files.
        url: ``aml://asset/name:version``.

    Raises:
        WebserviceException: there is none such; the message begins with ``ModelNotFound`` (SDK v1).
        UserErrorException: a filter is no list of keys and pairs.
    """

    class Framework:
        """The frameworks that SDK v1 has names for."""

        CUSTOM = "Custom"
        TENSORFLOW = "TensorFlow"
        SCIKITLEARN = "ScikitLearn"
        ONNX = "Onnx"
        TFKERAS = "TfKeras"
        PYTORCH = "PyTorch"
        MULTI = "Multi"

    # SDK v1's, which only its service ever filled in.
    mime_type = "application/x-python"
    unpack = False
    parent_id = None

    @in_workspace
    def __init__(
        self,
        workspace: "Workspace",
        name: str | None = None,
        id: str | None = None,  # noqa: A002  SDK v1's name
        tags: "builtins.list[Any] | None" = None,
        properties: "builtins.list[Any] | None" = None,
        version: int | None = None,
        run_id: str | None = None,
        model_framework: str | None = None,
        expand: bool = True,  # noqa: FBT001, FBT002  SDK v1's signature
        **kwargs: Any,
    ) -> None:
        if id is not None:
            name, _, number = id.rpartition(":")
        else:
            number = "" if version is None else str(version)
        if not name or (id is not None and not number):
            raise WebserviceException(
                "ModelNotFound: a model is found by its name, or by an id of the form "
                f"name:version; name={name!r} and id={id!r} were given. Give one of them."
            )
        wanted = ModelFilter(name, tags, properties, run_id, model_framework)
        if number:
            found = model_search.exact(workspace.client, wanted, number)
        else:
            found = next(model_search.newest_first(workspace.client, wanted, 20), None)
        if found is None:
            asked = f"{name!r}" + (f" version {number}" if number else "")
            raise WebserviceException(
                f"ModelNotFound: workspace {workspace.name!r} has no model {asked} that passes "
                "all filters. Model.list(workspace) returns those that there are."
            )
        self._read(workspace, found)

    @classmethod
    def from_mlflow(cls, workspace: "Workspace", version: ModelVersion) -> "Model":
        """Return the ``Model`` of a version that MLflow returned."""
        model = cls.__new__(cls)
        model._read(workspace, version)
        return model

    @classmethod
    @in_workspace
    def register(
        cls,
        workspace: "Workspace",
        model_path: "str | os.PathLike[str]",
        model_name: str,
        tags: dict[str, Any] | None = None,
        properties: dict[str, Any] | None = None,
        description: str | None = None,
        datasets: Sequence[tuple[str, object]] | None = None,
        model_framework: str | None = None,
        model_framework_version: str | None = None,
        child_paths: Sequence[str] | None = None,
        sample_input_dataset: object = None,
        sample_output_dataset: object = None,
        resource_configuration: ResourceConfiguration | None = None,
    ) -> "Model":
        """Register a local file or folder as the next version of a model (SDK v1).

        The files are copied; MLflow loads them by ``models:/name/version``.

        Args:
            workspace: where to register it.
            model_path: a file or folder below the working directory.
            model_name: 1-255 letters, digits, ``-``, ``.`` and ``_``; a new name makes version 1.
            tags: a dict; what is not text is kept as its text.
            properties: as ``tags``; they are never changed.
            description: any text.
            datasets: pairs of a purpose and a dataset, of which the id or text is kept.
            model_framework: such as ``Model.Framework.SCIKITLEARN``.
            model_framework_version: any text.
            child_paths: only these files and folders of the folder ``model_path``.
            sample_input_dataset: its id or text is kept.
            sample_output_dataset: its id or text is kept.
            resource_configuration: kept with the model.

        Raises:
            FileNotFoundError: there is nothing at ``model_path``.
            PermissionError: it is outside of the working directory (SDK v1's rule).
            WebserviceException: a child path is not there, there are no files, the name breaks the
                rule, tags or properties are no dict or not JSON, or there is a framework version
                without a framework.
        """
        local = model_registration.local_files(model_path)
        facts = ModelFacts(
            name=model_name,
            tags=tags,
            properties=properties,
            description=description,
            framework=model_framework,
            framework_version=model_framework_version,
            datasets=datasets,
            sample_input_dataset=sample_input_dataset,
            sample_output_dataset=sample_output_dataset,
            resource_configuration=resource_configuration,
        )
        print(f"Registering model {model_name}")  # noqa: T201  as SDK v1 does
        version = model_registration.register_local(workspace.client, facts, local, child_paths)
        return cls.from_mlflow(workspace, version)

    @classmethod
    @in_workspace
    def list(
        cls,
        workspace: "Workspace",
        name: str | None = None,
        tags: "builtins.list[Any] | None" = None,
        properties: "builtins.list[Any] | None" = None,
        run_id: str | None = None,
        latest: bool = False,  # noqa: FBT001, FBT002  SDK v1's signature
        dataset_id: str | None = None,
        expand: bool = True,  # noqa: FBT001, FBT002
        page_count: int = 255,
        model_framework: str | None = None,
    ) -> "builtins.list[Model]":
        """Return the registered models that pass all filters, newest first (SDK v1).

        Args:
            workspace: whose models.
            name: the model's name.
            tags: a list of keys and ``[key, value]`` pairs, all of which it has.
            properties: as ``tags``.
            run_id: of the run that it was registered from.
            latest: only the latest version of each name, of those that pass.
            dataset_id: the id or text of a dataset that it was registered with.
            expand: accepted and ignored.
            page_count: how many are asked for at once, 20 to 255.
            model_framework: its framework.

        Raises:
            UserErrorException: a filter is no list of keys and pairs, or ``page_count`` is out of
                its range.
        """
        if page_count not in _PAGE_COUNTS:
            raise UserErrorException(f"page_count={page_count!r} is not 20 to 255. Leave it out.")
        wanted = ModelFilter(name, tags, properties, run_id, model_framework, dataset_id)
        found = builtins.list(model_search.newest_first(workspace.client, wanted, page_count))
        if latest:
            numbers: dict[str, int] = {}
            for each in found:
                numbers[each.name] = max(int(each.version), numbers.get(each.name, 0))
            found = [each for each in found if int(each.version) == numbers[each.name]]
        return [cls.from_mlflow(workspace, each) for each in found]

    @staticmethod
    def get_model_path(
        model_name: str, version: int | None = None, _workspace: "Workspace | None" = None
    ) -> str:
        """Return the local path of a model (SDK v1).

        Inside a run, or with a workspace, that is ``azureml-models/NAME/VERSION`` or the only
        file or folder in it, downloaded when it is not there. Elsewhere it is the same without a
        download, and else ``NAME`` in the working directory.

        Args:
            model_name: the model's name.
            version: its number; the latest when None.

        Raises:
            WebserviceException: the version is no integer, or there is no such version.
            ModelNotFoundException: there is no model of that name.
        """
        if version is not None and (not isinstance(version, int) or isinstance(version, bool)):
            raise WebserviceException(
                f"version={version!r} is of type {type(version).__name__}. Give an integer."
            )
        workspace = _workspace or _workspace_around()
        if workspace is not None:
            model = _find_in(workspace, model_name, version)
            return model_cache.fetched(model.name, model.version, model.download)
        path = model_cache.find(model_name, version)
        if path is None:
            raise ModelNotFoundException(
                f"Model {model_name!r} is neither in {model_cache.CACHE!r} nor in the working "
                "directory, and there is no run around this code to download it for. Use "
                "Model(workspace, name).download()."
            )
        return path

    def download(
        self,
        target_dir: "str | os.PathLike[str]" = ".",
        exist_ok: bool = False,  # noqa: FBT001, FBT002  SDK v1's signature
        exists_ok: bool | None = None,  # noqa: FBT001
    ) -> str:
        """Copy the model's files to a local folder (SDK v1).

        Args:
            target_dir: the folder; made if there is none.
            exist_ok: replace files that are there.
            exists_ok: an old name of ``exist_ok``, which SDK v1 refuses.

        Returns:
            The file, or the deepest folder that all files are in.

        Raises:
            WebserviceException: a file is in the way, in which case none is written; or
                ``exists_ok`` was given.
        """
        if exists_ok is not None:
            raise WebserviceException("exists_ok is an old name. Pass exist_ok instead.")
        return model_files.download(
            self.workspace.client,
            self.workspace.get_mlflow_tracking_uri(),
            self._version,
            target_dir,
            replace=exist_ok,
        )

    def update(
        self,
        tags: dict[str, Any] | None = None,
        description: str | None = None,
        sample_input_dataset: object = None,
        sample_output_dataset: object = None,
        resource_configuration: ResourceConfiguration | None = None,
    ) -> None:
        """Change what is given, and leave the rest (SDK v1).

        Args:
            tags: all tags from now on: others are removed.
            description: any text.
            sample_input_dataset: its id or text is kept.
            sample_output_dataset: its id or text is kept.
            resource_configuration: kept with the model.

        Raises:
            WebserviceException: tags are no dict, or not JSON.
        """
        if tags is not None:
            self.add_tags(tags)
            wanted = set(map(str, tags))
            self.remove_tags([key for key in self.tags if key not in wanted])
        if description is not None:
            self.workspace.client.update_model_version(self.name, str(self.version), description)
        changed = {
            model_facts.SAMPLE_INPUT: model_facts.dataset_text(sample_input_dataset),
            model_facts.SAMPLE_OUTPUT: model_facts.dataset_text(sample_output_dataset),
            model_facts.RESOURCES: (
                None if resource_configuration is None else resource_configuration.to_text()
            ),
        }
        self._write({key: text for key, text in changed.items() if text is not None})

    def add_tags(self, tags: dict[str, Any]) -> None:
        """Set tags; those of other keys stay (SDK v1).

        Raises:
            WebserviceException: it is no dict, or not JSON.
        """
        self._write(model_facts.tags_as_written(tags))

    def remove_tags(self, tags: Sequence[str]) -> None:
        """Remove tags; keys that there are not are passed over (SDK v1).

        Args:
            tags: their keys.
        """
        self._read_again()
        self._delete(tag_text.stored_keys(tags, self._version.tags))
        self._read_again()

    def add_properties(self, properties: dict[str, Any]) -> None:
        """Add properties, which are never changed (SDK v1).

        Raises:
            WebserviceException: there is one of that key, it is no dict, or not JSON. None is
                added then.
        """
        written = model_facts.properties_as_written(properties)
        self._read_again()
        for key, value in properties.items():
            if str(key) in self.properties:
                raise WebserviceException(
                    f"Property {key!r} of model {self.id!r} is {self.properties[str(key)]!r} and "
                    f"cannot become {value!r}. Use another key, or a tag."
                )
        self._write(written)

    def update_tags_properties(
        self,
        add_tags: dict[str, Any] | None = None,
        remove_tags: Sequence[str] | None = None,
        add_properties: dict[str, Any] | None = None,
    ) -> None:
        """Change tags and properties in one call (deprecated in SDK v1).

        Args:
            add_tags: as for :meth:`add_tags`.
            remove_tags: as for :meth:`remove_tags`.
            add_properties: as for :meth:`add_properties`.

        Raises:
            WebserviceException: as for these.
        """
        if add_tags is not None:
            self.add_tags(add_tags)
        if remove_tags is not None:
            self.remove_tags(remove_tags)
        if add_properties is not None:
            self.add_properties(add_properties)

    def delete(self) -> None:
        """Delete this version, and the files that were stored to register it (SDK v1).

        The number is not used again. The files are freed by ``mlflow gc``.
        """
        client = self.workspace.client
        client.delete_model_version(self.name, str(self.version))
        model_files.discard(client, self._version)

    @property
    def run(self) -> "Run | None":
        """The run that it was registered from."""
        return self.workspace.get_run(self.run_id) if self.run_id else None

    @property
    def experiment_name(self) -> str | None:
        """The experiment of that run; None without a run, or when the run is gone."""
        try:
            run = self.run
        except MlflowException as error:
            if error.error_code != ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
                raise
            return None
        return None if run is None else run.experiment.name

    @property
    def derived_model_ids(self) -> "builtins.list[str]":
        """SDK v1's; always empty here."""
        return []

    def serialize(self) -> dict[str, Any]:
        """Return what is known of it as a dict that is JSON (SDK v1)."""
        resources = self.resource_configuration
        return {
            "createdBy": self.created_by,
            "createdTime": self.created_time.isoformat(),
            "datasets": self.datasets,
            "derivedModelIds": self.derived_model_ids,
            "description": self.description,
            "experimentName": self.experiment_name,
            "framework": self.model_framework,
            "frameworkVersion": self.model_framework_version,
            "id": self.id,
            "mimeType": self.mime_type,
            "name": self.name,
            "parentId": self.parent_id,
            "properties": dict(self.properties),
            "resourceRequirements": None if resources is None else resources.serialize(),
            "runId": self.run_id,
            "sampleInputDatasetId": self.sample_input_dataset,
            "sampleOutputDatasetId": self.sample_output_dataset,
            "tags": dict(self.tags),
            "unpack": self.unpack,
            "url": self.url,
            "version": self.version,
            "workspaceName": self.workspace.name,
        }

    def __repr__(self) -> str:
        return (
            f"Model(workspace={self.workspace!r}, name={shown(self.name)}, id={shown(self.id)}, "
            f"version={self.version}, tags={self.tags}, properties={self.properties})"
        )

    def _write(self, version_tags: dict[str, str]) -> None:
        for key, value in version_tags.items():
            self.workspace.client.set_model_version_tag(self.name, str(self.version), key, value)
        self._read_again()
        self._delete(tag_text.outdated_keys(version_tags, self._version.tags))

    def _delete(self, version_tags: "builtins.list[str]") -> None:
        for key in version_tags:
            self.workspace.client.delete_model_version_tag(self.name, str(self.version), key)

    def _read_again(self) -> None:
        found = self.workspace.client.get_model_version(self.name, str(self.version))
        self._read(self.workspace, found)

    def _read(self, workspace: "Workspace", version: ModelVersion) -> None:
        written = version.tags
        self.workspace = workspace
        self._version = version
        self.name: str = version.name
        self.version = int(version.version)
        self.id = f"{self.name}:{self.version}"
        self.url = f"aml://asset/{self.id}"
        self.description: str | None = version.description
        self.run_id: str | None = version.run_id or None
        self.created_time = datetime.fromtimestamp(version.creation_timestamp / 1000, timezone.utc)
        self.created_by: str | None = version.user_id or written.get(model_facts.CREATED_BY)
        self.tags = model_facts.tags_as_read(written)
        self.properties = model_facts.properties_as_read(written)
        self.model_framework: str | None = written.get(model_facts.FRAMEWORK)
        self.model_framework_version: str | None = written.get(model_facts.FRAMEWORK_VERSION)
        self.sample_input_dataset: str | None = written.get(model_facts.SAMPLE_INPUT)
        self.sample_output_dataset: str | None = written.get(model_facts.SAMPLE_OUTPUT)
        self.datasets: dict[str, builtins.list[str]] = {}
        for purpose, dataset in model_facts.datasets_as_read(written):
            self.datasets.setdefault(purpose, []).append(dataset)
        resources = written.get(model_facts.RESOURCES)
        self.resource_configuration = resources and ResourceConfiguration.from_text(resources)


def _workspace_around() -> "Workspace | None":
    """Return the workspace of the run around the calling code, if there is one."""
    from mlflow_workspace_plugin.sdk.runs.run import Run

    try:
        run = Run.get_context(allow_offline=False)
    except RunEnvironmentException:
        return None
    return run.experiment.workspace  # type: ignore[union-attr]  # never offline


def _find_in(workspace: "Workspace", name: str, version: int | None) -> Model:
    if version is not None:
        return Model(workspace, name, version=version)
    found = next(model_search.newest_first(workspace.client, ModelFilter(name), 20), None)
    if found is None:
        raise ModelNotFoundException(
            f"Model {name!r} is not in workspace {workspace.name!r}. Register it first."
        )
    return Model.from_mlflow(workspace, found)
