"""What a job needs installed, as it is stored with it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any


@dataclass(frozen=True)
class Requirements:
    """What a job needs installed.

    Attributes:
        name: of the environment; None is none: the Python of who submits.
        version: of the environment, if it is registered.
        user_managed: nothing is installed: ``interpreter`` is used as it is.
        interpreter: of a user-managed environment; ``python`` is the Python of who submits.
        python: the version of Python that is asked for, such as ``3.10`` or ``3.10.18``.
        pip: requirements, a line each, as in a requirements file.
        pip_options: options of pip, such as ``--extra-index-url https://...``.
        constraints: lines of constraints files.
        conda: packages of conda, such as ``scikit-learn=1.5``.
        channels: of conda.
        docker: what SDK v1 was told of images: ``enabled``, ``base_image``, ``base_dockerfile``.
        variables: environment variables of the environment.
        mlflow: the version of MLflow that is installed with them: that of who submits.
    """

    name: str | None = None
    version: str | None = None
    user_managed: bool = False
    interpreter: str = "python"
    python: str | None = None
    pip: list[str] = field(default_factory=list)
    pip_options: list[str] = field(default_factory=list)
    constraints: list[str] = field(default_factory=list)
    conda: list[str] = field(default_factory=list)
    channels: list[str] = field(default_factory=list)
    docker: dict[str, Any] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    mlflow: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return them as JSON holds them."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Requirements":
        """Return what was stored; what a later version added is left out."""
        known = {each.name for each in fields(cls)}
        return cls(**{key: value for key, value in stored.items() if key in known})
