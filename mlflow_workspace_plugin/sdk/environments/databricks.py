"""SDK v1's words for libraries of a Databricks cluster: kept, and not used."""

from dataclasses import dataclass, field

from mlflow_workspace_plugin.sdk.config_element import ConfigElement, holds


@dataclass(repr=False, slots=True)
class MavenLibrary(ConfigElement):
    """A package of Maven's (SDK v1).

    Args:
        coordinates: kept, and not used.
        repo: kept, and not used.
        exclusions: kept, and not used.
    """

    coordinates: str | None = None
    repo: str | None = None
    exclusions: list[str] | None = None


@dataclass(repr=False, slots=True)
class PyPiLibrary(ConfigElement):
    """A package of PyPI's (SDK v1).

    Args:
        package: kept, and not used.
        repo: kept, and not used.
    """

    package: str | None = None
    repo: str | None = None


@dataclass(repr=False, slots=True)
class RCranLibrary(ConfigElement):
    """A package of CRAN's (SDK v1).

    Args:
        package: kept, and not used.
        repo: kept, and not used.
    """

    package: str | None = None
    repo: str | None = None


@dataclass(repr=False, slots=True)
class JarLibrary(ConfigElement):
    """A library of Java's (SDK v1).

    Args:
        library: kept, and not used.
    """

    library: str | None = None


@dataclass(repr=False, slots=True)
class EggLibrary(ConfigElement):
    """A library of Python's (SDK v1).

    Args:
        library: kept, and not used.
    """

    library: str | None = None


@dataclass(repr=False, slots=True)
class DatabricksSection(ConfigElement):
    """The libraries of a Databricks cluster (SDK v1).

    Attributes:
        maven_libraries: kept, and not used.
        pypi_libraries: kept, and not used.
        rcran_libraries: kept, and not used.
        jar_libraries: kept, and not used.
        egg_libraries: kept, and not used.
    """

    maven_libraries: list[MavenLibrary] = field(
        default_factory=list, metadata=holds(MavenLibrary.from_stored, each=True)
    )
    pypi_libraries: list[PyPiLibrary] = field(
        default_factory=list, metadata=holds(PyPiLibrary.from_stored, each=True)
    )
    rcran_libraries: list[RCranLibrary] = field(
        default_factory=list, metadata=holds(RCranLibrary.from_stored, each=True)
    )
    jar_libraries: list[JarLibrary] = field(
        default_factory=list, metadata=holds(JarLibrary.from_stored, each=True)
    )
    egg_libraries: list[EggLibrary] = field(
        default_factory=list, metadata=holds(EggLibrary.from_stored, each=True)
    )
