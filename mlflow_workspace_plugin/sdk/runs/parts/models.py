"""The part of SDK v1's ``Run`` that registers models."""

import posixpath
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mlflow_workspace_plugin.artifacts.paths import check_path
from mlflow_workspace_plugin.artifacts.quiet import quietly
from mlflow_workspace_plugin.errors import ModelPathNotFoundException
from mlflow_workspace_plugin.runs.files.run_files import RunFiles
from mlflow_workspace_plugin.sdk.models import files as model_files
from mlflow_workspace_plugin.sdk.models import registration as model_registration
from mlflow_workspace_plugin.sdk.models.facts import ModelFacts
from mlflow_workspace_plugin.sdk.runs.parts.of_experiment import OfExperiment

if TYPE_CHECKING:
    from mlflow_workspace_plugin.sdk.models.model import Model
    from mlflow_workspace_plugin.sdk.models.resource_configuration import ResourceConfiguration


class RunModels(OfExperiment, RunFiles):
    """Registers models from the files of a run."""

    def register_model(
        self,
        model_name: str,
        model_path: str | None = None,
        tags: dict[str, Any] | None = None,
        properties: dict[str, Any] | None = None,
        model_framework: str | None = None,
        model_framework_version: str | None = None,
        description: str | None = None,
        datasets: Sequence[tuple[str, object]] | None = None,
        sample_input_dataset: object = None,
        sample_output_dataset: object = None,
        resource_configuration: "ResourceConfiguration | None" = None,
        **kwargs: Any,
    ) -> "Model":
        """Register files of the run as the next version of a model (SDK v1).

        The files are copied, so that replacing them in the run changes no model; MLflow loads
        them by ``models:/name/version``.

        Args:
            model_name: 1-255 letters, digits, ``-``, ``.`` and ``_``; a new name makes version 1.
            model_path: a file or folder among the run's files; or, which is ours, the name of a
                model that the run logged by MLflow. The model's name when None.
            tags: a dict; what is not text is kept as its text.
            properties: as ``tags``; they are never changed.
            model_framework: such as ``Model.Framework.SCIKITLEARN``.
            model_framework_version: any text.
            description: any text.
            datasets: pairs of a purpose and a dataset, of which the id or text is kept.
            sample_input_dataset: its id or text is kept.
            sample_output_dataset: its id or text is kept.
            resource_configuration: kept with the model.
            kwargs: accepted and ignored.

        Raises:
            ModelPathNotFoundException: there is no such file; the message names those there are.
            WebserviceException: the name breaks the rule, tags or properties are no dict or not
                JSON, or there is a framework version without a framework.
            UserErrorException: the path leads out of the run's files.
        """
        from mlflow_workspace_plugin.sdk.models.model import Model

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
        check_path(model_path or model_name)
        path = posixpath.normpath(model_path or model_name)
        names = self.get_file_names()
        is_file = path in names
        folder = "" if is_file else posixpath.basename(path)
        if is_file or any(path == "." or each.startswith(f"{path}/") for each in names):
            model_id = self._copy(path, model_name)
        else:
            model_id = self._logged_model(path, names)
        version = model_registration.register_logged_model(self._client, facts, model_id, folder)
        return Model.from_mlflow(self.experiment.workspace, version)

    def _copy(self, path: str, model_name: str) -> str:
        # MLflow's client would leave a copy among the temporary files.
        with quietly(), self._repository().local(path) as local:
            return model_files.store(self._client, local, model_name, self.experiment.id, self.id)

    def _logged_model(self, name: str, files: list[str]) -> str:
        """Return the id of what the run logged by ``mlflow.FLAVOR.log_model`` under a name."""
        # MLflow allows no quotes in such a name.
        if "'" not in name:
            for model in self._client.search_logged_models(
                [self.experiment.id],
                f"name = '{name}' AND source_run_id = '{self.id}'",
                order_by=[{"field_name": "creation_time", "ascending": False}],
            ):
                if not model_files.is_stored(model):
                    return str(model.model_id)
        raise ModelPathNotFoundException(
            f"Run {self.id!r} has no file or folder {name!r}. Its files: "
            f"{', '.join(files) or 'none'}. Upload it first, with upload_file or upload_folder."
        )
