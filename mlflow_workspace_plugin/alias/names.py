"""What the name ``azureml`` holds: which class of ours each name is, or what it was.

A name that begins to be served moves from ``not_served`` to ``served``, and nothing else changes.
"""

from dataclasses import dataclass, field

_SDK = "mlflow_workspace_plugin.sdk"
_ERRORS = "mlflow_workspace_plugin.alias.exceptions"

VERSION = "1.61.0"
"""The release of SDK v1 whose behaviour this package follows, for scripts that ask."""

_JOBS = (
    "It was for submitting jobs, which this version does not do. "
    "Run the script here: mlflow-workspace run script.py"
)
_COMPUTE = "It managed machines in Azure. Scripts run on this one: mlflow-workspace run script.py"
_DATA = (
    "It named data or storage in Azure. Open paths and URLs with pandas or fsspec, and record what "
    "was read with mlflow.log_input()."
)
_DEPLOYMENT = "It deployed models as web services in Azure. Use mlflow models serve."
_SECRETS = (
    "It read secrets from Azure Key Vault. Use environment variables, or azure-keyvault-secrets."
)
_RESOURCES = "It managed resources in Azure, of which a hub in a folder has none. Leave it out."
_SIGN_IN = "It signed in to Azure. A hub in a folder asks for no sign-in: leave it out."
_DEBUG_LOG = "It wrote the SDK's own debug log. Use Python's logging."
_WIDGET = (
    "It showed a run in a notebook, which this version does not do. Open run.get_portal_url(), "
    "which mlflow-workspace ui serves."
)
_PIPELINES = "It built pipelines of jobs. Call the scripts one after the other, as child runs."
_SWEEPS = "It searched hyperparameters. Use Optuna, with a child run for each trial."
_AUTOML = "It trained models by automated machine learning. Use a library such as FLAML."
_EXPLANATIONS = "It explained models. Use SHAP, and run.log_image() or run.upload_file()."
_MLFLOW = (
    "It connected MLflow with Azure ML. Here MLflow is connected by its tracking URI: "
    "mlflow.set_tracking_uri(ws.get_mlflow_tracking_uri())"
)
_OTHER = "It was a service of Azure ML. There is nothing in its place."


@dataclass(frozen=True)
class Module:
    """What a module of the name ``azureml`` holds.

    Attributes:
        served: for each name the object it is, as ``module:attribute``.
        not_served: for each name what it was, and what to use instead.
        values: names that are plain values.
        sentence: said of any other name in it and below it; None where there is no other.
    """

    served: dict[str, str] = field(default_factory=dict)
    not_served: dict[str, str] = field(default_factory=dict)
    values: dict[str, object] = field(default_factory=dict)
    sentence: str | None = None


_EXPERIMENT = {"Experiment": f"{_SDK}.experiment:Experiment"}
_RUN = {"Run": f"{_SDK}.runs.run:Run"}
_WORKSPACE = {"Workspace": f"{_SDK}.workspace:Workspace"}
_MODEL = {"Model": f"{_SDK}.models.model:Model"}
_GET_RUN = {"get_run": f"{_SDK}.runs.run:get_run"}

EXCEPTIONS = (
    "ActivityCanceledException",
    "ActivityFailedException",
    "AuthenticationException",
    "AzureMLAggregatedException",
    "AzureMLException",
    "ComputeTargetException",
    "DatasetTimestampMissingError",
    "DiscoveryUrlNotFoundException",
    "ExperimentExecutionException",
    "ModelNotFoundException",
    "ModelPathNotFoundException",
    "ParallelRunException",
    "ProjectSystemException",
    "RunConfigurationException",
    "RunEnvironmentException",
    "ServiceException",
    "SnapshotException",
    "TrainingException",
    "UserErrorException",
    "WebserviceException",
    "WorkspaceException",
    "WorkspacePrivateEndpointException",
)
"""SDK v1's exceptions, all of which can be caught."""

MODULES = {
    "azureml": Module(),
    "azureml.core": Module(
        served=_EXPERIMENT | _RUN | _GET_RUN | _WORKSPACE | _MODEL,
        not_served={
            "ComputeTarget": _COMPUTE,
            "ContainerRegistry": _JOBS,
            "Dataset": _DATA,
            "Datastore": _DATA,
            "Environment": _JOBS,
            "Image": _DEPLOYMENT,
            "Keyvault": _SECRETS,
            "LinkedService": _RESOURCES,
            "PrivateEndPoint": _RESOURCES,
            "PrivateEndPointConfig": _RESOURCES,
            "RunConfiguration": _JOBS,
            "ScriptRun": _JOBS,
            "ScriptRunConfig": _JOBS,
            "Webservice": _DEPLOYMENT,
            "diagnostic_log": _DEBUG_LOG,
        },
        values={"VERSION": VERSION, "__version__": VERSION},
    ),
    "azureml.core.authentication": Module(
        served={
            name: f"{_SDK}.authentication:{name}"
            for name in (
                "AbstractAuthentication",
                "AzureCliAuthentication",
                "InteractiveLoginAuthentication",
                "MsiAuthentication",
                "ServicePrincipalAuthentication",
            )
        },
        sentence=_SIGN_IN,
    ),
    "azureml.core.compute": Module(sentence=_COMPUTE),
    "azureml.core.compute_target": Module(sentence=_COMPUTE),
    "azureml.core.conda_dependencies": Module(
        not_served={"CondaDependencies": _JOBS}, sentence=_JOBS
    ),
    "azureml.core.container_registry": Module(sentence=_JOBS),
    "azureml.core.databricks": Module(sentence=_COMPUTE),
    "azureml.core.dataset": Module(sentence=_DATA),
    "azureml.core.datastore": Module(sentence=_DATA),
    "azureml.core.environment": Module(not_served={"Environment": _JOBS}, sentence=_JOBS),
    "azureml.core.experiment": Module(
        served=_EXPERIMENT | {"ViewType": f"{_SDK}.experiment:ViewType"},
    ),
    "azureml.core.image": Module(sentence=_DEPLOYMENT),
    "azureml.core.keyvault": Module(sentence=_SECRETS),
    "azureml.core.linked_service": Module(sentence=_RESOURCES),
    "azureml.core.model": Module(
        served=_MODEL, not_served={"InferenceConfig": _DEPLOYMENT}, sentence=_DEPLOYMENT
    ),
    "azureml.core.private_endpoint": Module(sentence=_RESOURCES),
    "azureml.core.profile": Module(sentence=_DEPLOYMENT),
    "azureml.core.resource_configuration": Module(
        served={
            "ResourceConfiguration": f"{_SDK}.models.resource_configuration:ResourceConfiguration"
        },
        sentence=_DEPLOYMENT,
    ),
    "azureml.core.run": Module(
        served=_RUN
        | _GET_RUN
        | {
            "_OfflineRun": f"{_SDK}.runs.offline_run:_OfflineRun",
            "_SubmittedRun": f"{_SDK}.runs.submitted_run:_SubmittedRun",
        },
    ),
    "azureml.core.runconfig": Module(
        not_served=dict.fromkeys(
            (
                "DEFAULT_CPU_IMAGE",
                "DEFAULT_GPU_IMAGE",
                "DockerConfiguration",
                "MpiConfiguration",
                "PyTorchConfiguration",
                "RunConfiguration",
                "TensorflowConfiguration",
            ),
            _JOBS,
        ),
        sentence=_JOBS,
    ),
    "azureml.core.script_run": Module(not_served={"ScriptRun": _JOBS}, sentence=_JOBS),
    "azureml.core.script_run_config": Module(not_served={"ScriptRunConfig": _JOBS}, sentence=_JOBS),
    "azureml.core.util": Module(sentence=_OTHER),
    "azureml.core.webservice": Module(sentence=_DEPLOYMENT),
    "azureml.core.workspace": Module(served=_WORKSPACE),
    "azureml.exceptions": Module(served={name: f"{_ERRORS}:{name}" for name in EXCEPTIONS}),
    "azureml.widgets": Module(not_served={"RunDetails": _WIDGET}, sentence=_WIDGET),
    "azureml._restclient": Module(),
    "azureml._restclient.constants": Module(
        served={"RunStatus": "mlflow_workspace_plugin.alias.run_status:RunStatus"}
    ),
    "azureml.automl": Module(sentence=_AUTOML),
    "azureml.contrib": Module(sentence=_OTHER),
    "azureml.data": Module(sentence=_DATA),
    "azureml.dataprep": Module(sentence=_DATA),
    "azureml.datadrift": Module(sentence=_OTHER),
    "azureml.explain": Module(sentence=_EXPLANATIONS),
    "azureml.interpret": Module(sentence=_EXPLANATIONS),
    "azureml.mlflow": Module(sentence=_MLFLOW),
    "azureml.monitoring": Module(sentence=_OTHER),
    "azureml.opendatasets": Module(sentence=_DATA),
    "azureml.pipeline": Module(sentence=_PIPELINES),
    "azureml.telemetry": Module(sentence=_OTHER),
    "azureml.tensorboard": Module(sentence=_OTHER),
    "azureml.train": Module(sentence=_JOBS),
    "azureml.train.automl": Module(sentence=_AUTOML),
    "azureml.train.hyperdrive": Module(sentence=_SWEEPS),
}
"""Every module that resolves; a module with a sentence also stands for those below it."""


def module_of(name: str) -> Module | None:
    """Return what the module of that full name holds, or None if there is none."""
    if name in MODULES:
        return MODULES[name]
    package = name.rpartition(".")[0]
    while package:
        found = MODULES.get(package)
        if found is not None:
            return None if found.sentence is None else Module(sentence=found.sentence)
        package = package.rpartition(".")[0]
    return None
