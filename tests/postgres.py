"""A PostgreSQL server of the tests' own, on a free port, and databases on it."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg

from tests.servers import free_port

# PostgreSQL refuses to run as root.
_USER = "nobody" if os.geteuid() == 0 else None
_DEBIAN = Path("/usr/lib/postgresql")


def for_mlflow(url: str) -> str:
    """Return the URL of a database with the driver that MLflow is written for.

    Before 3.17 it cannot filter by time with another, nor read a model's versions.
    """
    return url.replace("+psycopg:", "+psycopg2:")


@dataclass(frozen=True)
class PostgreSQL:
    """A running server. Roles log in without a password, but for those in group ``password``."""

    port: int
    folder: Path
    options: str

    def start(self) -> None:
        """Start it, or start it again."""
        files = ("-D", str(self.folder / "data"), "-l", str(self.folder / "log"))
        run("pg_ctl", "start", "-w", *files, "-o", self.options)

    def stop(self) -> None:
        """Stop it at once, as if it had crashed."""
        run("pg_ctl", "stop", "-D", str(self.folder / "data"), "-m", "immediate")

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let it give no answer and refuse no connection, as behind a dead network."""
        main = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{main}/task/{main}/children")
        pids = [main, *map(int, children.read_text().split())]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in reversed(pids):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def url(self, database: str = "postgres") -> str:
        """Return the SQLAlchemy URL of a database."""
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/{database}"

    def execute(self, statement: str, database: str = "postgres") -> None:
        """Run a statement outside a transaction."""
        url = self.url(database).replace("+psycopg", "")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(statement)

    def create_database(self, name: str, template: str = "template1") -> str:
        """Make a database, a copy of another one that nobody is connected to; return its URL."""
        # Not through the log, which takes three times as long.
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')
        return self.url(name)

    def drop_database(self, url: str) -> None:
        """Drop the database of a URL: with MLflow's tables it takes 10 MB."""
        self.execute(f'DROP DATABASE "{url.rpartition("/")[2]}" WITH (FORCE)')


@contextmanager
def postgresql(**settings: str) -> Iterator[PostgreSQL]:
    """Run a server until the block is left.

    Args:
        settings: of ``postgresql.conf``. By default ``fsync`` is off: the machine is not going to
            lose power in the middle of a test.
    """
    # Not below pytest's folder, which only its owner may enter.
    folder = Path(tempfile.mkdtemp(prefix="postgresql-"))
    data = folder / "data"
    if _USER:
        shutil.chown(folder, _USER)
    port = free_port()
    settings = {"fsync": "off", "max_connections": "200"} | settings
    try:
        run("initdb", "-D", str(data), "-U", "postgres", "--auth=trust", "--no-sync")
        access = data / "pg_hba.conf"
        rules = "host all +password 127.0.0.1/32 scram-sha-256\n"
        access.write_text(rules + access.read_text())
        options = f"-p {port} -k '' -h 127.0.0.1 " + " ".join(
            f"-c {name}={value}" for name, value in settings.items()
        )
        server = PostgreSQL(port, folder, options)
        server.start()
        server.execute("CREATE ROLE password")
        try:
            yield server
        finally:
            if (data / "postmaster.pid").exists():
                server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run(program: str, *arguments: str) -> None:
    """Run one of PostgreSQL's programs."""
    done = subprocess.run(
        [program_path(program), *arguments],
        user=_USER,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if program == "initdb" else subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{program} failed: {done.stdout}"


def program_path(program: str) -> str:
    """Find a program of PostgreSQL's, which Debian keeps off the PATH."""
    found = shutil.which(program)
    if found is None:
        versions = sorted(_DEBIAN.glob(f"*/bin/{program}"), reverse=True)
        assert versions, "Install PostgreSQL 15 (Debian: apt-get install postgresql)."
        found = str(versions[0])
    return found
