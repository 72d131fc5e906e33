"""What the name ``azureml`` holds: which class of ours each name is, or what it was.

A name that begins to be served moves from ``not_served`` to ``served``, and nothing else changes.
What else there is, :mod:`~mlflow_workspace_plugin.alias.sdk_v1` knows.
"""

import functools
from dataclasses import dataclass, field, replace

from mlflow_workspace_plugin.alias import data_names, sdk_v1
from mlflow_workspace_plugin.sdk.environments.images import DEFAULT_CPU_IMAGE, DEFAULT_GPU_IMAGE

_SDK = "mlflow_workspace_plugin.sdk"
_EXCEPTIONS = "mlflow_workspace_plugin.alias.exceptions"
TELEMETRY = "mlflow_workspace_plugin.alias.telemetry"
"""What is there and does nothing."""
OTHER_COMPUTES = "mlflow_workspace_plugin.sdk.computes.others"
"""Compute targets that are services of Azure's."""
_RUN_STATUS = "mlflow_workspace_plugin.alias.run_status"

VERSION = "1.61.0"
"""The release of SDK v1 whose behaviour this package follows, for scripts that ask."""

_JOBS = (
    "It was a part of how SDK v1 submits, which nothing here has a use for. "
    "Submit a ScriptRunConfig."
)
_COMPUTE = (
    "It managed machines in Azure. Bind a name to a cluster of your own: mlflow-workspace compute "
    "add --help"
)
_DATA = (
    "It was about data in Azure. Use Dataset and Datastore of azureml.core, or open paths and URLs "
    "with pandas or fsspec, and record what was read with mlflow.log_input()."
)
_DEPLOYMENT = "It deployed models as web services in Azure. Use mlflow models serve."
_SECRETS = (
    "It read secrets from Azure Key Vault. Use environment variables, or azure-keyvault-secrets."
)
_RESOURCES = "It managed resources in Azure, of which a hub in a folder has none. Leave it out."
_SIGN_IN = "It signed in to Azure. A hub in a folder asks for no sign-in: leave it out."
_WIDGET = (
    "It drew in a notebook, as RunDetails(run).show() does here; run.get_portal_url() is the page "
    "of the run, which mlflow-workspace ui serves."
)
_PIPELINES = "It built pipelines of jobs. Call the scripts one after the other, as child runs."
_SWEEPS = "It searched hyperparameters. Use Optuna, with a child run for each trial."
_AUTOML = "It trained models by automated machine learning. Use a library such as FLAML."
_EXPLANATIONS = "It explained models. Use SHAP, and run.log_image() or run.upload_file()."
_MLFLOW = (
    "It connected MLflow with Azure ML. Here MLflow is connected by its tracking URI: "
    "mlflow.set_tracking_uri(ws.get_mlflow_tracking_uri())"
)
_EVALUATION = "It stored and evaluated models in MLflow's format. Use mlflow.models.evaluate()."
_USAGE = "It told Microsoft how the SDK was used. Nothing here is told to anybody: leave it out."
_OTHER = "It was a service of Azure ML. There is nothing in its place."
_INTERNAL = "It was an internal part of SDK v1, which nothing here has a use for. Leave it out."


