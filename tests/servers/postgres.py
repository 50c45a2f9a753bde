"""A throwaway PostgreSQL, its databases and its standbys."""

import signal
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

from tests.servers import programs
from tests.servers.server import Server

ROLE = "ostiary"  # may do everything, and needs no password
GUARDED, PASSWORD = "guarded", "seven-lanterns"  # a role that is asked for its password

ACCESS = f"""
local  all          all        trust
host   all          {GUARDED}  127.0.0.1/32  scram-sha-256
host   all          all        127.0.0.1/32  trust
host   replication  all        127.0.0.1/32  trust
"""


class Postgres(Server):
    """A PostgreSQL server.

    What it acknowledged outlives its processes, however they end. Only when `durable` would it outlive a power cut too:
    no test can see that, but a bench must pay for it.
    """

    stop_signal = signal.SIGINT  # the fast shutdown: clients are sent away, not waited for, but standbys are
    close_signal = signal.SIGQUIT  # the immediate shutdown: nobody is waited for

    def __init__(self, *, durable: bool = False, settings: Mapping[str, str] | None = None) -> None:
        self._programs = programs.postgres()
        super().__init__()
        self.durable = durable
        self.settings = dict(settings or {})
        self._data = self.folder.path / "data"
        self._databases = count(1)

    def command(self) -> list[str | Path]:
        settings = {
            "port": str(self.port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(self.folder.path),
            "fsync": "on" if self.durable else "off",
            "shared_buffers": "16MB",
            "max_connections": "200",
            **self.settings,
        }
        return [self._programs / "postgres", "-D", self._data, *(f"--{name}={is_}" for name, is_ in settings.items())]

    def answers(self) -> bool:
        try:
            self._run("pg_isready", *self._here)
        except RuntimeError:
            return False
        return True

    def start(self) -> "Postgres":
        """Start the server, and return when it answers. The first start makes its data."""
        if self._data.exists():
            return super().start()
        self._run("initdb", "-D", self._data, "-U", ROLE, "--encoding=UTF8", "--locale=C", "--no-sync")
        (self._data / "pg_hba.conf").write_text(ACCESS)
        super().start()
        self.query(f"CREATE ROLE {GUARDED} LOGIN PASSWORD '{PASSWORD}'")
        return self

    def url(self, database: str = "postgres", *, role: str = ROLE, password: str | None = None) -> str:
        """Return the URL of a database, for a role. Only `GUARDED` is asked for a password."""
        who = role if password is None else f"{role}:{password}"
        return f"postgresql://{who}@127.0.0.1:{self.port}/{database}"

    def database(self, *, role: str = ROLE, password: str | None = None) -> str:
        """Make an empty database that belongs to a role, and return its URL for that role."""
        name = f"test_{next(self._databases)}"
        self.query(f"CREATE DATABASE {name} OWNER {role} STRATEGY file_copy")  # the quicker one, by about a third
        return self.url(name, role=role, password=password)

    def drop(self, url: str) -> None:
        """Remove a database, whoever is still connected to it."""
        self.query(f"DROP DATABASE {urlsplit(url).path[1:]} WITH (FORCE)")

    def query(self, sql: str, *, database: str = "postgres") -> str:
        """Run one statement as `ROLE`, and return its rows as text: one a line, columns parted by `|`."""
        options = ["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"]
        return self._run("psql", *options, *self._here, "-U", ROLE, "-d", database, "-c", sql)

    def standby(self) -> "Postgres":
        """Copy the server into one that follows it and answers reads. It still has to be started, and to be closed.

        It has a port of its own. Given the `port` of a server that is down, and restarted, it takes its place.
        """
        copy = Postgres(durable=self.durable, settings=self.settings)
        where = ["-h", "127.0.0.1", "-p", str(self.port), "-U", ROLE]
        copy._run("pg_basebackup", *where, "-D", copy._data, "--write-recovery-conf", "--checkpoint=fast", "--no-sync")
        return copy

    def promote(self) -> None:
        """Make a standby a server of its own right, and return when it takes writes."""
        self.query("SELECT pg_promote()")

    @property
    def _here(self) -> list[str]:
        return ["-h", str(self.folder.path), "-p", str(self.port)]

    def _run(self, program: str, *arguments: str | Path) -> str:
        return self.folder.run(self._programs / program, *arguments)
