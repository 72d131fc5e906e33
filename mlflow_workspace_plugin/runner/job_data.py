"""The data of a job that this process runs: brought before its command, stored behind it."""

import os
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow_workspace_plugin.jobs.definition import Definition
from mlflow_workspace_plugin.jobs.engines.local.launch import MOUNTS
from mlflow_workspace_plugin.runner.owned_job import OwnedJob

if TYPE_CHECKING:
    from mlflow_workspace_plugin.data.delivery.delivery import Delivery

_LOOK_S = 0.2
_NAME = "mlflow-workspace-data"


class JobData:
    """What the command of a job reads and makes, if that is anything.

    Args:
        job: the job.
        definition: of it.
        work: the folder that its command is run in.
    """

    def __init__(self, job: OwnedJob, definition: Definition, work: Path) -> None:
        self._delivery = _delivery(job, definition, work)

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables that tell the command where its data is."""
        return {} if self._delivery is None else self._delivery.variables

    def bring(self, poll: Callable[[], None]) -> None:
        """Bring what the command reads, and make the folders of what it makes.

        Args:
            poll: called several times a second. What it raises ends this at once: what goes on
                then is left to itself, see :func:`is_left_behind`.

        Raises:
            UserErrorException: an input is not there, or cannot be brought to where it shall be.
            mlflow.exceptions.MlflowException: the hub, or a datastore, cannot be reached.
        """
        if self._delivery is None:
            return
        raised: list[BaseException] = []

        def bring(delivery: "Delivery") -> None:
            try:
                delivery.bring()
            except BaseException as error:  # noqa: BLE001  it is raised below
                raised.append(error)

        thread = threading.Thread(target=bring, args=[self._delivery], name=_NAME, daemon=True)
        thread.start()
        while thread.is_alive():
            poll()
            thread.join(_LOOK_S)
        poll()
        if raised:
            raise raised[0]

    def filled(self, definition: Definition) -> Definition:
        """Return what is run, with where its data is in the place of what stands for that."""
        if self._delivery is None:
            return definition
        command, filled = definition.command, self._delivery.filled
        return replace(
            definition,
            arguments=[*map(filled, definition.arguments)],
            command=filled(command, is_for_shell=True)
            if isinstance(command, str)
            else command and [*map(filled, command)],
        )

    def store(self, *, is_completed: bool) -> None:
        """Store what the command made; arguments and errors of ``Delivery.store_outputs``."""
        if self._delivery is not None:
            self._delivery.store_outputs(is_completed=is_completed)

    def unstored(self) -> str:
        """Return what ``Delivery.unstored`` does."""
        return "" if self._delivery is None else self._delivery.unstored()

    def close(self) -> None:
        """Take away what was brought, unless it is being brought still."""
        if self._delivery is not None and not is_left_behind():
            self._delivery.close()


def _delivery(job: OwnedJob, definition: Definition, work: Path) -> "Delivery | None":
    if not (definition.inputs or definition.outputs):
        # It does not pay for what others need.
        return None
    from mlflow_workspace_plugin.data.delivery.delivery import Delivery
    from mlflow_workspace_plugin.data.files.views import keep_to_oneself

    if any(each.get("mode") == "mount" for each in definition.inputs):
        # Should this process be killed, nothing stays mounted.
        outside = keep_to_oneself()
        if outside is not None:
            os.environ[MOUNTS] = outside
    return Delivery(
        job.store,
        job.run_id,
        definition.inputs,
        definition.outputs,
        work=work,
        scratch=job.folder.data,
        say=job.say,
    )


def is_left_behind() -> bool:
    """Whether something is being brought of which nobody waits for the end any more.

    Python would do so before it ends.
    """
    return any(each.name == _NAME for each in threading.enumerate())
