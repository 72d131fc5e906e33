"""The versions of a hub's database: of MLflow's tables, and of ours. Constants, for all to read."""

MLFLOW_OF_REVISION = {
    "1b5f0d9ad7c1": "3.10",
    "c3d6457b6d8a": "3.11",
    "7d34483879f0": "3.12",
    "da6fb0208061": "3.13",
    "b7e4c1a90f23": "3.14",
    "6f8d9c3b2a1e": "3.15",
    "b7e2c1a4d9f3": "3.16",
    "dc11669786a5": "3.17",
    "f4a9b2c7d1e6": "3.18",
}
"""The newest revision of each MLflow minor version that has workspaces: names what to install when
a hub is newer than the installed MLflow, which cannot know the revision."""

SUPPORTED = ("3.15", "3.16", "3.17", "3.18")


def is_of_mlflow(version: str, revision: str) -> bool:
    """Whether a revision is that which a version of MLflow works with, as far as it is known."""
    return ".".join(version.split(".")[:2]) == MLFLOW_OF_REVISION.get(revision)


PREFIX = "workspace_plugin_"
"""What the names of all of our tables begin with, and of no others."""
VERSION_TABLE = f"{PREFIX}version"
OUR_TABLES = frozenset(
    f"{PREFIX}{name}"
    for name in (
        "workspaces",
        "writers",
        "receipts",
        "rows",
        "jobs",
        "computes",
        "environments",
        "datastores",
        "datasets",
        "dataset_versions",
        "charts",
        "views",
        "log_ins",
        "tokens",
        "codes",
        "attempts",
        "identities",
        "states",
        "journals",
        "refusals",
        "version",
    )
)
OUR_VERSION = "0006"
"""The newest of the steps in ``hub.tables.versions``."""
