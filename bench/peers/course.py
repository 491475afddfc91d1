"""One racer's turn: in a folder of its own, with fresh servers, its own processes, and a mail server that counts."""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from bench.peers.home import HERE, copy_of_postdate, python_of_the_peers
from bench.peers.racers import Racer
from bench.sink import FastSink
from tests.chaos.servers import Postgres, Sqlite
from tests.parts import bare_environment, valkey

LONGEST = 900
"""Seconds for a turn."""


@dataclass(frozen=True)
class Turn:
    """What a racer did: mails a second, and what was wrong with them, which is nothing where all went well."""

    rate: float
    wrong: str = ""


class Course:
    """Where they race: what takes long to make is made once, when it is first needed."""

    def turn(self, racer: Racer, mails: int) -> Turn:
        folder = Path(tempfile.mkdtemp(prefix="pdb"))
        try:
            with _redis(racer, folder) as redis_url, FastSink() as sink:
                database = self._database(racer)
                given = {"mails": mails, "port": sink.port, "redis": redis_url, "postgres": _plain(database)}
                env = self._environment(racer, {**racer.given, **given}, database)
                process = self._run(racer, env, folder)
            return judged(process, mails, sink, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _database(self, racer: Racer) -> str:
        if "postgres" in racer.needs:
            return self._postgres.new()
        return self._sqlite.new() if "postdate" in racer.needs else ""

    def _environment(self, racer: Racer, given: dict[str, Any], database: str) -> dict[str, str]:
        env = bare_environment() | {"PYTHONPATH": str(HERE), "RACE": json.dumps(given)}
        if "postdate" not in racer.needs:
            return env
        return env | {
            "PYTHONPATH": f"{self._postdate}:{HERE}",
            "DATABASE_URL": database,
            "REDIS_URL": given["redis"],
            "SMTP_URL": f"smtp://127.0.0.1:{given['port']}",
            "MAIL_FROM": "Postdate <postdate@example.com>",
            "SECRET_KEY": "a secret for measurements only",
            "WORKERS": str(given.get("workers", 1)),
        }

    def _run(self, racer: Racer, env: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
        module, _, function = racer.runs.partition(".")
        python = sys.executable if "postdate" in racer.needs else self._peers
        command = [python, "-c", f"import {module}; {module}.{function}()"]
        with (folder / "errors").open("w") as errors:
            return subprocess.run(
                command, env=env, cwd=folder, stdout=subprocess.PIPE, stderr=errors, text=True, timeout=LONGEST
            )

    @cached_property
    def _peers(self) -> str:
        return python_of_the_peers()

    @cached_property
    def _postdate(self) -> Path:
        return copy_of_postdate()

    @cached_property
    def _sqlite(self) -> Sqlite:
        return Sqlite()

    @cached_property
    def _postgres(self) -> Postgres:
        return Postgres()

    def close(self) -> None:
        for name in ("_sqlite", "_postgres"):
            if name in self.__dict__:
                self.__dict__[name].close()


@contextmanager
def _redis(racer: Racer, folder: Path) -> Iterator[str]:
    if "redis" not in racer.needs:
        yield ""
        return
    with valkey(folder) as url:
        yield url


def _plain(database: str) -> str:
    return database.replace("+psycopg", "") if database.startswith("postgresql") else ""


def judged(process: subprocess.CompletedProcess[str], mails: int, sink: FastSink, folder: Path) -> Turn:
    """The turn as the racer tells it, held against what the mail server counted."""
    lines = process.stdout.splitlines()
    if process.returncode or not lines:
        return Turn(0.0, f"did not finish: {_last_words(folder)}")
    told = json.loads(lines[-1])
    lost, doubled = mails - sink.people, sink.taken - sink.people
    wrong = [f"{n} {what}" for n, what in (
        (lost, "lost"), (doubled, "doubled"), (mails - told["recorded"], "not recorded")) if n]  # fmt: skip
    return Turn(mails / told["seconds"], ", ".join(wrong))


def _last_words(folder: Path) -> str:
    texts = [(folder / name).read_text() for name in ("errors", "log") if (folder / name).exists()]
    return " … ".join(" ".join(text.split())[-400:] for text in texts)
