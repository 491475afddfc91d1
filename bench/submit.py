"""`python -m bench submit`: how many tasks a second programs can submit, and how long each takes, also in a bulk."""

import argparse
import asyncio
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import ceil
from statistics import median

from sqlalchemy import func, select

from app.tasks import queries
from app.tasks.model import Delivery, DeliveryStatus, Task
from app.web.people.tokens import new_token
from bench.office import KINDS, an_office
from bench.sink import FastSink
from tests.browser.conftest import free_port
from tests.browser.place import Place
from tests.chaos.page import machine, table
from tests.parts import Office, wait_until

HEAD = ("POST /api/tasks", "requests/s", "median ms", "p99 ms", "longest ms", "not 201", "mails/s meanwhile")
BODY = {"template": "email/welcome", "variables": {"name": "Kim"}}
LARGEST = 10_000
"""Recipients that one task may have."""


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench submit", description=__doc__)
    parser.add_argument("--clients", type=int, default=20, help="each over one connection that is kept alive")
    parser.add_argument("--seconds", type=float, default=10, help="for which each load is measured")
    parser.add_argument("--mails", type=int, default=20_000, help="of the bulk that runs meanwhile, 10,000 to a task")
    parser.add_argument("--database", choices=("sqlite", "postgres", "both"), default="both")
    options = parser.parse_args(arguments)
    rows: list[Sequence[str]] = [HEAD]
    for kind in [*KINDS] if options.database == "both" else [options.database]:
        with a_place(kind) as place:
            load = Load(place, options.clients, options.seconds)
            load.warm_up()
            rows.append(load.measure(f"{kind}, otherwise idle"))
            begin_bulk(place.office, options.mails)
            rows.append(load.measure(f"{kind}, while {options.mails:,} mails go out"))
    print(f"On {machine()}, {options.clients} clients, {options.seconds:.0f} s each:\n\n{table(rows)}")
    return 0


@contextmanager
def a_place(kind: str) -> Iterator[Place]:
    """Web and one worker, alive."""
    with FastSink() as sink, an_office(kind, sink) as office:
        place = Place(office, free_port())
        with place.web(), office.worker(LOG_LEVEL="WARNING"):
            wait_until(lambda: office.one(queries.live_workers())[0], 20, "the worker lives")
            yield place


def begin_bulk(office: Office, mails: int) -> None:
    """As many tasks as it takes; what was submitted before is on its way, so they are rung for on the first queue."""
    tasks = [office.submit(min(LARGEST, mails - at), queue="high") for at in range(0, mails, LARGEST)]
    started = select(func.count()).where(Task.id.in_(tasks), Task.started_at.is_not(None))
    wait_until(lambda: office.one(started)[0], 60, "the bulk has begun")


class Load:
    """Clients that submit one task of one recipient after another, each as soon as the last was answered."""

    def __init__(self, place: Place, clients: int, seconds: float) -> None:
        self.place, self.seconds = place, seconds
        # One may submit 100 tasks a second, so each client is a program of its own.
        self.tokens = [new_token(place.office.database, f"client {n}") for n in range(clients)]
        self.waits: list[float] = []
        self.refused = 0

    def warm_up(self) -> None:
        asyncio.run(self._all(1.0))

    def measure(self, words: str) -> list[str]:
        self.waits, self.refused = [], 0
        sent_before, began = self._sent(), time.monotonic()
        asyncio.run(self._all(self.seconds))
        took = time.monotonic() - began
        ms = sorted(1000 * wait for wait in self.waits)
        mails = (self._sent() - sent_before) / took
        figures = (median(ms), ms[ceil(len(ms) * 0.99) - 1], ms[-1])
        return [words, f"{len(ms) / took:.0f}", *(f"{each:.0f}" for each in figures), str(self.refused), f"{mails:.0f}"]

    def _sent(self) -> int:
        count = select(func.count()).where(Delivery.status == DeliveryStatus.SENT)
        return int(self.place.office.one(count)[0])

    async def _all(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        await asyncio.gather(*(self._client(n, token, until) for n, token in enumerate(self.tokens)))

    async def _client(self, n: int, token: str, until: float) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.place.port)
        body = json.dumps(BODY | {"recipients": [f"client{n}@example.com"]}).encode()
        head = (
            f"POST /api/tasks HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        while time.monotonic() < until:
            began = time.monotonic()
            writer.write(head.encode() + body)
            status = await _answer(reader)
            self.waits.append(time.monotonic() - began)
            self.refused += status != 201
        writer.close()


async def _answer(reader: asyncio.StreamReader) -> int:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    await reader.readexactly(int(head.partition(b"content-length:")[2].partition(b"\r\n")[0]))
    return int(head.split(b" ", 2)[1])
