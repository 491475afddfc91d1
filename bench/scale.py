"""`python -m bench scale`: lost rings, a crowd that is due at one instant, the memory that large tasks take, and
what is deleted because it is old.
"""

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from statistics import quantiles

from sqlalchemy import func, select, update

from app.db import now
from app.tasks import queries
from app.tasks.model import Task, TaskEvent, TaskStatus
from app.web.people.tokens import new_token
from bench import copies
from bench.memory import Memory, of
from bench.office import KINDS, an_office
from bench.sink import FastSink
from tests.browser.conftest import free_port
from tests.browser.place import Place
from tests.chaos.page import machine, table
from tests.parts import Office, command, wait_until

LONG = 400 * 86_400
"""Seconds; in days, longer than mail is kept here."""

FLAT = 32.0
"""MB by which memory may grow: each connection to SQLite keeps up to 16 of what it has read."""


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench scale", description=__doc__)
    parser.add_argument("--rings", type=int, default=100_000, help="that were lost")
    parser.add_argument("--due", type=int, default=10_000, help="tasks that are due at one instant")
    parser.add_argument("--deliveries", type=int, default=1_000_000, help="of one task")
    parser.add_argument("--recipients", type=int, default=10_000, help="that a program submits in one request")
    parser.add_argument("--old", type=int, default=30_000, help="tasks that are deleted because they ended long ago")
    parser.add_argument("--seconds", type=float, default=60, help="for which the large task is sent")
    parser.add_argument("--database", choices=("sqlite", "postgres", "both"), default="both")
    options = parser.parse_args(arguments)
    rows: list[Sequence[str]] = [("", "measured", "wanted")]
    for kind in [*KINDS] if options.database == "both" else [options.database]:
        for row in measured(kind, options):
            rows.append((f"{kind}: {row[0]}", *row[1:]))
            print(*rows[-1], sep=" | ", flush=True)
    print(f"\nOn {machine()}:\n\n{table(rows)}")
    return 0


