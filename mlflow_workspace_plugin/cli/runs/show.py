"""What ``mlflow-workspace show`` says of a run."""

from typing import Any

import click

from mlflow_workspace_plugin.cli.layout import words
from mlflow_workspace_plugin.cli.options import echo, print_facts, print_json
from mlflow_workspace_plugin.cli.runs.find import FoundRun
from mlflow_workspace_plugin.terminal import shown


def show_run(found: FoundRun, *, as_json: bool) -> None:
    """Print what is known of a run: how it went, what it was given, and how far it came.

    Args:
        found: the run.
        as_json: for a program.
    """
    from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

    from mlflow_workspace_plugin.overview.figures.latest import LatestValues
    from mlflow_workspace_plugin.overview.source import Source
    from mlflow_workspace_plugin.runs.reason import reason_of
    from mlflow_workspace_plugin.stores.tags.own_tags import CONFLICT_TAG

    workspace, of_sdk = found.workspace(), found.read()
    run = workspace.client.get_run(found.id)
    info, stored = run.info, run.data.tags
    job = of_sdk._watch.read()
    # Of a job that waits MLflow's run has a time, too.
    started = info.start_time if job is None else job.started_at
    facts: dict[str, Any] = {
        "run": info.run_id,
        "name": info.run_name,
        "workspace": workspace.name,
        "experiment": found.place.experiment,
        "status": "Deleted" if found.place.is_deleted else of_sdk.get_status(),
        "reason": reason_of(stored),
        "warning": stored.get(CONFLICT_TAG),
        "waits": None if job is None else of_sdk._watch.waits_for(job),
        "compute": None if job is None else job.compute,
        "submitted": None if job is None else words.iso(job.submitted_at),
        "started": words.iso(started),
        "ended": words.iso(info.end_time),
        "child of": stored.get(MLFLOW_PARENT_RUN_ID),
        "by": info.user_id,
    }
    params = dict(run.data.params)
    metrics = dict(LatestValues(Source(workspace.tracking_store)).of(run))
    tags = {key: value for key, value in of_sdk.get_tags().items() if not key.startswith("mlflow.")}
    page = workspace.where_to_look(
        f"experiments/{info.experiment_id}/runs/{info.run_id}", f"open {info.run_id}"
    )
    if as_json:
        facts = {"run_id": facts.pop("run"), "child_of": facts.pop("child of")} | facts
        print_json(facts | {"params": params, "metrics": metrics, "tags": tags, "page": page})
        return
    took = words.took(started, info.end_time)
    if job is not None:
        facts["submitted"] = words.ago(job.submitted_at)
    facts["started"] = words.ago(started)
    facts["ended"] = words.ago(info.end_time) + (f", after {took}" if took else "")
    reason = facts.pop("reason")
    print_facts({key: value for key, value in facts.items() if value} | {"page": page})
    if reason:
        click.echo()
        echo("It failed:" if facts["status"] == "Failed" else "Its reason:")
        echo(reason)
    for title, values in ("Params", params), ("Metrics", metrics), ("Tags", tags):
        if values:
            click.echo()
            echo(title)
            print_facts({f"  {shown(key)}": words.value(value) for key, value in values.items()})
