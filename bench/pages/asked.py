"""Which pages are asked for, and how long each takes."""

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from math import ceil
from statistics import median

from app.web.people.tokens import new_token
from bench.pages.rows import FAULTS, PARTY, Year
from tests.browser.place import Place

WARM = 5
"""Requests before the first that counts."""

TABS = {"scheduled": "scheduled", "sending": "sending", "sent": "finished", "failed": "failed",
        "attention": "attention", "cancelled": "cancelled"}  # fmt: skip


def addresses(year: Year) -> Iterator[tuple[str, str]]:
    """Each page in words, and its address."""
    some, half = year.size * 2 // 3 | 1, year.size // 2
    person = f"kim{some * 7919 % (year.size // 5) // 10 * 10 + 1}@"
    week = datetime.fromtimestamp(year.began + year.length / 2, UTC).date()
    yield "the first page", "/history"
    yield "half-way down", f"/history?cursor={half}"
    yield "at the end", "/history?cursor=60"
    yield from ((f"tab: {name}", f"/history?status={status}") for name, status in TABS.items())
    yield "tab: failed, half-way down", f"/history?status=failed&cursor={half}"
    yield "a template of half of all", "/history?template=email/welcome"
    yield "a template of one in a thousand", "/history?template=email/again"
    yield "one recipient", f"/history?q={person}"
    yield "one recipient in ten", "/history?q=kim"
    yield "recipients of long ago", f"/history?q={PARTY}"
    yield "one subject", f"/history?subject=invoice+{some}+"
    yield "half of all subjects", "/history?subject=invoice"
    yield "subjects of long ago", "/history?subject=invoice+12"
    yield "somebody who writes a third", "/history?by=admin@postdate.local"
    yield "somebody who writes little", "/history?by=anna@example.com"
    yield "a week half a year ago", f"/history?since={week}&until={week + timedelta(days=6)}"
    yield "until half a year ago", f"/history?until={week}"
    yield "a frequent error", "/history?fault=2"
    yield "a rare error", f"/history?fault={FAULTS - 2}"
    yield "an error of long ago", f"/history?fault={FAULTS + 2}"
    yield "failed, a template and a recipient", "/history?status=failed&template=email/reminder&q=kim"
    yield "sending, one recipient in ten", "/history?status=sending&q=kim"
    yield "the failures", "/failures"
    yield "the overview", "/charts"
    yield "the overview of 30 days", "/charts?span=days"
    yield "a mail to one", f"/tasks/{some}"
    yield "a mail to a thousand", f"/tasks/{year.large}"
    yield "GET /api/tasks", "/api/tasks"
    yield "GET /api/tasks?q= one recipient", f"/api/tasks?q={person}"
    yield "GET /api/tasks?q= one in ten", "/api/tasks?q=kim"


class Reader:
    """Somebody who is signed in, and a program with a token, before one web."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.token = new_token(place.office.database, "reader")
        self.took: list[float] = []

    def open(self) -> None:
        self.took = []
        self.connection = HTTPConnection("127.0.0.1", self.place.port, timeout=60)

    def read(self, address: str) -> None:
        """Ask for it, over the connection that is kept, and note how long that took."""
        who = {"Authorization": f"Bearer {self.token}"} if address.startswith("/api") else {"Cookie": self.place.cookie}
        began = time.perf_counter()
        self.connection.request("GET", address, headers={"Accept-Encoding": "gzip", **who})
        with self.connection.getresponse() as answer:
            answer.read()
        self.took.append(1000 * (time.perf_counter() - began))
        assert answer.status == 200, (address, answer.status)

    def figures(self) -> tuple[float, float]:
        """The median and the p99 of what counts, in ms."""
        ms = sorted(self.took[WARM:])
        return median(ms), ms[ceil(len(ms) * 0.99) - 1]


def measure(readers: Sequence[Reader], page: Sequence[str], requests: int) -> list[tuple[float, float]]:
    """The page of each reader by turns, so that what the machine does besides comes to all of them."""
    for reader in readers:
        reader.open()
    for _ in range(WARM + requests):
        for reader, address in zip(readers, page, strict=True):
            reader.read(address)
    for reader in readers:
        reader.connection.close()
    return [reader.figures() for reader in readers]
