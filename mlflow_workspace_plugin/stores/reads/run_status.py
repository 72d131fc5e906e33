"""How a run goes, in one word."""

from mlflow.entities import LifecycleStage, Run


def status_of(run: Run) -> str:
    """Return the status of a run; of a deleted one that it is ``deleted``."""
    is_active = run.info.lifecycle_stage == LifecycleStage.ACTIVE
    return str(run.info.status if is_active else run.info.lifecycle_stage)
