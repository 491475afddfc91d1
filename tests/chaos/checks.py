"""The promises, held against the book of a round: what is broken, as sentences that begin with the kind of break."""

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from tests.chaos.book import Book, Delivery, Task

ENDED = ("finished", "failed", "cancelled")
WAITING = ("queued", "scheduled")


class Broken(NamedTuple):
    kind: str  # lost, doubled, early, or P7
    task: int
    words: str


def broken(book: Book, acknowledged: set[int]) -> list[Broken]:
    """Everything that does not hold."""
    found = [Broken("lost", task, "acknowledged, and not there") for task in acknowledged - book.tasks.keys()]
    for task in book.tasks.values():
        found += [Broken(kind, task.id, words) for kind, words in _task(book, task)]
    for delivery in book.deliveries:
        found += [Broken(kind, delivery.task, f"{delivery.address}: {words}") for kind, words in _one(book, delivery)]
    for (task_id, address), events in book.outcomes.items():
        last = ""
        for event in events:
            if last and event.before not in (last, "sending" if last == "queued" else last):
                found.append(Broken("P7", task_id, f"{address}: {last}, then {event.before} → {event.after}"))
            last = event.after
    return [*found, *_sums(book)]


def _task(book: Book, task: Task) -> Iterator[tuple[str, str]]:
    """It ended or waits for a moment to come, and its events lead to its status without a gap."""
    if task.status not in ENDED and not task.held and (task.status not in WAITING or task.due_at <= book.at):
        yield "lost", f"{task.status} though due {book.at - task.due_at:.1f} s ago"
    events = book.moves.get(task.id, [])
    if not events or events[-1].after != task.status:
        yield "P7", f"is {task.status}, and its events say otherwise"
    for one, other in pairwise(events):
        if one.after != other.before:
            yield "P7", f"event {other.id} leaves {other.before}, but the one before led to {one.after}"


def _one(book: Book, delivery: Delivery) -> Iterator[tuple[str, str]]:
    """What its status says is what the sink knows."""
    bodies, status = book.bodies[delivery.address], delivery.status
    task = book.tasks[delivery.task]
    decided = any(e.before == "unknown" for e in book.outcomes.get((delivery.task, delivery.address), []))
    if bodies > 1 and not decided:
        yield "doubled", f"{bodies} bodies"
    if status == "sent" and bodies == 0 and not decided:
        yield "lost", "sent, says the row, but no body came"
    if status in ("queued", "failed", "cancelled") and bodies and not decided:
        yield "doubled", f"{status}, though a body was taken"
    if status == "sending":
        yield "lost", "left as sending"
    if status == "queued" and task.status in ENDED:
        yield "lost", f"queued in a task that is {task.status}"
    if status == "failed" and not delivery.reply:
        yield "lost", "failed without a word"
    due = task.scheduled_at
    if due is not None and book.first_taken.get(delivery.address, due) < due:
        yield "early", f"by {due - book.first_taken[delivery.address]:.4f} s"


def _sums(book: Book) -> Iterator[Broken]:
    rows = Counter((delivery.task, delivery.status) for delivery in book.deliveries)
    people = Counter(delivery.task for delivery in book.deliveries)
    for task in book.tasks.values():
        tallies = (task.sent, task.failed, task.unknown)
        real = tuple(rows[task.id, status] for status in ("sent", "failed", "unknown"))
        if tallies != real:
            yield Broken("P7", task.id, f"{task.status}: tallies {tallies}, rows {real}")
        if people[task.id] != task.recipients:
            yield Broken("lost", task.id, f"half written: {people[task.id]} of {task.recipients} recipients")
        if task.attention != (task.held or task.unknown > 0) and task.status not in ("failed", "cancelled"):
            yield Broken("P7", task.id, f"{task.status}: attention is {task.attention}, unknown {task.unknown}")
    yield from _tallies(book)


def _tallies(book: Book) -> Iterator[Broken]:
    """What is kept beside the rows: counts by status, ends by hour, failures by cause."""
    statuses = Counter(task.status for task in book.tasks.values())
    statuses["attention"] = sum(task.attention for task in book.tasks.values())
    for status, n in book.counts.items():
        if n != statuses[status]:
            yield Broken("P7", 0, f"task_counts has {n} {status}, the rows {statuses[status]}")
    ends = Counter(delivery.status for delivery in book.deliveries)
    for status, n in book.hours.items():
        if n != ends[status]:
            yield Broken("P7", 0, f"hours has {n} {status}, the rows {ends[status]}")
    if book.faults[0] != book.faults[1]:
        yield Broken("P7", 0, f"faults count {book.faults[0]} failures, the rows {book.faults[1]}")
