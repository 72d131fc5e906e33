"""Kinds of compute targets of SDK v1 that are services of Azure's: they can be looked for only."""

from mlflow_workspace_plugin.sdk.computes.target import ComputeTarget
from mlflow_workspace_plugin.sdk.not_served import (
    NotServedOfAksCompute,
    NotServedOfCluster,
    NotServedOfService,
)


class AksCompute(NotServedOfAksCompute, ComputeTarget):
    """A Kubernetes cluster for web services (SDK v1), of which none is made here."""

    _compute_type = "AKS"


class KubernetesCompute(NotServedOfCluster, ComputeTarget):
    """A Kubernetes cluster (SDK v1), which a plug-in may make an engine of."""

    _compute_type = "Kubernetes"


class DsvmCompute(NotServedOfCluster, ComputeTarget):
    """A virtual machine in Azure (SDK v1), of which none is made here."""

    _compute_type = "DSVM"


class AdlaCompute(NotServedOfService, ComputeTarget):
    """Azure Data Lake Analytics (SDK v1), which nothing here reaches."""

    _compute_type = "DataLakeAnalytics"


class BatchCompute(NotServedOfService, ComputeTarget):
    """Azure Batch (SDK v1), which nothing here reaches."""

    _compute_type = "Batch"


class DatabricksCompute(NotServedOfService, ComputeTarget):
    """Azure Databricks (SDK v1), which nothing here reaches."""

    _compute_type = "Databricks"


class DataFactoryCompute(NotServedOfService, ComputeTarget):
    """Azure Data Factory (SDK v1), which nothing here reaches."""

    _compute_type = "DataFactory"


class HDInsightCompute(NotServedOfService, ComputeTarget):
    """Azure HDInsight (SDK v1), which nothing here reaches."""

    _compute_type = "HDInsight"


class KustoCompute(NotServedOfService, ComputeTarget):
    """Azure Data Explorer (SDK v1), which nothing here reaches."""

    _compute_type = "Kusto"


class SynapseCompute(NotServedOfService, ComputeTarget):
    """A Spark pool of Azure Synapse (SDK v1), which nothing here reaches."""

    _compute_type = "SynapseSpark"
