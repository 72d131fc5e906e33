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
    from mlflow_workspace_plugin.jobs.engines.local.start import ensure_agent_of_slot
    from mlflow_workspace_plugin.runner.surroundings import leave_surroundings

    # Before MLflow reads it.
    leave_surroundings(os.environ)
    try:
        return _run(uri, run_id)
    finally:
        ensure_agent_of_slot()


def _run(uri: str, run_id: str) -> int:
    from mlflow_workspace_plugin.errors import (
        AzureMLException,
        HubError,
        JobEndedError,
        JobTakenError,
        NoAnswerError,
    )
    from mlflow_workspace_plugin.remote.build import open_patiently, open_workspace_store
    from mlflow_workspace_plugin.remote.log_ins import use_job_log_in
    from mlflow_workspace_plugin.runner.job import run_job

    use_job_log_in(os.environ)
    try:
        open_patiently(uri)
        store = open_workspace_store(uri)
    except (AzureMLException, OSError) as error:
        return _cannot_reach(uri, error)
    try:
        return 0 if run_job(store, run_id) else 1
    except (JobEndedError, JobTakenError) as error:
        _say(str(error))
        return NOT_TO_BE_RUN
    except NoAnswerError as error:
        _say(str(error))
        return NOT_RECORDED
    except HubError as error:
        # It went away just after it was opened.
        return _cannot_reach(uri, error)


def _cannot_reach(uri: str, error: Exception) -> int:
    reason = " ".join(str(error).split())
    _say(f"cannot reach {uri.rpartition('/')[0] or uri} from {platform.node()}: {reason}")
    return CANNOT_REACH


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _end(code: int) -> None:
    """End this process; what a canceled job does not need any more is not waited for."""
    job_data = sys.modules.get("mlflow_workspace_plugin.runner.job_data")
    if job_data is not None and job_data.is_left_behind():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    raise SystemExit(code)


if __name__ == "__main__":
    _end(main(sys.argv[1:]))
