"""Which engines there are: ours, and those that other packages plug in."""

from importlib.metadata import EntryPoint, entry_points

from mlflow_workspace_plugin.errors import ComputeTargetException
from mlflow_workspace_plugin.jobs.engines.engine import GROUP, Compute, Engine
from mlflow_workspace_plugin.jobs.engines.plugged import PluggedEngine

_OWN = "mlflow_workspace_plugin."


def types() -> list[str]:
    """Return the types of compute targets that there are engines for."""
    return sorted({point.name for point in entry_points(group=GROUP)})


def engine_of(compute: Compute) -> Engine:
    """Return the engine of a compute target.

    Args:
        compute: the compute target.

    Raises:
        ComputeTargetException: no installed package has an engine of its type, the engine cannot
            be imported, or it does not take what was said of the target.
    """
    point = _entry_point(compute)
    if point.value.startswith(_OWN):
        engine: Engine = point.load()(compute)
        return engine
    package = point.dist.name if point.dist is not None else point.value
    return PluggedEngine(compute, package, lambda target: point.load()(target))


def _entry_point(compute: Compute) -> EntryPoint:
    found = entry_points(group=GROUP, name=compute.type)
    if not found:
        raise ComputeTargetException(
            f"Compute target {compute.name!r} is of type {compute.type!r}, for which nothing is "
            f"installed here: there is {', '.join(types())}. Install the package that brings it, "
            f"as an entry point of the group {GROUP}."
        )
    # A name of ours means ours, whatever else is installed.
    return max(found, key=lambda point: point.value.startswith(_OWN))
