"""The part of SDK v1's ``Run`` that is about its tags, properties and names."""

from mlflow_workspace_plugin.sdk.run_base import RunBase


class RunTags(RunBase):
    """Tags of a run, and what else is written on it."""

    def tag(self, key: str, value: str | None = None) -> None:
        """Set a tag (SDK v1). A tag without a value is empty text, for MLflow has no other."""
        self._client.set_tag(self.id, key, "" if value is None else value)