@dataclass(frozen=True)
class Module:
    """What a module of the name ``azureml`` holds.

    Attributes:
        served: for each name the object it is, as ``module:attribute``.
        not_served: for each name what it was, and what to use instead.
        values: names that are plain values.
        sentence: said of any other name in it and below it; None where nothing is said of all.
        starred: what ``from module import *`` gives.
        is_open: whether any public name is taken for one of it, as what versions of SDK v1 before
            1.61 had, and packages beside ``azureml-core``, is not known.
    """

    served: dict[str, str] = field(default_factory=dict)
    not_served: dict[str, str] = field(default_factory=dict)
    values: dict[str, object] = field(default_factory=dict)
    sentence: str | None = None
    starred: tuple[str, ...] = ()
    is_open: bool = False

    def target(self, name: str) -> str | None:
        """Return the object that a name is, as ``module:attribute``; None if it is not served."""
        if name in self.served:
            return self.served[name]
        if is_exception(name) and self.has(name):
            return f"{_EXCEPTIONS}:{name}"
        return None

    def refusal(self, name: str) -> str | None:
        """Return what is said of a name that is not served; None if the module has no such name."""
        if name in self.not_served:
            return self.not_served[name]
        return self.sentence if self.has(name) else None

    def has(self, name: str) -> bool:
        """Whether a name is taken for one of this module."""
        if name in self.served or name in self.not_served or name in self.values:
            return True
        return self.is_open and not name.startswith("_")


def is_exception(name: str) -> bool:
    """Whether an object of that name is an exception in SDK v1."""
    return name.endswith(("Error", "Exception"))


_EXPERIMENT = {"Experiment": f"{_SDK}.experiment:Experiment"}
_RUN = {"Run": f"{_SDK}.runs.run:Run"}
_SCRIPT_RUN = {"ScriptRun": f"{_SDK}.runs.script_run:ScriptRun"}
_WORKSPACE = {"Workspace": f"{_SDK}.workspace:Workspace"}
_MODEL = {"Model": f"{_SDK}.models.model:Model"}
_GET_RUN = {"get_run": f"{_SDK}.runs.run:get_run"}
_DIAGNOSTIC_LOG = {"diagnostic_log": f"{TELEMETRY}:diagnostic_log"}
_RUN_STATUSES = {"RunStatus": f"{_RUN_STATUS}:RunStatus"}
_LOG_HANDLERS = {
    "AppInsightsLoggingHandler": f"{TELEMETRY}:AppInsightsLoggingHandler",
    "get_appinsights_log_handler": f"{TELEMETRY}:get_telemetry_log_handler",
    "get_telemetry_log_handler": f"{TELEMETRY}:get_telemetry_log_handler",
}
_RUN_CONFIGURATION = {
    "RunConfiguration": f"{_SDK}.jobs.configurations.run_configuration:RunConfiguration"
}
_SCRIPT_RUN_CONFIG = {"ScriptRunConfig": f"{_SDK}.jobs.script_run_config:ScriptRunConfig"}
_ENVIRONMENT = {"Environment": f"{_SDK}.environments.environment:Environment"}
_CONDA_DEPENDENCIES = {
    "CondaDependencies": f"{_SDK}.environments.conda_dependencies:CondaDependencies"
}
_CONTAINER_REGISTRY = {"ContainerRegistry": f"{_SDK}.environments.sections:ContainerRegistry"}
_ENVIRONMENT_SECTIONS = {
    name: f"{_SDK}.environments.sections:{name}"
    for name in (
        "DockerBuildContext",
        "DockerImagePlatform",
        "DockerSection",
        "PythonSection",
        "RCranPackage",
        "RGitHubPackage",
        "RSection",
        "SparkPackage",
        "SparkSection",
    )
} | {"ImageBuildDetails": f"{_SDK}.environments.image_build:ImageBuildDetails"}
_DATABRICKS = {
    name: f"{_SDK}.environments.databricks:{name}"
    for name in (
        "DatabricksSection",
        "EggLibrary",
        "JarLibrary",
        "MavenLibrary",
        "PyPiLibrary",
        "RCranLibrary",
    )
}
_RUN_SECTIONS = {
    **{
        name: f"{_SDK}.jobs.configurations.distributed:{name}"
        for name in ("MpiConfiguration", "PyTorchConfiguration", "TensorflowConfiguration")
    },
    "DockerConfiguration": f"{_SDK}.jobs.configurations.docker_configuration:DockerConfiguration",
    "EnvironmentDefinition": f"{_SDK}.environments.environment:EnvironmentDefinition",
}
_COMPUTE_TARGET = {"ComputeTarget": f"{_SDK}.computes.target:ComputeTarget"}
_COMPUTE_TARGETS = {
    **_COMPUTE_TARGET,
    "AmlCompute": f"{_SDK}.computes.aml_compute:AmlCompute",
    "ComputeInstance": f"{_SDK}.computes.compute_instance:ComputeInstance",
    "RemoteCompute": f"{_SDK}.computes.remote_compute:RemoteCompute",
    **{
        name: f"{OTHER_COMPUTES}:{name}"
        for name in (
            "AdlaCompute",
            "AksCompute",
            "BatchCompute",
            "DataFactoryCompute",
            "DatabricksCompute",
            "DsvmCompute",
            "HDInsightCompute",
            "KubernetesCompute",
            "KustoCompute",
            "SynapseCompute",
        )
    },
}
_DISTRIBUTED = {
    name: f"{_SDK}.jobs.estimators.distributed_training:{name}"
    for name in ("Gloo", "Mpi", "Nccl", "ParameterServer")
}
_ESTIMATOR = {"Estimator": f"{_SDK}.jobs.estimators.estimator:Estimator"}
_FRAMEWORKS = {
    name: f"{_SDK}.jobs.estimators.frameworks:{name}"
    for name in ("Chainer", "PyTorch", "TensorFlow")
}
_SKLEARN = {"SKLearn": f"{_SDK}.jobs.estimators.frameworks:SKLearn"}
_IMAGES: dict[str, object] = {
    "DEFAULT_CPU_IMAGE": DEFAULT_CPU_IMAGE,
    "DEFAULT_GPU_IMAGE": DEFAULT_GPU_IMAGE,
}
_AUTHENTICATION = {
    name: f"{_SDK}.authentication:{name}"
    for name in (
        "AbstractAuthentication",
        "ArmTokenAuthentication",
        "AzureCliAuthentication",
        "AzureMLTokenAuthentication",
        "InteractiveLoginAuthentication",
        "MsiAuthentication",
        "ServicePrincipalAuthentication",
        "TokenAuthentication",
    )
}

