"""What ``mlflow-workspace doctor`` reports."""

from typing import NamedTuple


class Finding(NamedTuple):
    """One line of the report. ``status`` is ok, warning or problem."""

    status: str
    subject: str
    detail: str
