"""SDK v1's ``ImageBuildDetails``: here, how installing an environment went."""

from mlflow_workspace_plugin.jobs.environments.requirements import Requirements
from mlflow_workspace_plugin.late_imports import late_imports


class ImageBuildDetails:
    """How installing what an environment needs went (SDK v1), which is over.

    Attributes:
        status: ``Succeeded``.
        log_url: None: :meth:`get_log` has the log.
        interpreter: the Python of the environment. (Ours.)
    """

    log_url = None
    status = "Succeeded"

    def __init__(self, interpreter: str, log: str) -> None:
        self.interpreter = interpreter
        self._log = log

    @classmethod
    def of(cls, requirements: Requirements) -> "ImageBuildDetails":
        """Install what is required, print what is done in short, and return how it went.

        Raises:
            UserErrorException: it cannot be had here.
            EnvironmentBuildError: it cannot be installed.
        """
        with late_imports():
            from mlflow_workspace_plugin.jobs.environments.check import check
            from mlflow_workspace_plugin.jobs.environments.prepare import prepare
            from mlflow_workspace_plugin.jobs.environments.uv import is_of_a_package
        lines: list[str] = []

        def say(line: str) -> None:
            lines.append(line)
            if not is_of_a_package(line):
                print(line, flush=True)  # noqa: T201  what is waited for

        checked = check(requirements)
        for note in checked.notes:
            say(note)
        prepared = prepare(checked.requirements, say)
        return cls(prepared.python, "".join(f"{line}\n" for line in lines))

    def get_log(self) -> str:
        """Return what was said meanwhile, also of each package (SDK v1)."""
        return self._log

    def wait_for_completion(self, show_output: bool = True) -> None:  # noqa: FBT001, FBT002  SDK v1's
        """Return at once, as it is over (SDK v1).

        Args:
            show_output: print that.
        """
        if show_output:
            print(self.status)  # noqa: T201
