"""What is said of each name of SDK v1: whether it is served, and what to use instead.

Nothing is imported for it but what stands here, so it is said in no time and without MLflow.
"""

import functools
from typing import NamedTuple

from mlflow_workspace_plugin.alias import names, sdk_v1
from mlflow_workspace_plugin.sdk import not_served
from mlflow_workspace_plugin.sdk.not_served import NotServedMember

SERVED = "served"
BETTER = "served better"
NOT_SERVED = "not served"
UNKNOWN = "unknown"

_NO_MODULE = "SDK v1 has no such module. It is of another package, or was renamed."
_NO_NAME = (
    "azureml-core 1.61 has no such name there, either: it is of an older version, or misspelt."
)
_DOES_NOTHING = "It does nothing here."
_LOOKED_FOR = "It can be looked for; none is made or attached here."

_BETTER = {
    "Run.log": "Arrays and tensors of one element are their number; no limit of names; what is "
    "logged to a run that has ended is said.",
    "Run.log_list": "An empty list logs nothing and says so.",
    "Run.log_row": "Rows may differ in their columns; no limit of columns and rows.",
    "Run.log_table": "Tuples and arrays are columns, too; no limit of columns and rows.",
    "Run.log_image": "SVG and PDF images work, and `log_image(name, plt)`.",
    "Run.log_confusion_matrix": "Arrays are lists; what cannot be drawn is said.",
    "Run.log_accuracy_table": "Arrays are lists; what cannot be drawn is said.",
    "Run.log_residuals": "Arrays are lists; what cannot be drawn is said.",
    "Run.log_predictions": "Arrays are lists; what cannot be drawn is said.",
    "Run.get_metrics": "What was just logged is there; a row without a column has None in it.",
    "Run.flush": "What is not stored in time is kept, and stored later.",
    "Run.complete": "A file of `./outputs` that was uploaded before stays one file; "
    "`sys.exit(0)` inside of `with run:` completes the run.",
    "Run.get_children": '`tags="key"` filters by the key.',
    "Run.list": '`tags="key"` filters by the key.',
    "Run.tag": "Tags of any length.",
    "Run.wait_for_completion": "It returns when the outputs can be read, too.",
    "Run.upload_file": "Takes a `pathlib.Path`; an existing name is replaced.",
    "Run.upload_files": "Existing names are replaced.",
    "Run.upload_folder": "A path that ends in a slash keeps it; existing names are replaced.",
    "Run.status": "Read anew, never stale.",
    "_OfflineRun.log": "Takes `step`, so a script need not ask where it runs.",
    "Experiment.__init__": "The workspace may be given by its name.",
    "Experiment.submit": "`show_output=True` waits for a script, too, and shows what it prints.",
    "Experiment.start_logging": "Takes no snapshot of the working directory unless asked to.",
    "ScriptRunConfig.__init__": "Arguments may be paths, numpy's numbers, and lists of arguments.",
    "RunConfiguration.save": "Each configuration of a project keeps its packages.",
    "Environment.from_pip_requirements": "What the file includes by `-r` is read, too.",
    "CondaDependencies.create": "Adds no options of pip's that nobody asked for.",
    "CondaDependencies.set_pip_index_url": "Takes a URL, too.",
    "CondaDependencies.add_conda_package": "One of the same name is replaced.",
    "CondaDependencies.save": "Without a path it is `conda_dependencies.yml`.",
    "Estimator.__init__": "Runs on this machine, if no target is given.",
    "PyTorch.__init__": "Runs on this machine, if no target is given; any version.",
    "TensorFlow.__init__": "Runs on this machine, if no target is given; any version.",
    "Chainer.__init__": "Runs on this machine, if no target is given; any version.",
    "SKLearn.__init__": "Runs on this machine, if no target is given; any version.",
    "Workspace.write_config": "Names the hub, too, so that it is found whatever the default is.",
}
"""Where the same call does more than it did, or no longer fails, and how."""

_ALSO = {
    **dict.fromkeys(sdk_v1.KINDS_OF_RUNS, ("Run",)),
    # It returns one of its kinds.
    "ComputeTarget": ("AmlCompute", "ComputeInstance", "RemoteCompute"),
    "Datastore": ("AzureBlobDatastore", "AzureFileDatastore", "AzureDataLakeGen2Datastore"),
}
"""By class, whose members are its, too."""

