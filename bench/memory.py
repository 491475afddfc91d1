"""How much memory a process and its children have for themselves, looked at again and again beside what they do."""

import threading
from collections.abc import Iterator
from pathlib import Path

EVERY = 0.1
"""Seconds between looks."""


class Memory(threading.Thread):
    """Of the process `pid` and all below it, while the block lasts: `seen` has MB, one after the other.

    Proportional set size (proc(5), smaps_rollup): what several share is counted in parts. Linux only.
    """

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.seen: list[float] = []
        self._pid = pid
        self._done = threading.Event()

    def run(self) -> None:
        while not self._done.wait(EVERY):
            self.seen.append(of(self._pid))

    def __enter__(self) -> "Memory":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self.join()

    @property
    def most(self) -> float:
        return max(self.seen, default=0.0)


def of(pid: int) -> float:
    """MB, now; of what is gone by then, none."""
    return sum(map(_own, _tree(pid)))


def _own(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def _tree(pid: int) -> Iterator[int]:
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            yield from _tree(int(child))