_SECTIONS_OF_RUNS = ("DockerSection", "PythonSection", "SparkSection")

MODULES = {
    "azureml": Module(),
    "azureml.core": Module(
        served=_EXPERIMENT
        | _RUN
        | _SCRIPT_RUN
        | _GET_RUN
        | _WORKSPACE
        | _MODEL
        | _DIAGNOSTIC_LOG
        | _SCRIPT_RUN_CONFIG
        | _RUN_CONFIGURATION
        | _ENVIRONMENT
        | _CONTAINER_REGISTRY
        | _COMPUTE_TARGET,
        not_served={
            "Dataset": _DATA,
            "Datastore": _DATA,
            "Image": _DEPLOYMENT,
            "Keyvault": _SECRETS,
            "LinkedService": _RESOURCES,
            "PrivateEndPoint": _RESOURCES,
            "PrivateEndPointConfig": _RESOURCES,
            "SynapseWorkspaceLinkedServiceConfiguration": _RESOURCES,
            "Webservice": _DEPLOYMENT,
            **dict.fromkeys(
                (
                    "attach_legacy_compute_target",
                    "is_compute_target_prepared",
                    "prepare_compute_target",
                    "remove_legacy_compute_target",
                ),
                _COMPUTE,
            ),
        },
        values={"VERSION": VERSION, "__version__": VERSION},
    ),
    "azureml.core.authentication": Module(
        served=_AUTHENTICATION,
        sentence=_SIGN_IN,
    ),
    "azureml.core.compute": Module(served=_COMPUTE_TARGETS, sentence=_COMPUTE),
    "azureml.core.compute_target": Module(sentence=_COMPUTE),
    "azureml.core.conda_dependencies": Module(served=_CONDA_DEPENDENCIES, sentence=_JOBS),
    "azureml.core.container_registry": Module(served=_CONTAINER_REGISTRY, sentence=_JOBS),
    "azureml.core.databricks": Module(served=_DATABRICKS, sentence=_COMPUTE),
    "azureml.core.dataset": Module(sentence=_DATA),
    "azureml.core.datastore": Module(sentence=_DATA),
    "azureml.core.environment": Module(
        served=_ENVIRONMENT | _CONDA_DEPENDENCIES | _CONTAINER_REGISTRY | _ENVIRONMENT_SECTIONS,
        values=_IMAGES,
        sentence=_JOBS,
    ),
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
            "_OfflineRun": f"{_SDK}.runs.around.offline_run:_OfflineRun",
            "_SubmittedRun": f"{_SDK}.runs.around.submitted_run:_SubmittedRun",
            **data_names.OF_RUN,
            "RUNNING_STATES": f"{_RUN_STATUS}:RUNNING_STATES",
            "POST_PROCESSING_STATES": f"{_RUN_STATUS}:POST_PROCESSING_STATES",
        },
    ),
    "azureml.core.runconfig": Module(
        served=_RUN_CONFIGURATION
        | _RUN_SECTIONS
        | data_names.SECTIONS
        | _ENVIRONMENT
        | _CONDA_DEPENDENCIES
        | _CONTAINER_REGISTRY
        | _DATABRICKS
        | {name: _ENVIRONMENT_SECTIONS[name] for name in _SECTIONS_OF_RUNS},
        values=_IMAGES | {"MPI_CPU_IMAGE": DEFAULT_CPU_IMAGE, "MPI_GPU_IMAGE": DEFAULT_GPU_IMAGE},
        sentence=_JOBS,
    ),
    "azureml.core.script_run": Module(served=_SCRIPT_RUN, sentence=_JOBS),
    "azureml.core.script_run_config": Module(
        served=_SCRIPT_RUN_CONFIG
        | {
            "get_run_config_from_script_run": f"{_SDK}.jobs.script_run_config:"
            "get_run_config_from_script_run"
        },
        sentence=_JOBS,
    ),
    "azureml.core.util": Module(sentence=_OTHER),
    "azureml.core.webservice": Module(sentence=_DEPLOYMENT),
    "azureml.core.workspace": Module(served=_WORKSPACE),
    "azureml.exceptions": Module(),
    "azureml.widgets": Module(
        served={"RunDetails": f"{_SDK}.widgets:RunDetails"}, sentence=_WIDGET
    ),
    "azureml._base_sdk_common.user_agent": Module(
        served={name: f"{TELEMETRY}:{name}" for name in ("append", "get_user_agent")}
    ),
    "azureml._logging.debug_mode": Module(
        served=_DIAGNOSTIC_LOG | {"debug_sdk": f"{TELEMETRY}:debug_sdk"}
    ),
    "azureml._restclient.constants": Module(served=_RUN_STATUSES),
    "azureml.accel": Module(sentence=_DEPLOYMENT),
    "azureml.automl": Module(sentence=_AUTOML),
    "azureml.contrib": Module(sentence=_OTHER),
    "azureml.data": Module(sentence=_DATA),
    "azureml.data.constants": Module(values=data_names.CONSTANTS, sentence=_DATA),
    "azureml.dataprep": Module(sentence=_DATA),
    "azureml.datadrift": Module(sentence=_OTHER),
    "azureml.evaluate": Module(sentence=_EVALUATION),
    "azureml.explain": Module(sentence=_EXPLANATIONS),
    "azureml.interpret": Module(sentence=_EXPLANATIONS),
    "azureml.mlflow": Module(sentence=_MLFLOW),
    "azureml.monitoring": Module(sentence=_OTHER),
    "azureml.opendatasets": Module(sentence=_DATA),
    "azureml.pipeline": Module(sentence=_PIPELINES),
    "azureml.telemetry": Module(
        served=_LOG_HANDLERS
        | {
            name: f"{TELEMETRY}:{name}"
            for name in (
                "add_diagnostics_properties",
                "get_diagnostics_collection_info",
                "get_event_logger",
                "is_diagnostics_collection_info_available",
                "set_diagnostics_collection",
                "set_diagnostics_properties",
            )
        },
        values={"INSTRUMENTATION_KEY": ""},
        sentence=_USAGE,
    ),
    "azureml.telemetry.activity": Module(
        served={name: f"{TELEMETRY}:{name}" for name in ("log_activity", "monitor_with_activity")},
        sentence=_USAGE,
    ),
    "azureml.telemetry.logging_handler": Module(served=_LOG_HANDLERS, sentence=_USAGE),
    "azureml.tensorboard": Module(sentence=_OTHER),
    "azureml.train": Module(sentence=_JOBS),
    "azureml.train.automl": Module(sentence=_AUTOML),
    "azureml.train.dnn": Module(served=_FRAMEWORKS | _DISTRIBUTED, sentence=_JOBS),
    "azureml.train.estimator": Module(served=_ESTIMATOR | _DISTRIBUTED, sentence=_JOBS),
    "azureml.train.hyperdrive": Module(sentence=_SWEEPS),
    "azureml.train.sklearn": Module(served=_SKLEARN, sentence=_JOBS),
}
"""The modules of which something is said; a sentence is said of those below, too."""

