"""What the database's query planner knows about its tables, kept fresh.

Without statistics SQLite reads a metric of one run by way of all runs that log a metric of that
name. Queries of ours name their index; MLflow's own, and those of a stock server on the same
database, depend on this.
"""

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from mlflow_workspace_plugin.hub.databases.database import transaction
from mlflow_workspace_plugin.terminal import get_logger

_logger = get_logger(__name__)

_TABLES = ("runs", "metrics", "latest_metrics", "params", "tags")
_FEW = 1_000
_MANY = 100_000

# At most this many rows of each index are looked at, so that it takes milliseconds.
_SQLITE_LIMIT = 1_000
# The pages of each table when its statistics were made, and now. Its counters of rows lag behind.
_POSTGRESQL_PAGES = text("""
    SELECT relpages, pg_relation_size(oid) / CAST(current_setting('block_size') AS int)
    FROM pg_class
    WHERE relname IN ('runs', 'metrics', 'latest_metrics', 'params', 'tags')
    AND relkind = 'r' AND pg_table_is_visible(oid)
""")
_FEW_PAGES = 16


class Statistics:
    """Refreshes the statistics of a hub's database when its tables have doubled."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._written = 0
        self._next_look = _FEW

    def wrote(self, rows: int) -> None:
        """Take notice of rows that were written; now and then, look whether it is time."""
        self._written += rows
        if self._written >= self._next_look:
            self._written = 0
            self._next_look = min(2 * self._next_look, _MANY)
            self.refresh_if_stale()

    def refresh_if_stale(self) -> None:
        """Refresh the statistics if the tables have at least doubled since the last time.

        A failure, such as a database that stays locked, is only noted: statistics make queries
        quick, not right.
        """
        try:
            with transaction(self._engine) as connection:
                stale = (
                    _sqlite_is_stale(connection)
                    if self._engine.dialect.name == "sqlite"
                    else _postgresql_is_stale(connection)
                )
            if stale:
                self._refresh()
        except SQLAlchemyError as error:
            _logger.debug("The database's statistics were not refreshed: %s", error)

    def _refresh(self) -> None:
        with transaction(self._engine) as connection:
            if self._engine.dialect.name == "sqlite":
                connection.exec_driver_sql(f"PRAGMA analysis_limit = {_SQLITE_LIMIT}")
                for table in _TABLES:
                    connection.exec_driver_sql(f"ANALYZE {table}")
            else:
                connection.exec_driver_sql(f"ANALYZE {', '.join(_TABLES)}")
        # SQLite's connections read the statistics once, when they are opened.
        self._engine.dispose()


def _sqlite_is_stale(connection: Connection) -> bool:
    known = dict.fromkeys(_TABLES, 0)
    has_any = connection.exec_driver_sql(
        "SELECT 1 FROM sqlite_master WHERE name = 'sqlite_stat1'"
    ).first()
    if has_any:
        for table, stat in connection.exec_driver_sql("SELECT tbl, stat FROM sqlite_stat1"):
            if table in known:
                known[table] = max(known[table], int(stat.split()[0]))
    return any(_sqlite_rows(connection, each) > 2 * known[each] + _FEW for each in _TABLES)


def _sqlite_rows(connection: Connection, table: str) -> int:
    # The number of the last row: it takes no time, and differs only by what was deleted.
    found = connection.exec_driver_sql(f"SELECT coalesce(max(rowid), 0) FROM {table}")
    return int(found.scalar_one())


def _postgresql_is_stale(connection: Connection) -> bool:
    pages = connection.execute(_POSTGRESQL_PAGES).all()
    return any(now > 2 * known + _FEW_PAGES for known, now in pages)
