"""SDK v1's words for what a script makes for a datastore, in the sections of its configuration."""

from dataclasses import dataclass, field
from typing import Any

from mlflow_workspace_plugin.data.delivery.outputs import DESTINATION, DataOutput
from mlflow_workspace_plugin.errors import UserErrorException
from mlflow_workspace_plugin.sdk.config_element import ConfigElement, holds
from mlflow_workspace_plugin.sdk.jobs.configurations.data import DataLocation


@dataclass(repr=False, slots=True)
class DatasetRegistrationOptions(ConfigElement):
    """How what a script made becomes a dataset (SDK v1).

    Args:
        additional_transformations: kept.
    """

    additional_transformation: Any = None

    def __init__(self, additional_transformations: Any = None) -> None:
        self.additional_transformation = additional_transformations


@dataclass(repr=False, slots=True)
class RegistrationOptions(ConfigElement):
    """The dataset that what a script made becomes a version of (SDK v1).

    Args:
        name: of the dataset.
        description: of the version.
        tags: of the version.
        dataset_registration_options: kept.
    """

    name: str | None = None
    description: str | None = None
    tags: Any = None
    dataset_registration_options: Any = field(
        default=None, metadata=holds(DatasetRegistrationOptions.from_stored)
    )


@dataclass(repr=False, slots=True)
class GlobsOptions(ConfigElement):
    """Patterns of the files that are stored (SDK v1).

    Args:
        patterns: them.
    """

    patterns: Any = None


@dataclass(repr=False, slots=True)
class UploadOptions(ConfigElement):
    """How files are stored when a script has ended (SDK v1).

    Args:
        overwrite: whether files that are there may be replaced.
        source_globs: patterns of those that are stored.
    """

    overwrite: bool = False
    source_globs: Any = field(default=None, metadata=holds(GlobsOptions.from_stored))


@dataclass(repr=False, slots=True)
class MountOptions(ConfigElement):
    """How files are stored that a script writes (SDK v1).

    Args:
        disable_metadata_cache: kept.
    """

    disable_metadata_cache: bool = False


@dataclass(repr=False, slots=True)
class OutputOptions(ConfigElement):
    """How what a script made is stored (SDK v1).

    Args:
        path_on_compute: where the script makes it; None is a folder of its own.
        registration_options: the dataset that it becomes a version of.
        upload_options: how files are stored when the script has ended.
        mount_options: kept.
    """

    path_on_compute: str | None = None
    registration_options: Any = field(default=None, metadata=holds(RegistrationOptions.from_stored))
    upload_options: Any = field(default=None, metadata=holds(UploadOptions.from_stored))
    mount_options: Any = field(default=None, metadata=holds(MountOptions.from_stored))


@dataclass(repr=False, slots=True)
class OutputData(ConfigElement):
    """What a script makes for a datastore (SDK v1).

    Args:
        output_location: where it is stored; None is a folder of the run's.
        mechanism: ``mount`` or ``upload``.
        additional_options: how.
    """

    output_location: Any = field(default=None, metadata=holds(DataLocation.from_stored))
    mechanism: str = "mount"
    additional_options: Any = field(default=None, metadata=holds(OutputOptions.from_stored))

    def _output(self, name: str) -> DataOutput:
        """Return what is made.

        Raises:
            UserErrorException: no such mechanism.
        """
        mode = (self.mechanism or "mount").lower()
        if mode not in ("mount", "upload", "link"):
            raise UserErrorException(
                f"The output {name!r} has the mechanism {mode!r}. It is mount or upload."
            )
        options = self.additional_options or OutputOptions()
        upload = options.upload_options or UploadOptions()
        registration = options.registration_options or RegistrationOptions()
        place = None if self.output_location is None else self.output_location.data_path
        globs = None if upload.source_globs is None else upload.source_globs.patterns
        return DataOutput(
            name,
            mode,  # type: ignore[arg-type]
            datastore=None if place is None else place.datastore_name,
            path=DESTINATION if place is None else place.relative_path or "",
            source=options.path_on_compute,
            overwrite=upload.overwrite,
            globs=tuple([globs] if isinstance(globs, str) else globs or ()),
            register_as=registration.name,
            description=registration.description,
            tags=registration.tags,
        )
