"""`python -m bench lateness`: how late mail leaves on an idle machine, and how soon `--burst N` due at once go."""

import argparse
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from math import ceil
from statistics import median
from typing import Any

from sqlalchemy import func, select

from app.mail.addresses import parse
from app.tasks import queries
from app.tasks.model import Delivery, Task
from app.tasks.request import Recipient, Request
from app.tasks.submit import new_deliveries, new_task
from bench.office import KINDS, an_office
from tests.chaos.page import machine, table
from tests.parts import Office, wait_until
from tests.sink import Sink

AHEAD = 5.0
"""Seconds between the last task stored and the first one due."""


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench lateness", description=__doc__)
    parser.add_argument("--tasks", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=60, help="over which the tasks are due")
    parser.add_argument("--burst", type=int, default=0, help="so many due at one instant, instead")
    parser.add_argument("--database", choices=("sqlite", "postgres", "both"), default="both")
    options = parser.parse_args(arguments)
    kinds = [*KINDS] if options.database == "both" else [options.database]
    print(f"On {machine()}:\n")
    if options.burst:
        rows = [burst(kind, options.burst) for kind in kinds]
        print(table([("database", "tasks due at once", "all promoted after", "first mail after"), *rows]))
        return 0
    rows = [row for kind in kinds for row in spread(kind, options.tasks, options.seconds)]
    print(table([("late, in ms", "tasks", "minimum", "median", "p99", "maximum"), *rows]))
    return 0


@contextmanager
def a_working_office(kind: str) -> Iterator[Office]:
    """With one worker that is alive."""
    with Sink() as sink, an_office(kind, sink) as office, office.worker(LOG_LEVEL="WARNING"):
        wait_until(lambda: office.one(queries.live_workers())[0], 20, "the worker lives")
        yield office


def spread(kind: str, tasks: int, seconds: float) -> list[list[str]]:
    """Lateness of tasks of one recipient each, at random instants: until started, and until the body was taken."""
    with a_working_office(kind) as office:
        begin = datetime.now(UTC) + timedelta(seconds=AHEAD + tasks / 100)
        for n in range(tasks):
            office.submit([f"m{n}@example.com"], at=begin + timedelta(seconds=seconds * n / tasks))
        office.sink.wait_for(tasks, seconds=2 * seconds + 60)
        taken = {each.address: each.at for each in office.sink.taken}
        which: Any = select(Task.due_at, Task.started_at, Delivery.address).join(Delivery)
        rows = office.all(which)
        wait_until(lambda: not office.one(select(func.count()).where(Task.status != "finished"))[0], 10, "all finished")
    started = [(started_at - due_at).total_seconds() for due_at, started_at, _ in rows]
    came = [taken[address] - due_at.timestamp() for due_at, _, address in rows]
    return [_figures(f"{kind}: started", started), _figures(f"{kind}: taken by the mail server", came)]


def _figures(name: str, seconds: list[float]) -> list[str]:
    ms = sorted(1000 * each for each in seconds)
    figures = (ms[0], median(ms), ms[ceil(len(ms) * 0.99) - 1], ms[-1])
    return [name, str(len(ms)), *(f"{each:.1f}" for each in figures)]


def burst(kind: str, tasks: int) -> list[str]:
    """Seconds after the one instant at which all are due."""
    with a_working_office(kind) as office:
        due_at = datetime.now(UTC) + timedelta(seconds=AHEAD + tasks / 1000)
        store(office, tasks, due_at)
        unrung = select(func.count()).where(Task.rung_at.is_(None))
        time.sleep(max(0.0, (due_at - datetime.now(UTC)).total_seconds()))
        wait_until(lambda: not office.one(unrung)[0], 60, "all are rung for")
        promoted = (datetime.now(UTC) - due_at).total_seconds()
        office.sink.wait_for(1)
        first = office.sink.taken[0].at - due_at.timestamp()
    return [kind, str(tasks), f"{promoted:.2f} s", f"{first:.2f} s"]


def store(office: Office, tasks: int, due_at: datetime) -> None:
    """All in one transaction: to store them is not what is measured."""
    request = Request(
        "email/welcome", [Recipient(parse("one@example.com"))], "bench", {"name": "Kim"}, scheduled_at=due_at
    )
    with office.database.writing() as db:
        for _ in range(tasks):
            task_id = db.execute(new_task(request)).scalar_one()
            db.execute(new_deliveries(request, task_id, "example.com"))
