"""How fast a task goes on, and how long it will take, told from when its latest messages ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from app.tasks.model import Task, TaskEvent, TaskStatus
from app.tasks.queries import LARGE

PAUSE = 10.0
"""Seconds without an outcome that count as a wait: for the server, for a worker, for the next attempt."""


@dataclass(frozen=True)
class Pace:
    """Messages a second, and the seconds until all have been tried."""

    rate: float
    left: float


def pace(task: Task, events: Sequence[TaskEvent], now: datetime | None = None) -> Pace | None:
    """That of a large task on its way; `events` are its latest ones, in their order. None where nothing can be told."""
    if task.status != TaskStatus.STARTED or task.recipients <= LARGE:
        return None
    ended = [event.at for event in events if event.address is not None]
    if not ended or ((now or datetime.now(UTC)) - ended[-1]).total_seconds() > PAUSE:
        return None
    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(ended)]
    busy = [gap for gap in gaps if gap <= PAUSE]
    if not sum(busy):
        return None
    rate = len(busy) / sum(busy)
    return Pace(rate, (task.recipients - task.sent - task.failed - task.unknown) / rate)
