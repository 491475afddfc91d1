"""`python -m bench pages`: how long the history's pages take, from a thousand tasks to millions."""

import argparse
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from bench.office import KINDS, an_office
from bench.pages.asked import Reader, addresses, measure
from bench.pages.fill import fill
from bench.pages.rows import Year
from tests.browser.conftest import free_port
from tests.browser.place import Place
from tests.chaos.page import machine, table
from tests.sink import Sink

MOST_MS, MOST_TIMES = 50, 2.0
"""What is wanted of the largest: its p99, and how many times that of the smallest it is."""


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench pages", description=__doc__)
    parser.add_argument("--tasks", default="1000,100000,1000000,5000000", help="how many there are, smallest first")
    parser.add_argument("--database", choices=("sqlite", "postgres", "both"), default="both")
    parser.add_argument("--requests", type=int, default=300, help="of each page, one after the other")
    options = parser.parse_args(arguments)
    sizes = [int(each) for each in options.tasks.split(",")]
    print(f"On {machine()}; ms from the request to the end of the answer, {options.requests} of each: median, p99\n")
    for kind in [*KINDS] if options.database == "both" else [options.database]:
        with ExitStack() as stack:
            places = [stack.enter_context(a_place(kind, size)) for size in sizes]
            print(table([head(kind, sizes), *rows(places, options.requests)]), "\n", sep="", flush=True)
    return 0


@contextmanager
def a_place(kind: str, size: int) -> Iterator[tuple[Year, Reader]]:
    """So many tasks, and the web before them, with no worker."""
    with Sink() as sink, an_office(kind, sink) as office:
        year = fill(office.env["DATABASE_URL"], size)
        place = Place(office, free_port())
        with place.web():
            yield year, Reader(place)


def head(kind: str, sizes: Sequence[int]) -> list[str]:
    return [f"{kind}, tasks:", *(f"{size:,}" for size in sizes), "p99 ×", ""]


def rows(places: Sequence[tuple[Year, Reader]], requests: int) -> Iterator[list[str]]:
    years, readers = zip(*places, strict=True)
    for pages in zip(*(addresses(year) for year in years), strict=True):
        figures = measure(readers, [address for _, address in pages], requests)
        yield row(pages[0][0], figures)


def row(words: str, figures: Sequence[tuple[float, float]]) -> list[str]:
    """One page at every size, and what is wanted of it that does not hold."""
    largest, times = figures[-1][1], figures[-1][1] / figures[0][1]
    missed = [f"> {MOST_MS} ms"] * (largest > MOST_MS) + [f"> {MOST_TIMES} ×"] * (times > MOST_TIMES)
    return [words, *(f"{middle:.1f}, {p99:.1f}" for middle, p99 in figures), f"{times:.2f}", " ".join(missed)]