def measured(kind: str, options: argparse.Namespace) -> Iterator[Sequence[str]]:
    """Each in a database of its own."""
    with FastSink() as sink:
        took, memory = {}, {}
        for n in (options.rings // 4, options.rings):
            with an_office(kind, sink) as office:
                took[n], memory[n] = reconcile(office, n)
        more = memory[options.rings] - min(memory.values())
        yield f"{options.rings:,} lost rings are rung again", f"{took[options.rings]:.1f} s", "10 s"
        yield "memory for that, more than for a quarter of them", f"{more:.0f} MB", f"flat (under {FLAT:.0f})"
        with an_office(kind, sink) as office:
            after, early = promoted(office, options.due)
            yield f"{options.due:,} due at one instant are promoted", f"after {after:.2f} s", "2 s"
            yield "of them before their instant", str(early), "0"
        with an_office(kind, sink) as office:
            began, first, last, most = worker(office, options.deliveries, options.seconds)
            yield f"{options.deliveries:,} deliveries in one task: the first is sent", f"after {began:.2f} s", ""
            yield "memory of the worker, at most", f"{most:.0f} MB", "150 MB"
            yield "at the end more than at the beginning", f"{last - first:.0f} MB", f"flat (under {FLAT:.0f})"
        with an_office(kind, sink) as office:
            slowest, before, most, after = web(office, options.recipients)
            yield f"a request with {options.recipients:,} recipients, the slowest of five", f"{slowest:.2f} s", "2 s"
            yield "memory of the web before, at most, after", f"{before:.0f}, {most:.0f}, {after:.0f} MB", ""
        with an_office(kind, sink) as office:
            rate, before, meanwhile = retention(office, options.old)
            yield f"{options.old:,} old tasks are deleted", f"{rate:,.0f} a second", ""
            yield "to store a mail, p99 before and meanwhile", f"{before:.0f}, {meanwhile:.0f} ms", ""


def reconcile(office: Office, n: int) -> tuple[float, float]:
    """Seconds that `python -m app reconcile` takes to ring for tasks whose rings are gone, and its memory in MB."""
    copies.tasks(office, n)
    with office.database.writing() as db:
        db.execute(update(Task).values(rung_at=now(-60)))
    began = time.monotonic()
    with command("reconcile", office.env, office.log) as process, Memory(process.pid) as seen:
        process.wait(600)
    took = time.monotonic() - began
    assert sum(office.rings.waiting().values()) == n, office.rings.waiting()
    return took, seen.most


def promoted(office: Office, n: int) -> tuple[float, int]:
    """Seconds after their instant until all are promoted, beside a worker that sends them; how many were early."""
    copies.tasks(office, n, at=datetime.now(UTC) + timedelta(days=1))
    with office.worker(LOG_LEVEL="WARNING"):
        wait_until(lambda: office.one(queries.live_workers())[0], 20, "the worker lives")
        instant = datetime.now(UTC) + timedelta(seconds=5)
        with office.database.writing() as db:
            db.execute(update(Task).values(due_at=instant, scheduled_at=instant))
        waits = select(func.count()).where(Task.status == TaskStatus.SCHEDULED)
        wait_until(lambda: not office.one(waits)[0], 120, "all have been promoted")
        after = (datetime.now(UTC) - instant).total_seconds()
    left = TaskEvent.from_status == TaskStatus.SCHEDULED, TaskEvent.to_status == TaskStatus.QUEUED
    early = office.one(select(func.count()).where(*left, TaskEvent.at < instant))[0]
    return after, early


def worker(office: Office, n: int, seconds: float) -> tuple[float, float, float, float]:
    """Seconds until the first of so many is sent, and the MB of the worker's processes: at first, at last, at most."""
    task_id = office.submit(rings=False)
    copies.deliveries(office, task_id, n)
    with office.worker(LOG_LEVEL="WARNING") as process:
        wait_until(lambda: office.one(queries.live_workers())[0], 20, "the worker lives")
        with Memory(process.pid) as seen:
            began = time.monotonic()
            office.rings.ring([(task_id, 0, "default")])
            wait_until(lambda: office.one(select(Task.sent).where(Task.id == task_id))[0], 60, "something was sent")
            took = time.monotonic() - began
            time.sleep(seconds)
    tenth = max(1, len(seen.seen) // 6)
    first, last = seen.seen[tenth // 2 : tenth + 1], seen.seen[-tenth - 1 : -1]
    return took, sum(first) / len(first), sum(last) / len(last), seen.most


def web(office: Office, n: int) -> tuple[float, float, float, float]:
    """Seconds of the slowest of five large requests one after the other; and the web's MB before them, at most while
    five more come at once, and after.
    """
    place, token = Place(office, free_port()), new_token(office.database, "bench")
    people = [{"address": f"r{at}@example.com", "name": "Kim", "variables": {"name": "Kim"}} for at in range(n)]
    body = json.dumps({"template": "email/welcome", "recipients": people})
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def submit(_: int) -> float:
        began, connection = time.monotonic(), HTTPConnection("127.0.0.1", place.port, timeout=120)
        connection.request("POST", "/api/tasks", body, headers)
        answer = connection.getresponse()
        assert answer.status == 201, answer.read()
        connection.close()
        return time.monotonic() - began

    with place.web() as process, ThreadPoolExecutor(5) as five:
        before = of(process.pid)
        with Memory(process.pid) as seen:
            alone = [submit(at) for at in range(5)]
            [*five.map(submit, range(5))]
        return max(alone), before, seen.most, of(process.pid)


def retention(office: Office, n: int) -> tuple[float, float, float]:
    """How many tasks that ended long ago a worker deletes in a second; and the milliseconds that it takes to store a
    mail, p99, before that and meanwhile, twenty a second.
    """
    copies.tasks(office, n)
    with office.database.writing() as db:
        ended = {"status": TaskStatus.FINISHED, "rung_at": now(-LONG), "created_at": now(-LONG), "ended_at": now(-LONG)}
        db.execute(update(Task).values(ended))
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    old = select(func.count()).where(Task.created_at < now(-LONG / 2))

    def store() -> float:
        time.sleep(0.05)
        began = time.monotonic()
        office.submit(at=tomorrow, rings=False)
        return time.monotonic() - began

    before = [store() for _ in range(100)]
    with office.worker(LOG_LEVEL="WARNING", RETENTION_DAYS="365"):
        wait_until(lambda: office.one(old)[0] < n, 20, "it has begun")
        left, began, meanwhile = office.one(old)[0], time.monotonic(), list[float]()
        while office.one(old)[0] and time.monotonic() - began < 120:
            meanwhile += [store() for _ in range(10)]
        rate = (left - office.one(old)[0]) / (time.monotonic() - began)
    return rate, *(1000 * quantiles(some, n=100)[98] for some in (before, meanwhile or before))
