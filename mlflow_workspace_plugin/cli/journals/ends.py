"""What ``mlflow-workspace sync`` says of the ends of jobs that a hub could not be told."""

from collections.abc import Mapping

from mlflow_workspace_plugin.cli.journals.status import ENDS, Row
from mlflow_workspace_plugin.jobs.ended import Ended


def add_ends(rows: list[Row], problems: Mapping[str, str] | None = None) -> None:
    """Add the ends of jobs that wait to what is said of their workspaces.

    Args:
        rows: what is said of each; those of other workspaces come behind it.
        problems: why they could not be told, by run.
    """
    of_workspace = {row["workspace"]: row for row in rows}
    for ended in Ended.all_kept():
        row = of_workspace.get(ended.uri)
        if row is None:
            row = {"workspace": ended.uri, "runs": {}, ENDS: {}, "problem": None}
            of_workspace[ended.uri] = row
            rows.append(row)
        row[ENDS][ended.run_id] = ended.state
        problem = (problems or {}).get(ended.run_id)
        if problem is not None:
            said = f"How job {ended.run_id} ended is not stored yet: {problem}"
            row["problem"] = row["problem"] or said


def tell_ends(uri: str | None = None) -> dict[str, str]:
    """Tell hubs how jobs of this machine ended whose runners could not tell them.

    Args:
        uri: only that of this workspace.

    Returns:
        Why that was not possible, by run.
    """
    if not ends_of(uri):
        return {}
    # It takes long to import.
    from mlflow_workspace_plugin.jobs.liveness import settle_kept

    return settle_kept(uri)


def ends_of(uri: str | None) -> list[Ended]:
    """Return the ends of jobs that wait; of one workspace, or of all.

    Args:
        uri: of the workspace.
    """
    return [each for each in Ended.all_kept() if uri in (None, each.uri)]
