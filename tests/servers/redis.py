"""A throwaway Redis, which forgets everything when it ends."""

from pathlib import Path

from tests.servers import programs
from tests.servers.server import Server


class Redis(Server):
    """A Redis server that writes nothing to disk. With a password, it answers only who knows it."""

    def __init__(self, *, password: str | None = None) -> None:
        self._programs = programs.redis()
        super().__init__()
        self.password = password
        self._socket = self.folder.path / "socket"

    def command(self) -> list[str | Path]:
        network: list[str | Path] = ["--bind", "127.0.0.1", "--port", str(self.port), "--unixsocket", self._socket]
        password = ["--requirepass", self.password] if self.password else []
        nothing_kept = ["--save", "", "--appendonly", "no"]
        return [self._programs / "redis-server", "--dir", self.folder.path, *network, *password, *nothing_kept]

    def answers(self) -> bool:
        try:
            return self.query("PING") == "PONG"
        except RuntimeError:
            return False

    def url(self, database: int = 0) -> str:
        """Return the URL of one of the 16 databases."""
        who = f":{self.password}@" if self.password else ""
        return f"redis://{who}127.0.0.1:{self.port}/{database}"

    def flush(self) -> None:
        """Forget everything, in all databases."""
        self.query("FLUSHALL")

    def query(self, *words: str) -> str:
        """Send one command, and return its answer as text."""
        password = ["--no-auth-warning", "-a", self.password] if self.password else []
        return self.folder.run(self._programs / "redis-cli", "-e", "-s", self._socket, *password, *words)
