"""What SDK v1 notes of the git repository that a run's code is from."""

import os
from pathlib import Path

from mlflow.utils.git_utils import get_git_branch, get_git_commit, get_git_repo_url

_PREFIX = "azureml.git."
_VARIABLES = "AZUREML_GIT_"
_DUPLICATES = {
    "repository_uri": "mlflow.source.git.repoURL",
    "branch": "mlflow.source.git.branch",
    "commit": "mlflow.source.git.commit",
}


def git_properties(folder: "str | os.PathLike[str]") -> dict[str, str | None]:
    """Return SDK v1's properties of the repository around a folder; those that are known.

    ``AZUREML_GIT_REPOSITORY_URI``, ``_BRANCH``, ``_COMMIT``, ``_DIRTY``, ``_BUILD_ID`` and
    ``_BUILD_URI`` say otherwise, as in SDK v1. Passwords in the repository's address are dropped.
    """
    path = str(Path(folder).absolute())
    found = {
        "repository_uri": get_git_repo_url(path),
        "branch": get_git_branch(path),
        "commit": get_git_commit(path),
        "dirty": _dirty(path),
        "build_id": None,
        "build_uri": None,
    }
    properties: dict[str, str | None] = {}
    for fact, in_repository in found.items():
        said = os.environ.get(_VARIABLES + fact.upper())
        if said and fact == "dirty":
            said = str(said.lower() in ("1", "true"))
        value = said or in_repository
        if value:
            properties[_PREFIX + fact] = value
            if fact in _DUPLICATES:
                properties[_DUPLICATES[fact]] = value
    return properties


def _dirty(path: str) -> str | None:
    # As MLflow does: GitPython fails to import where there is no git command.
    try:
        from git import Repo
        from git.exc import GitError
    except ImportError:
        return None
    try:
        repository = Repo(path, search_parent_directories=True)
    except (GitError, OSError):
        return None
    return str(repository.is_dirty(untracked_files=True))
