"""A task's moves as its page tells them: what happened again and again is told once, with how often."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app.tasks.model import TaskEvent

LONGEST = 3
"""Moves of a round: a claim, what became of a recipient, the giving back."""

OFTEN = 3
"""Rounds that are told one by one at most, less one."""


@dataclass(frozen=True)
class Told:
    """A move, the latest of its kind in a row: how often it happened, and when for the first time."""

    event: TaskEvent
    times: int
    since: datetime


def folded(events: Sequence[TaskEvent]) -> list[Told]:
    """The moves, in the order given: oldest first. Of rounds of the same moves the last one is told."""
    told: list[Told] = []
    at = 0
    while at < len(events):
        size, rounds = max(((size, _rounds(events, at, size)) for size in range(1, LONGEST + 1)), key=_moves)
        if rounds < OFTEN:
            size, rounds = 1, 1
        last = at + size * (rounds - 1)
        told += [Told(events[last + n], rounds, events[at + n].at) for n in range(size)]
        at = last + size
    return told


def _rounds(events: Sequence[TaskEvent], at: int, size: int) -> int:
    """How often the `size` moves from `at` on happen, one round after the other."""
    first, rounds = _alike(events[at : at + size]), 1
    while _alike(events[at + size * rounds : at + size * (rounds + 1)]) == first:
        rounds += 1
    return rounds


def _alike(events: Sequence[TaskEvent]) -> list[tuple[str | None, ...]]:
    """What makes moves the same: not which of the workers it was."""
    return [(each.from_status, each.to_status, each.why, each.address, each.who.partition(" ")[0]) for each in events]


def _moves(found: tuple[int, int]) -> int:
    size, rounds = found
    return size * rounds if rounds >= OFTEN else 0
