"""Which task a kill hit, how many of its messages ended as unknown, and when somebody took it up again."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from app.tasks.lifecycle.shared import GONE
from tests.chaos.book import Book, Event
from tests.chaos.checks import Broken
from tests.chaos.stage import Kill

BATCH = 10
AFTERMATH = 25.0
"""Seconds after a disturbance in which its effects may still show."""


@dataclass
class Effect:
    """`recovery`: seconds from the kill until the task in hand was taken up again, or given up; None: none was hit."""

    kill: Kill
    task: int | None = None
    held: tuple[int, ...] = ()  # the tasks whose leases were lost; a timekeeper may die over another one
    unknown: int = 0
    recovery: float | None = None


def effects(book: Book, kills: list[Kill]) -> tuple[list[Effect], list[Broken]]:
    """What each kill did; and what has no kill to explain it."""
    found = [_effect(book, kill) for kill in sorted(kills, key=lambda kill: kill.at)]
    return found, [*_too_much(found), *_unexplained(book, found)]


def _effect(book: Book, kill: Kill) -> Effect:
    effect = Effect(kill, kill.task)
    if kill.pid is not None and (hits := [*_hits(book, kill)]):
        effect.held = tuple(released.task for released in hits)
        effect.task = kill.task or effect.held[0]
        effect.unknown = sum(len(_unknowns(book, released)) for released in hits)
    if effect.task is not None:
        after = [event for event in book.moves.get(effect.task, []) if event.at >= kill.at]
        again = [e.at for e in after if e.after == "started" or (e.after == "failed" and e.who == "reconciler")]
        effect.recovery = again[0] - kill.at if again else None
    return effect


def _hits(book: Book, kill: Kill) -> Iterator[Event]:
    """The events by which tasks that the killed worker held were taken from it: a large one, and several small ones."""
    for events in book.moves.values():
        for claimed, then in pairwise(events):
            if then.why == GONE and then.who.endswith(f":{kill.pid}"):
                yield then
            is_its = claimed.after == "started" and claimed.who.endswith(f":{kill.pid}")
            if is_its and then.who == "reconciler" and claimed.at <= kill.at + 0.05:
                yield then


def _unknowns(book: Book, released: Event) -> list[Event]:
    """The messages that were noted as unknown together with the release: their events follow it at once."""
    later = [event.id for event in book.moves[released.task] if event.id > released.id]
    until = min(later, default=1 << 62)
    mine = [event for (task, _), events in book.outcomes.items() if task == released.task for event in events]
    return [event for event in mine if event.after == "unknown" and released.id < event.id < until]


def _is_taken(event: Event) -> bool:
    """Whether a lease was lost: that of whoever held the task, or of one of several that shared it."""
    return event.who == "reconciler" or event.why == GONE


def _too_much(found: list[Effect]) -> Iterator[Broken]:
    for effect in found:
        if effect.unknown > (BATCH if effect.kill.point.window else 0):
            words = f"{effect.unknown} unknown after a kill at {effect.kill.point.name}"
            yield Broken("unknown", effect.task or 0, words)


def _unexplained(book: Book, found: list[Effect]) -> Iterator[Broken]:
    """Leases lost and messages unknown, though nobody was killed and nothing disturbed."""
    hit = Counter(task for effect in found for task in effect.held)
    disturbed = [(e.kill.at, e.kill.until + AFTERMATH) for e in found if e.kill.point.window and e.kill.until]
    for task, events in book.moves.items():
        taken = [event for event in events if event.before == "started" and _is_taken(event)]
        calm = [event for event in taken if not any(begin <= event.at <= end for begin, end in disturbed)]
        if len(calm) > hit[task]:
            yield Broken("unexplained", task, f"{len(calm)} leases lost, {hit[task]} kills")
    for (task, address), outcomes in book.outcomes.items():
        for event in outcomes:
            calm_then = not any(begin <= event.at <= end for begin, end in disturbed)
            if event.after == "unknown" and event.who != "reconciler" and calm_then:
                yield Broken("unexplained", task, f"{address} is unknown: {event.why}")
