"""The part of SDK v1's ``Run`` that is about its children and its parent."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from mlflow_workspace_plugin.errors import UserErrorException
from mlflow_workspace_plugin.runs import left_open
from mlflow_workspace_plugin.runs import search as run_search
from mlflow_workspace_plugin.runs.run_tags import RunTags
from mlflow_workspace_plugin.sdk.runs.creation import create_run, outputs_of_started
from mlflow_workspace_plugin.sdk.runs.parts.of_experiment import OfExperiment

if TYPE_CHECKING:
    from mlflow_workspace_plugin.sdk.runs.run import Run
    from mlflow_workspace_plugin.sdk.runs.script_run import ScriptRun

_NUMBER_TAG = "azureml.batch_child_number"


class RunChildren(OfExperiment, RunTags):
    """Children of a run: those that SDK v1 started, and nested runs of MLflow."""

    def child_run(
        self,
        name: str | None = None,
        run_id: str | None = None,
        outputs: object = None,
    ) -> "Run":
        """Start a child of this run, in this process (SDK v1).

        Args:
            name: its name becomes that of this run, ``>``, and this; chosen by MLflow when None.
            run_id: an id of one's own, kept beside MLflow's.
            outputs: as for ``Run.start_logging``.

        Raises:
            UserErrorException: ``run_id`` is no id that SDK v1 or MLflow takes.
            RunExistsError: a run of the workspace has that id.
        """
        from mlflow_workspace_plugin.sdk.runs.run import Run

        created = create_run(
            self._experiment,
            name=None if name is None else f"{self.name}>{name}",
            run_id=run_id,
            parent_id=self.id,
        )
        outputs = outputs_of_started(outputs)
        child = Run(self._experiment, created.info.run_id, outputs, _run_dto=created)
        left_open.begun(child, self.id)
        return child

    def create_children(
        self,
        count: int | None = None,
        tag_key: str | None = None,
        tag_values: Sequence[str] | None = None,
    ) -> "list[Run]":
        """Start several children at once (SDK v1, which allowed a hundred).

        Args:
            count: how many; or instead
            tag_key: a tag that each has,
            tag_values: and its value for each.

        Returns:
            The children, in order.

        Raises:
            UserErrorException: neither is given, or both, or one of the latter two only.
        """
        from mlflow_workspace_plugin.sdk.runs.run import Run

        by_tag = tag_key is not None and tag_values is not None
        if by_tag == (count is not None) or (tag_key is None) != (tag_values is None):
            raise UserErrorException(
                f"create_children was given count={count!r}, tag_key={tag_key!r} and "
                f"tag_values={tag_values!r}. Give a count, or a tag's key and its values."
            )
        tags: list[dict[str, str | None]]
        if tag_key is not None and tag_values is not None:
            tags = [{tag_key: value} for value in tag_values]
        else:
            tags = [{} for _ in range(count or 0)]
        created = [
            create_run(self._experiment, parent_id=self.id, tags=each | {_NUMBER_TAG: str(number)})
            for number, each in enumerate(tags)
        ]
        children = [Run(self._experiment, each.info.run_id, _run_dto=each) for each in created]
        for child in children:
            left_open.begun(child, self.id)
        return children

    def submit_child(
        self,
        config: Any,
        tags: "dict[str, str | None] | None" = None,
        **kwargs: Any,
    ) -> "ScriptRun":
        """Submit a job as a child of this run (SDK v1).

        Args:
            config: as for ``Experiment.submit``.
            tags: as for ``Experiment.submit``.
            kwargs: as for ``Experiment.submit``.
        """
        from mlflow_workspace_plugin.sdk.runs.submitting import submit_config

        return submit_config(self._experiment, config, tags, parent_id=self.id, **kwargs)

    def get_children(
        self,
        recursive: bool = False,  # noqa: FBT001, FBT002  SDK v1's signature
        tags: run_search.Wanted = None,
        properties: run_search.Wanted = None,
        type: str | None = None,  # noqa: A002  SDK v1's name
        status: str | None = None,
        _rehydrate_runs: bool = True,  # noqa: FBT001, FBT002
    ) -> "Iterator[Run]":
        """Yield the children of this run, newest first (SDK v1).

        Args:
            recursive: their children too, and so on.
            tags: only those that have this tag, or all these pairs.
            properties: only those that have this property, or all these pairs.
            type: only those of this type.
            status: only those of this status of SDK v1.

        Raises:
            ValueError: ``tags`` or ``properties`` is neither text nor a dictionary.
        """
        from mlflow_workspace_plugin.sdk.runs.script_run import runs_of

        search = run_search.descendants if recursive else run_search.children
        wanted = run_search.RunFilter(type, tags, properties, status)
        found = search(self._experiment.searched(), self.id, wanted)
        yield from runs_of(self._experiment, found, status)

    @property
    def parent(self) -> "Run | None":
        """The run whose child this is; None if it is nobody's."""
        parent = self._mlflow_run().data.tags.get(MLFLOW_PARENT_RUN_ID)
        return None if parent is None else self._experiment.workspace.get_run(parent)

    @property
    def type(self) -> str | None:
        """SDK v1's type of the run; None for one that a script started."""
        found: str | None = self._mlflow_run().data.tags.get(run_search.TYPE_TAG)
        return found

    @property
    def number(self) -> int:
        """The number of the run among those of its experiment, from 1, by when they began."""
        return run_search.number_of(self._experiment.searched(), self._mlflow_run())
