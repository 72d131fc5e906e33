"""A run in a few lines of text."""

from mlflow_workspace_plugin.drawing.seen_run import SeenRun
from mlflow_workspace_plugin.drawing.texts import cell_text, duration_text, one_line, time_text

_METRICS = 20
_CHILDREN = 20
_LINES = 5
_NAME = 60


def text_of_run(run: SeenRun) -> str:
    """Return a run as text.

    Args:
        run: what is seen of it.
    """
    facts = {
        "Run": f"{run.name} ({run.run_id})",
        "Experiment": run.experiment,
        "Status": run.status,
        **dict(run.facts),
        "Reason": run.reason,
        "Duration": None if run.duration_ms is None else duration_text(run.duration_ms),
        "Web View": run.page,
        "As of": time_text(run.at),
        "Note": run.note,
    }
    lines = [f"{name + ':':<12}{one_line(fact)}" for name, fact in facts.items() if fact]
    lines += [_metric_line(*each) for each in run.metrics[:_METRICS]]
    if len(run.metrics) > _METRICS:
        lines.append(f"  {len(run.metrics) - _METRICS:,} more: run.get_metrics()")
    lines += [
        f"{'  ' * (each.depth + 1)}{one_line(each.name, _NAME)} ({each.run_id}): {each.status}"
        for each in run.children[:_CHILDREN]
    ]
    if run.are_more_children or len(run.children) > _CHILDREN:
        lines.append("  More: run.get_children()")
    if run.log_name and run.log:
        last = [one_line(line) for line in run.log.splitlines()[-_LINES:]]
        lines += [f"{run.log_name}:", *(f"  {line}" for line in last)]
    return "\n".join(lines)


def _metric_line(name: str, last: object, least: object, greatest: object, _: object) -> str:
    line = f"  {one_line(name, _NAME)}: {one_line(cell_text(last))}"
    if least is None or greatest is None or least == greatest:
        return line
    return f"{line} (least {cell_text(least)}, greatest {cell_text(greatest)})"
