"""What else SDK v1's ``RunConfiguration`` holds: kept, and not used."""

from dataclasses import dataclass, field
from typing import Any

from mlflow_workspace_plugin.sdk.config_element import ConfigElement


def _spark_defaults() -> dict[str, Any]:
    return {"spark.app.name": "Azure ML Experiment", "spark.yarn.maxAppAttempts": 1}


@dataclass(repr=False, slots=True)
class HistoryConfiguration(ConfigElement):
    """What is kept of a run: here, always all of it."""

    output_collection: bool = True
    snapshot_project: bool = True
    directories_to_watch: list[str] = field(default_factory=lambda: ["logs"])


@dataclass(repr=False, slots=True)
class SparkConfiguration(ConfigElement):
    """What Spark is told."""

    configuration: dict[str, Any] = field(default_factory=_spark_defaults)


@dataclass(repr=False, slots=True)
class HdiConfiguration(ConfigElement):
    """What HDInsight is told."""

    yarn_deploy_mode: str = "cluster"


@dataclass(repr=False, slots=True)
class ParallelTaskConfiguration(ConfigElement):
    """What parallel tasks are told."""

    max_retries_per_worker: int = 0
    worker_count_per_node: int = 1
    terminal_exit_codes: list[int] | None = None


@dataclass(repr=False, slots=True)
class AmlComputeConfiguration(ConfigElement):
    """Which machines are made for the run."""

    vm_size: str | None = None
    vm_priority: str | None = None
    retain_cluster: bool = False
    name: str | None = None
    cluster_max_node_count: int | None = None


@dataclass(repr=False, slots=True)
class KubernetesComputeConfiguration(ConfigElement):
    """Which machines of a Kubernetes cluster are used."""

    instance_type: str | None = None