EVERYWHERE = (
    _EXPERIMENT
    | _RUN
    | _GET_RUN
    | _WORKSPACE
    | _MODEL
    | _RUN_STATUSES
    | _AUTHENTICATION
    | _SCRIPT_RUN_CONFIG
    | _RUN_CONFIGURATION
    | _RUN_SECTIONS
    | _ENVIRONMENT
    | _ENVIRONMENT_SECTIONS
    | _CONDA_DEPENDENCIES
    | _CONTAINER_REGISTRY
    | _DATABRICKS
    | _COMPUTE_TARGETS
    | _ESTIMATOR
    | _FRAMEWORKS
    | _DISTRIBUTED
    | _SKLEARN
    | data_names.NAMES
)
"""Wherever SDK v1 has one of these names in a module that is not private, it is that class."""


@functools.cache
def module_of(name: str) -> Module | None:
    """Return what the module of that full name holds, or None if there is none."""
    said, names = MODULES.get(name), sdk_v1.names_in(name)
    sentence = _sentence_of(name)
    if said is None and names is None and (sentence is None or sdk_v1.is_of_core(name)):
        return None
    module = said or Module()
    if names is None:
        starred = (*module.served, *module.not_served, *module.values)
        return replace(module, sentence=sentence, starred=starred, is_open=sentence is not None)
    known = {*names.starred, *names.others}
    is_private = "._" in name
    served = {each: home for each, home in EVERYWHERE.items() if each in known and not is_private}
    values = {"VERSION": VERSION, "__version__": VERSION} if "VERSION" in known else {}
    in_core = MODULES["azureml.core"].not_served
    others = known - served.keys() - values.keys() - module.served.keys() - module.values.keys()
    not_served = {each: in_core.get(each, sentence or _INTERNAL) for each in sorted(others)}
    return Module(
        served=served | module.served,
        not_served=not_served | module.not_served,
        values=values | module.values,
        sentence=sentence or _INTERNAL,
        starred=names.starred,
        is_open=(sentence is not None and not is_private) or name.startswith(sdk_v1.VENDORED),
    )


def is_module(name: str) -> bool:
    """Whether a module of that full name is known, and not only taken for one of its package."""
    return name in MODULES or sdk_v1.names_in(name) is not None


def _sentence_of(name: str) -> str | None:
    """Return what is said of all names of a module: by it, or by the nearest package above it."""
    while name:
        said = MODULES.get(name)
        if said is not None and said.sentence is not None:
            return said.sentence
        name = name.rpartition(".")[0]
    return None
