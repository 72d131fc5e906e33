"""``python -m mlflow_workspace_plugin.runner URI RUN_ID``: what every engine starts.

It ends with 0 if the job has completed, with 1 if it has ended otherwise, and with a reserved
number if it could not do what it is for: 80, the hub cannot be reached; 81, the job is not to be
run; 82, the hub cannot be told how the job ended.
"""

import os
import platform
import sys

CANNOT_REACH = 80
NOT_TO_BE_RUN = 81
NOT_RECORDED = 82


def main(arguments: list[str]) -> int:
    """Run a job; return the exit code.

    Args:
        arguments: the URI of its workspace, and the id of its run.
    """
    if len(arguments) != 2:
        _say("Usage: python -m mlflow_workspace_plugin.runner URI RUN_ID")
        return 2
    uri, run_id = arguments
    from mlflow_workspace_plugin.runner.surroundings import leave_surroundings

    # Before MLflow reads it.
    leave_surroundings(os.environ)
    from mlflow_workspace_plugin.errors import (
        AzureMLException,
        JobEndedError,
        JobTakenError,
        NoAnswerError,
    )
    from mlflow_workspace_plugin.runner.job import run_job
    from mlflow_workspace_plugin.stores.build import open_patiently, open_workspace_store

    try:
        open_patiently(uri)
        store = open_workspace_store(uri)
    except (AzureMLException, OSError) as error:
        reason = " ".join(str(error).split())
        _say(f"cannot reach {uri.rpartition('/')[0] or uri} from {platform.node()}: {reason}")
        return CANNOT_REACH
    try:
        return 0 if run_job(store, run_id) else 1
    except (JobEndedError, JobTakenError) as error:
        _say(str(error))
        return NOT_TO_BE_RUN
    except NoAnswerError as error:
        _say(str(error))
        return NOT_RECORDED


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
