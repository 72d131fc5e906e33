"""The methods of our stores that are none of MLflow's, as a client may call them over the network.

What they are given and what they return travels as JSON, whose form is that of the methods' own
types. So a change of these is a change of the protocol.
"""

from typing import Literal, NamedTuple

from mlflow_workspace_plugin.protocol.headers import PREFIX

ROUTE = f"{PREFIX}/workspaces/{{workspace}}/call/{{method}}"


class Call(NamedTuple):
    """How a method may be called.

    Attributes:
        needs: what who calls it must be allowed to do, to the runs that it names, or else in the
            workspace.
        runs: the parameter that names a run, or several.
        metrics: the parameter that holds metrics, whose logged models count as the run does.
        experiment: the parameter that names the experiment that something is created in.
        lists: what names the run, or the experiment, that each of the things is of which it returns
            all that there are; those are left out which who asks may not see.
        by_jobs: whether the token of a job is enough, which is for its run, where no run is named.
        may_be_repeated: whether it may be called again when its answer was lost.
        shared: whether it reads what belongs to all in the workspace, which a role does not open
            that grants nothing, or single experiments only.
        removes: whether it removes what others may use, which a token for no deleting does not.
    """

    needs: Literal["read", "edit"] = "read"
    runs: str | None = None
    metrics: str | None = None
    experiment: str | None = None
    lists: Literal["run_id", "experiment_id"] | None = None
    by_jobs: bool = False
    may_be_repeated: bool = True
    shared: bool = False
    removes: bool = False


_OF_RUN = Call("read", "run_id")
_OF_RUNS = Call("read", "run_ids")
_READS = Call("read")
_READS_SHARED = Call("read", shared=True)
_CHANGES_RUN = Call("edit", "run_id")
_CHANGES = Call("edit")
_CHANGES_DATA = Call("edit", by_jobs=True)
_REMOVES = Call("edit", removes=True)

CALLS: dict[str, Call] = {
    "workspace_record": _READS,
    # Runs.
    "create_run_of": Call("edit", experiment="experiment_id"),
    "_own_experiment": _CHANGES_DATA,
    "_own_models": _READS,
    "_refuse_deleted": _OF_RUN,
    "log_values": Call("edit", "run_id", "metrics", may_be_repeated=False),
    "set_tag_now": _CHANGES_RUN,
    "runs_of_ids": _OF_RUNS,
    "descriptor_tags": _OF_RUNS,
    "get_run_points": _OF_RUN,
    "get_run_metrics": _OF_RUN,
    "table_places": _OF_RUN,
    "points_at": _OF_RUN,
    "points_page": _OF_RUN,
    "count_points_up_to": _OF_RUN,
    "chart_points": _OF_RUN,
    "chart_points_of_runs": _OF_RUNS,
    "latest_points": _OF_RUN,
    "points_since": _OF_RUN,
    "stored_counts": _OF_RUN,
    # Looking up.
    "runs_called": Call("read", lists="run_id"),
    "newest_runs": Call("read", lists="run_id"),
    "experiments_with_runs": Call("read", lists="experiment_id"),
    "number_of_children": _OF_RUN,
    "run_receipts": _OF_RUN,
    # Jobs.
    "create_job": Call("edit", experiment="experiment_id"),
    "job": _OF_RUN,
    "jobs": Call("read", lists="run_id"),
    "job_queued": _CHANGES_RUN,
    "take_job": _CHANGES_RUN,
    "beat": _CHANGES_RUN,
    "advance_job": _CHANGES_RUN,
    "end_job": _CHANGES_RUN,
    "cancel_job": _CHANGES_RUN,
    "fail_lost_job": _CHANGES_RUN,
    "name_job": _CHANGES_RUN,
    "compute": _READS,
    "computes": _READS,
    "put_compute": _CHANGES,
    "drop_compute": _REMOVES,
    "environment": _READS,
    "environments": _READS,
    "put_environment": _CHANGES,
    # Data.
    "dataset": _READS_SHARED,
    "dataset_version": _READS_SHARED,
    "dataset_versions": _READS_SHARED,
    "newest_datasets": _READS_SHARED,
    "versions_of_dataset": _READS_SHARED,
    "check_kind_of_dataset": _READS_SHARED,
    "put_dataset": _CHANGES_DATA,
    "register_dataset": _CHANGES_DATA,
    "change_dataset_version": _CHANGES_DATA,
    "unregister_dataset": _REMOVES,
    "datastore": _READS_SHARED,
    "datastores": _READS_SHARED,
    "default_datastore": _READS_SHARED,
    "put_datastore": _CHANGES,
    "drop_datastore": _REMOVES,
    "set_default_datastore": _CHANGES,
    # Views, which are changed on the hub's pages: these know whose they are.
    "view": _READS_SHARED,
    "views": _READS_SHARED,
}


def route_of(workspace: str, method: str) -> str:
    """Return where a method of a workspace's store is called."""
    return ROUTE.format(workspace=workspace, method=method.lstrip("_"))


def method_of(called: str) -> str | None:
    """Return the method that a route calls; None if it calls none."""
    return next((each for each in (called, f"_{called}") if each in CALLS), None)
