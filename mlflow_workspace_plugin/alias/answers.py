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
    "Run.upload_file": "Takes a `pathlib.Path`; an existing name is replaced.",
    "Run.upload_files": "Existing names are replaced.",
    "Run.upload_folder": "A path that ends in a slash keeps it; existing names are replaced.",
    "Run.status": "Read anew, never stale.",
    "_OfflineRun.log": "Takes `step`, so a script need not ask where it runs.",
    "Experiment.__init__": "The workspace may be given by its name.",
    "Experiment.start_logging": "Takes no snapshot of the working directory unless asked to.",
    "Workspace.write_config": "Names the hub, too, so that it is found whatever the default is.",
}
"""Where the same call does more than it did, or no longer fails, and how."""

_REFUSING = {
    "Run": not_served.NotServedOfRun,
    "_SubmittedRun": not_served.NotServedOfSubmittedRun,
    "_OfflineRun": not_served.NotServedOfLogged,
    "Workspace": not_served.NotServedOfWorkspace,
    "Experiment": not_served.NotServedOfExperiment,
    "Model": not_served.NotServedOfModel,
    "AbstractAuthentication": not_served.NotServedOfAuthentication,
}
"""By class of SDK v1, what has its members that are not served."""


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
    """Return what is said of a name that a module has."""
    found = names.module_of(module)
    if found is None:
        return Answer(UNKNOWN, _NO_MODULE)
    target = found.target(name)
    if target is not None:
        return Answer(SERVED, _DOES_NOTHING if target.startswith(names.TELEMETRY) else "")
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
    if class_name == "_SubmittedRun" and member not in sdk_v1.members()[class_name]:
        class_name = "Run"
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
    if class_name.endswith("Authentication"):
        return "AbstractAuthentication"
    return class_name if class_name in sdk_v1.members() else None


@functools.cache
def refused_members(class_name: str) -> dict[str, str]:
    """Return by member of a class that is not served what to use instead."""
    refusing = _REFUSING.get(class_name)
    return {
        name: value.sentence
        for each in reversed(() if refusing is None else refusing.__mro__)
        for name, value in vars(each).items()
        if isinstance(value, NotServedMember)
    }
