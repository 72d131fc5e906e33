"""The tags, properties and names of a run, by SDK v1's methods."""

from collections.abc import Mapping
from typing import Any

from mlflow.entities import RunTag
from mlflow.utils.mlflow_tags import (
    MLFLOW_LOGGED_IMAGES,
    MLFLOW_PARENT_RUN_ID,
    MLFLOW_RUN_NAME,
    MLFLOW_RUN_NOTE,
    MLFLOW_USER,
)

from mlflow_workspace_plugin.errors import ImmutablePropertyError
from mlflow_workspace_plugin.runs import tag_text
from mlflow_workspace_plugin.runs.base import RunBase
from mlflow_workspace_plugin.runs.search import PROPERTY_PREFIX
from mlflow_workspace_plugin.stores.tags.failure import REASON_TAG
from mlflow_workspace_plugin.stores.tags.text_tags import without_texts

# What MLflow and this package note on a run by themselves, and SDK v1 had other places for.
_OF_MLFLOW = (
    MLFLOW_RUN_NAME,
    MLFLOW_RUN_NOTE,
    MLFLOW_PARENT_RUN_ID,
    MLFLOW_USER,
    MLFLOW_LOGGED_IMAGES,
    "mlflow.source.",
    REASON_TAG,
)


def tags_of_user(stored: Mapping[str, str]) -> dict[str, str | None]:
    """Return the tags that users set on a run, in SDK v1's form.

    Args:
        stored: all of the run's.
    """
    found = tag_text.from_mlflow(without_texts(stored))
    return {key: value for key, value in found.items() if not key.startswith(_OF_MLFLOW)}


class RunTags(RunBase):
    """Tags and properties of a run, its name and its description."""

    def tag(self, key: str, value: str | None = None) -> None:
        """Set a tag (SDK v1); one of that key is replaced.

        Args:
            key: any text.
            value: text or None; anything else is converted to text, with a warning.

        Raises:
            mlflow.exceptions.MlflowException: the run was deleted.
        """
        self.set_tags({key: value})

    def set_tags(self, tags: "dict[str, str | None] | str") -> None:
        """Set tags (SDK v1); other tags stay.

        Args:
            tags: values by key, as for :meth:`tag`; or one key alone, as SDK v1's documentation
                allows.

        Raises:
            mlflow.exceptions.MlflowException: the run was deleted.
        """
        self._write_tags(tag_text.to_mlflow(tag_text.as_text(tags)))

    def get_tags(self) -> dict[str, str | None]:
        """Return the tags (SDK v1), but for those that MLflow sets on each run by itself.

        The last texts of metrics, which MLflow shows as tags ``text/NAME``, are none of them.
        """
        return tags_of_user(self._mlflow_run().data.tags)

    @property
    def tags(self) -> dict[str, str | None]:
        """The tags. SDK v1 kept what it had read last; here each access reads them anew."""
        return self.get_tags()

    def remove_tags(self, tags: list[str]) -> None:
        """Remove tags (SDK v1).

        Args:
            tags: the keys; unknown ones are passed over.
        """
        for key in tag_text.stored_keys(tags, self._mlflow_run().data.tags):
            self._client.delete_tag(self.id, key)

    def add_properties(self, properties: dict[str, str | None] | None) -> None:
        """Add properties (SDK v1), which neither change nor go. To add one again is no error.

        Args:
            properties: values by key, as for :meth:`tag`.

        Raises:
            ImmutablePropertyError: a property has another value already; none was added.
        """
        wanted = tag_text.as_text(properties or {})
        if not wanted:
            return
        known = self.get_properties()
        for key, value in wanted.items():
            if key in known and known[key] != value:
                raise ImmutablePropertyError(
                    f"Property {key!r} of run {self.id!r} is {known[key]!r} and cannot become "
                    f"{value!r}: properties never change. Use a tag, or another key."
                )
        self._write_tags(tag_text.to_mlflow(wanted, PROPERTY_PREFIX))

    def get_properties(self) -> dict[str, str | None]:
        """Return the properties (SDK v1)."""
        return tag_text.from_mlflow(self._mlflow_run().data.tags, PROPERTY_PREFIX)

    @property
    def properties(self) -> dict[str, str | None]:
        """The properties. SDK v1 kept what it had read last; here each access reads them anew."""
        return self.get_properties()

    @property
    def display_name(self) -> str:
        """The name of the run in MLflow; set it to rename the run (SDK v1)."""
        return str(self._mlflow_run().info.run_name)

    @display_name.setter
    def display_name(self, name: str) -> None:
        self._client.update_run(self.id, name=name)

    @property
    def name(self) -> str:
        """The same as :attr:`display_name` (deprecated in SDK v1)."""
        return self.display_name

    @property
    def description(self) -> str | None:
        """The description, which MLflow's UI shows as Markdown; set it to change it (SDK v1)."""
        return tag_text.value_from_mlflow(MLFLOW_RUN_NOTE, self._mlflow_run().data.tags)

    @description.setter
    def description(self, text: str | None) -> None:
        self._write_tags(tag_text.value_to_mlflow(MLFLOW_RUN_NOTE, text))

    def _write_tags(self, written: Mapping[str, Any]) -> None:
        """Set MLflow's own tags, and delete what they make useless."""
        self._client.log_batch(self.id, tags=[RunTag(*each) for each in written.items()])
        if any(tag_text.is_piece(key) for key in written):
            stored = self._mlflow_run().data.tags
            for key in tag_text.outdated_keys(written, stored):
                self._client.delete_tag(self.id, key)
