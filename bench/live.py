"""`python -m bench live`: how soon a change is on the screen, also after a restart, and what open pages cost."""

import argparse
import asyncio
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import ceil
from pathlib import Path
from statistics import median

from playwright.sync_api import Page, sync_playwright

from bench.office import KINDS, an_office
from tests.browser.conftest import CHROMIUM, QUIET, free_port
from tests.browser.place import Place
from tests.chaos.page import machine, table
from tests.sink import Sink

TABS = 200
TICKS = os.sysconf("SC_CLK_TCK")

WATCHING = """() => {
  window.seen = {};
  const note = () => requestAnimationFrame(() => {
    for (const row of document.querySelectorAll("#tasks tr[id]"))
      window.seen[row.id + row.dataset.status] ??= performance.timeOrigin + performance.now();
  });
  new MutationObserver(note).observe(document.body, { subtree: true, childList: true, attributes: true });
}"""
"""Notes when each row was there with each status: in the frame that shows it."""


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench live", description=__doc__)
    parser.add_argument("--changes", type=int, default=45, help="changes of which the way to the screen is timed")
    parser.add_argument("--seconds", type=float, default=10, help="for which each load is measured")
    parser.add_argument("--database", choices=("sqlite", "postgres", "both"), default="both")
    options = parser.parse_args(arguments)
    kinds = [*KINDS] if options.database == "both" else [options.database]
    print(f"On {machine()}:\n")
    for kind in kinds:
        with a_place(kind) as place:
            shown = on_the_screen(place, options.changes)
            print(table([(f"{kind}, in ms", "n", "median", "p99", "maximum"), *shown]), "\n", sep="")
            costs = loads(place, options.seconds)
            print(table([(f"{kind}: the server's time", "of one core"), *costs]), "\n", sep="", flush=True)
    return 0


@contextmanager
def a_place(kind: str) -> Iterator[Place]:
    with Sink() as sink, an_office(kind, sink) as office:
        yield Place(office, free_port())


# On the screen


def on_the_screen(place: Place, changes: int) -> list[list[str]]:
    """From a commit to the frame that shows it; and from a restarted server's first answer to the page being fresh."""
    tasks = [place.store() for _ in range(changes + 3)]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        with place.web():
            page = place.visitor(browser).new_page()
            page.goto("/history")
            page.evaluate(WATCHING)
            page.wait_for_timeout(1000)
            took = [seen(place, page, task) for task in reversed(tasks[3:])]
        fresh = [restarted(place, page, task) for task in tasks[:3]]
        browser.close()
    return [
        _figures("a commit until it is seen", took),
        _figures("a restarted server's first answer until the page is fresh", [answered for answered, _ in fresh]),
        _figures("from the restart (with the start of Python) until then", [whole for _, whole in fresh]),
    ]


def seen(place: Place, page: Page, task: int) -> float:
    """Milliseconds from a commit until the row was seen. The next change comes at a moment of its own."""
    place.cancel(task)
    committed = time.time() * 1000
    at = seen_at(page, task)
    page.wait_for_timeout(400 + 37 * (task % 11))
    return at - committed


def seen_at(page: Page, task: int) -> float:
    """When the frame with the change was drawn."""
    page.wait_for_selector(f"#task-{task}[data-status=cancelled]", timeout=30_000)
    page.evaluate("() => new Promise(requestAnimationFrame)")
    at: float = page.evaluate(f"() => window.seen['task-{task}cancelled']")
    return at


def restarted(place: Place, page: Page, task: int) -> tuple[float, float]:
    """The change is made while nobody serves."""
    place.cancel(task)
    began = time.time() * 1000
    with place.web():
        answered = time.time() * 1000
        at = seen_at(page, task)
    return max(0.0, at - answered), at - began


def _figures(name: str, took: list[float]) -> list[str]:
    ms = sorted(took)
    return [name, str(len(ms)), *(f"{each:.0f}" for each in (median(ms), ms[ceil(len(ms) * 0.99) - 1], ms[-1]))]


# What it costs


def loads(place: Place, seconds: float) -> list[list[str]]:
    """The share of one core that web takes while so many pages are open."""
    with place.web() as process:

        def cost(name: str, streams: int, moves: float = 0, looking: int = 0) -> list[str]:
            load = Load(place, moves, seconds)
            share = asyncio.run(load.measure(process.pid, streams, looking))
            return [name, f"{share:.1%}"]

        return [
            cost("nobody listens, nothing moves", 0),
            cost("1 stream, nothing moves", 1),
            cost(f"{TABS} streams, nothing moves", TABS),
            cost("1 stream, 5 moves a second", 1, 5),
            cost(f"{TABS} streams, 5 moves a second", TABS, 5),
            cost("1 history page that looks again, a move each second", 1, 1, 1),
            cost(f"{TABS} history pages that look again, a move each second", TABS, 1, TABS),
        ]


class Load:
    """Streams that are open, of which some look at the history again when told, as postdate.js does."""

    def __init__(self, place: Place, moves: float, seconds: float) -> None:
        self.place, self.moves, self.seconds = place, moves, seconds

    async def measure(self, pid: int, streams: int, looking: int) -> float:
        """The share of one core that the process took."""
        pages = [asyncio.create_task(self._page(n < looking)) for n in range(streams)]
        moving = asyncio.create_task(self._move())
        await asyncio.sleep(2)  # until all are open, and the first moves are over
        before, began = _used(pid), time.monotonic()
        await asyncio.sleep(self.seconds)
        share = (_used(pid) - before) / (time.monotonic() - began)
        for task in (moving, *pages):
            task.cancel()
        await asyncio.gather(moving, *pages, return_exceptions=True)
        return share

    async def _move(self) -> None:
        while self.moves:
            task = await asyncio.to_thread(self.place.store)
            await asyncio.to_thread(self.place.cancel, task)  # two moves
            await asyncio.sleep(2 / self.moves)

    async def _page(self, looks: bool) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.place.port)
        told = asyncio.Event()
        looking = asyncio.create_task(self._look_again(told)) if looks else None
        try:
            writer.write(self._request("/live?after=0"))
            while line := await reader.readline():
                if line.startswith(b"data:"):
                    told.set()
        finally:
            writer.close()
            if looking:
                looking.cancel()

    async def _look_again(self, told: asyncio.Event) -> None:
        while await told.wait():
            told.clear()
            began = time.monotonic()
            reader, writer = await asyncio.open_connection("127.0.0.1", self.place.port)
            writer.write(self._request("/history", "Connection: close\r\n"))
            await reader.read()
            writer.close()
            await asyncio.sleep(max(0.25, time.monotonic() - began))

    def _request(self, path: str, more: str = "") -> bytes:
        head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nX-Refresh: 1\r\nCookie: {self.place.cookie}\r\n{more}\r\n"
        return head.encode()


def _used(pid: int) -> float:
    """Seconds of a processor that it has used, on Linux."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS
