"""What a job runs, under the keys by which SDK v1's service returned it."""

from typing import Any

from mlflow_workspace_plugin.jobs.definition import Definition
from mlflow_workspace_plugin.jobs.environments.requirements import Requirements

_COMMUNICATORS = {"PyTorch": "Nccl"}


def run_definition(definition: Definition) -> dict[str, Any]:
    """Return ``runDefinition`` of SDK v1's ``get_details()``, with the keys that mean something.

    Args:
        definition: of the job.
    """
    command = definition.command
    return {
        "script": definition.script,
        "command": command if isinstance(command, str) or command is None else " ".join(command),
        "arguments": list(definition.arguments),
        "framework": definition.framework,
        "communicator": _COMMUNICATORS.get(definition.framework, "None"),
        "target": definition.target,
        "maxRunDurationSeconds": definition.max_run_duration_seconds,
        "nodeCount": definition.node_count,
        "environment": _environment(definition),
    }


def _environment(definition: Definition) -> dict[str, Any]:
    needed = Requirements.from_json(definition.environment)
    packages: list[Any] = [f"python={needed.python}"] if needed.python else []
    packages += needed.conda
    if needed.pip:
        packages.append({"pip": [*needed.pip_options, *needed.pip]})
    return {
        "name": needed.name,
        "version": None if needed.version is None else str(needed.version),
        "python": {
            "interpreterPath": needed.interpreter,
            "userManagedDependencies": needed.user_managed,
            "condaDependencies": {"channels": list(needed.channels), "dependencies": packages},
        },
        "environmentVariables": {**needed.variables, **definition.variables},
        "docker": {
            "enabled": bool(needed.docker.get("enabled")),
            "baseImage": needed.docker.get("base_image"),
            "baseDockerfile": needed.docker.get("base_dockerfile"),
        },
    }