_REFUSING = {
    "Run": not_served.NotServedOfRun,
    "_OfflineRun": not_served.NotServedOfLogged,
    "Workspace": not_served.NotServedOfWorkspace,
    "Experiment": not_served.NotServedOfExperiment,
    "Model": not_served.NotServedOfModel,
    "Environment": not_served.NotServedOfEnvironment,
    "ScriptRunConfig": not_served.NotServedOfScriptRunConfig,
    "ComputeTarget": not_served.NotServedOfComputeTarget,
    "AmlCompute": not_served.NotServedOfAmlCompute,
    "ComputeInstance": not_served.NotServedOfComputeInstance,
    "RemoteCompute": not_served.NotServedOfRemoteCompute,
    "AbstractAuthentication": not_served.NotServedOfAuthentication,
    "Dataset": not_served.NotServedOfDataset,
    "FileDataset": not_served.NotServedOfFileDataset,
    "TabularDataset": not_served.NotServedOfTabularDataset,
    "TabularDatasetFactory": not_served.NotServedOfTabularDatasetFactory,
    "DataType": not_served.NotServedOfDataType,
    "Datastore": not_served.NotServedOfDatastore,
    "AzureBlobDatastore": not_served.NotServedOfAzureBlobDatastore,
    "AzureFileDatastore": not_served.NotServedOfAzureFileDatastore,
    "AzureDataLakeGen2Datastore": not_served.NotServedOfAzureDataLakeGen2Datastore,
}
"""By class of SDK v1, what has its members that are not served."""

_REFUSING_SERVICES = {
    "AksCompute": not_served.NotServedOfAksCompute,
    "KubernetesCompute": not_served.NotServedOfCluster,
    "DsvmCompute": not_served.NotServedOfCluster,
    **dict.fromkeys(
        (
            "AdlaCompute",
            "BatchCompute",
            "DataFactoryCompute",
            "DatabricksCompute",
            "HDInsightCompute",
            "KustoCompute",
            "SynapseCompute",
        ),
        not_served.NotServedOfService,
    ),
}
"""The same of classes whose other members are not known."""


class Answer(NamedTuple):
    """What is said of a name.

    Attributes:
        status: ``served``, ``served better``, ``not served``, or ``unknown``.
        clause: how, or what to use instead; empty where there is nothing to say.
    """

    status: str
    clause: str = ""


def of_module(module: str) -> Answer:
    """Return what is said of a module that is imported."""
    if names.module_of(module) is None:
        return Answer(UNKNOWN, _NO_MODULE)
    return Answer(SERVED)


def of_name(module: str, name: str) -> Answer:
    """Return what is said of a name that a module has.

    Args:
        module: its full name.
        name: as it stands behind the module; of what stands behind it in turn, the first counts.
    """
    found = names.module_of(module)
    if found is None:
        return Answer(UNKNOWN, _NO_MODULE)
    name, _, behind = name.partition(".")
    target = found.target(name)
    if target is not None:
        refusal = refused_members(name).get(behind.partition(".")[0])
        if refusal is not None:
            return Answer(NOT_SERVED, refusal)
        clauses = {names.TELEMETRY: _DOES_NOTHING, names.OTHER_COMPUTES: _LOOKED_FOR}
        return Answer(SERVED, clauses.get(target.partition(":")[0], ""))
    if name in found.values:
        return Answer(SERVED)
    said = found.refusal(name)
    return Answer(UNKNOWN, _NO_NAME) if said is None else Answer(NOT_SERVED, said)


def of_member(class_name: str, member: str) -> Answer | None:
    """Return what is said of a member of a served class; None if SDK v1's has no such member.

    Args:
        class_name: as :func:`served_class` returns it.
        member: its name; ``__init__`` is the constructor.
    """
    for each in _ALSO.get(class_name, ()):
        if member not in sdk_v1.members()[class_name]:
            class_name = each
    if member not in sdk_v1.members()[class_name]:
        return None
    refusal = refused_members(class_name).get(member)
    if refusal is not None:
        return Answer(NOT_SERVED, refusal)
    better = _BETTER.get(f"{class_name}.{member}")
    return Answer(SERVED) if better is None else Answer(BETTER, better)


def served_class(module: str, name: str) -> str | None:
    """Return the class of SDK v1 that a name is, if that is served and its members are known."""
    found = names.module_of(module)
    target = None if found is None else found.target(name)
    class_name = "" if target is None else target.rpartition(":")[2]
    if names.EVERYWHERE.get(class_name, target) != target:
        # Of a run's configuration, whose sections have names of other classes.
        return None
    if class_name.endswith("Authentication"):
        return "AbstractAuthentication"
    return class_name if class_name in sdk_v1.members() else None


@functools.cache
def refused_members(class_name: str) -> dict[str, str]:
    """Return by member of a class that is not served what to use instead."""
    refusing = _REFUSING.get(class_name) or _REFUSING_SERVICES.get(class_name)
    return {
        name: value.sentence
        for each in reversed(() if refusing is None else refusing.__mro__)
        for name, value in vars(each).items()
        if isinstance(value, NotServedMember)
    }
