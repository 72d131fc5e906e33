"""What is looked at, and made ready, as a process opens a hub."""

from sqlalchemy import Engine

from mlflow_workspace_plugin.errors import HubError
from mlflow_workspace_plugin.hub import trust
from mlflow_workspace_plugin.hub.catalog import Catalog
from mlflow_workspace_plugin.hub.databases import schema
from mlflow_workspace_plugin.hub.databases.database import (
    check_magic,
    open_engine,
    set_journal_mode,
    translated_errors,
    url_of,
)
from mlflow_workspace_plugin.hub.databases.statistics import Statistics
from mlflow_workspace_plugin.hub.files.folder import HubFolder, HubSettings
from mlflow_workspace_plugin.hub.tables import version


def opened(folder: HubFolder) -> tuple[HubSettings, str, Engine, Catalog, Statistics]:
    """Open the hub in a folder; return its settings, the URL of its database, and what works on it.

    Raises:
        HubError: it cannot be used; the subclass says why.
    """
    folder.check_access()
    settings = trust.load_trusted_settings(folder)
    if settings.database is None:
        check_magic(folder)
    url = url_of(folder, settings)
    with translated_errors(folder.path, settings.database):
        engine = open_engine(url, settings)
        try:
            schema.verify(engine, folder.path)
            version.open_tables(engine, folder)
        except HubError:
            # A connection that nobody uses would be in the way of an upgrade.
            engine.dispose()
            raise
        if settings.database is None:
            # Only now: a hub that is refused is left as it is.
            set_journal_mode(engine, settings.journal_mode)
        catalog = Catalog(folder, engine, url)
    statistics = Statistics(engine)
    statistics.refresh_if_stale()
    return settings, url, engine, catalog, statistics
