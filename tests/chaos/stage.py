"""An office under attack: a database, a server for rings, a sink, three workers kept running, and tasks coming in."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from redis import RedisError
from sqlalchemy.exc import DBAPIError

from tests.chaos.points import POINTS, Point
from tests.chaos.servers import Databases, Valkey
from tests.parts import Office, bare_environment
from tests.sink import Sink

SIZES = (*(1, 1, 1, 2, 3, 5, 9, 10, 11, 20, 25, 40) * 3, 240)
NTH = {"before-data": 25, "in-body": 25, "after-last-byte": 25, "promoted": 2, "in-mark": 3}
"""At most how many times a point is passed before it kills; elsewhere 4."""

TOO_LONG = 20.0
"""Seconds after which a worker that has not got to its point is killed wherever it is."""

NEVER = Point("never", "worker: left alone")


@dataclass(frozen=True)
class Kill:
    """What died or broke: at which point, when (time.time()), and the task it had in hand, where it said so."""

    point: Point
    at: float
    pid: int | None = None
    task: int | None = None
    until: float = 0.0


@dataclass
class Life:
    """One worker's life, and when it is to end (time.time())."""

    point: Point
    process: subprocess.Popen[bytes]
    ends: float


@dataclass
class Stage:
    """`plans` are the ends of the next lives, in their order; with none left, workers live on."""

    databases: Databases
    chance: Random
    plans: list[Point]
    kills: list[Kill] = field(default_factory=list)
    wronged: set[str] = field(default_factory=set)
    acknowledged: set[int] = field(default_factory=set)
    strange: list[str] = field(default_factory=list)
    mischief: tuple[str, str | float] | None = None

    def __post_init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="pds"))
        self.url = self.databases.new()
        self.valkey = Valkey(self.folder / "valkey")
        self.sink = Sink(self._answer).__enter__()
        self.office = Office(self.url, self.valkey.url, self.sink, self.folder)
        self.lock = threading.Lock()
        self.submitted = 0
        self.lives = [self._begin(NEVER), self._begin(self._next()), self._begin(self._next())]

    def close(self) -> None:
        for life in self.lives:
            life.process.terminate()
        for life in self.lives:
            code = life.process.wait(40)
            if code:
                self.strange.append(f"a worker that was told to stop ended with {code}")
        self.office.close()
        self.sink.__exit__()
        self.valkey.end()

    def clear(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return [*self.databases.rows(self.url, query)]

    def spawn(self, module: str, *arguments: str, **env: str) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                env={**bare_environment(), **self.office.env, **env},
                cwd=self.folder,
                stdout=output,
                stderr=output,
            )

    def _answer(self, step: str, address: str) -> str | float | None:
        """The sink's script: one mischief at a time, else a little delay."""
        with self.lock:
            if self.mischief and self.mischief[0] == step:
                told, self.mischief = self.mischief[1], None
                self.wronged.add(address)
                return told
        return 0.004 if step == "end" else None

    def _next(self) -> Point:
        return self.plans.pop() if self.plans else NEVER

    def _begin(self, point: Point) -> Life:
        name, now = point.name, time.time()
        if name in ("never", "random", "two-timekeepers", "clock"):
            usurps = ("--usurps",) if name == "two-timekeepers" else ()
            env = {"LD_PRELOAD": faketime(), "FAKETIME": self.chance.choice(("+100s", "-100s"))}
            process = self.spawn("tests.chaos.worker", *usurps, **(env if name == "clock" else {}))
            return Life(point, process, now + (1e9 if name == "never" else self.chance.uniform(1.3, 4)))
        nth = self.chance.randint(1, NTH.get(name, 4))
        usurps = ("--usurps",) if name == "promoted" else ()
        return Life(point, self.spawn("tests.chaos.worker", "--at", name, "--nth", str(nth), *usurps), now + TOO_LONG)

    def step(self) -> None:
        """Look after the workers: who is dead is replaced, who has lived long enough dies."""
        for number, life in enumerate(self.lives):
            now = time.time()
            if life.process.poll() is not None:
                self._note(life)
                self.lives[number] = self._begin(self._next() if number else NEVER)
            elif now > life.ends:
                life.process.send_signal(signal.SIGKILL)
                life.process.wait()
                reached = life.point.name in ("random", "two-timekeepers", "clock")
                self.kills.append(Kill(life.point if reached else POINTS["random"], time.time(), life.process.pid))
                if not reached:
                    self.plans.insert(0, life.point)
                self.lives[number] = self._begin(self._next())

    def _note(self, life: Life) -> None:
        pid = life.process.pid
        if (note := self.noted(pid)) and life.process.returncode == -signal.SIGKILL:
            self.kills.append(Kill(POINTS[note["point"]], note["at"], pid, note["task"]))
        else:
            self.strange.append(f"worker {pid} ended by itself with {life.process.returncode}")
            if life.point is not NEVER:
                self.plans.insert(0, life.point)

    def noted(self, pid: int) -> dict[str, Any] | None:
        """What a process wrote down before it killed itself."""
        notes = self.folder / "kills"
        lines = notes.read_text().splitlines() if notes.exists() else []
        return next((note for note in map(json.loads, lines) if note["pid"] == pid), None)

    def submit(self) -> None:
        """Store a task as the pages do, ring for it or lose the ring; nothing is promised where it raises."""
        self.submitted += 1
        size, later = self.chance.choice(SIZES), self.chance.random() < 0.4
        at = datetime.now(UTC) + timedelta(seconds=self.chance.uniform(0, 3)) if later else None
        addresses = [f"t{self.submitted}r{n}@example.com" for n in range(size)]
        with suppress(RedisError, DBAPIError, OSError):
            self.acknowledged.add(self.office.submit(addresses, at, rings=self.chance.random() < 0.9))

    def moving(self) -> list[tuple[Any, ...]]:
        """Tasks that somebody should be working on, now or soon."""
        soon = datetime.now(UTC) + timedelta(seconds=6)
        return self.rows(
            f"SELECT id, status, due_at FROM tasks WHERE status = 'started' OR (status IN ('queued', 'scheduled')"
            f" AND due_at <= '{soon:%Y-%m-%d %H:%M:%S.%f}{'' if self.databases.kind == 'sqlite' else '+00'}')"
        )


def faketime() -> str:
    """The library that shows a process another time; empty where this machine has none (Debian: libfaketime)."""
    usual = [*Path("/usr/lib").glob("*/faketime/libfaketime.so.1")]
    return os.environ.get("LIBFAKETIME") or (str(usual[0]) if usual else "")
