"""What the rows and the sink say afterwards, read with plain SQL: nothing of the app's own queries is used."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from tests.chaos.stage import Stage


class Task(NamedTuple):
    id: int
    status: str
    due_at: float
    scheduled_at: float | None
    recipients: int
    sent: int
    failed: int
    unknown: int
    held: bool
    attention: bool


class Delivery(NamedTuple):
    task: int
    address: str
    status: str
    due_at: float | None
    reply: str | None
    token: str | None


class Event(NamedTuple):
    id: int
    task: int
    at: float
    before: str | None
    after: str
    who: str
    why: str | None
    address: str | None


@dataclass(frozen=True)
class Book:
    """Everything at one moment, `at` (time.time()); instants are seconds since 1970. `bodies` is the sink's count."""

    at: float
    tasks: dict[int, Task]
    deliveries: list[Delivery]
    moves: dict[int, list[Event]]  # of the tasks themselves
    outcomes: dict[tuple[int, str], list[Event]]  # of their deliveries
    counts: Counter[str]
    hours: Counter[str]  # what the charts have, all hours together
    faults: tuple[int, int]  # failures by cause as counted, and as the rows say
    bodies: Counter[str]
    first_taken: dict[str, float]


def read(stage: Stage) -> Book:
    """Read all of it; nobody should be working any more."""
    at = datetime.now(UTC).timestamp()
    columns = "id, status, due_at, scheduled_at, recipients, sent, failed, unknown, held, attention"
    tasks = [
        Task(row[0], row[1], _seconds(row[2]) or 0, _seconds(row[3]), *row[4:])
        for row in stage.rows(f"SELECT {columns} FROM tasks")
    ]
    deliveries = [
        Delivery(row[0], row[1], row[2], _seconds(row[3]), row[4], row[5])
        for row in stage.rows("SELECT task_id, address, status, due_at, reply, token FROM deliveries")
    ]
    moves, outcomes = _events(stage)
    counts = Counter({row[0]: int(row[1]) for row in stage.rows("SELECT status, sum(n) FROM task_counts GROUP BY 1")})
    ((sent, failed, unknown),) = stage.rows("SELECT sum(sent), sum(failed), sum(unknown) FROM hours")
    hours = Counter({"sent": int(sent or 0), "failed": int(failed or 0), "unknown": int(unknown or 0)})
    ((counted,),) = stage.rows("SELECT sum(n) FROM faults")
    ((real,),) = stage.rows("SELECT count(*) FROM deliveries WHERE fault_id IS NOT NULL AND status = 'failed'")
    first: dict[str, float] = {}
    for taken in stage.sink.taken:
        first.setdefault(taken.address, taken.at)
    return Book(at, {task.id: task for task in tasks}, deliveries, moves, outcomes, counts, hours, (int(counted), real),
                stage.sink.addresses, first)  # fmt: skip


def _events(stage: Stage) -> tuple[dict[int, list[Event]], dict[tuple[int, str], list[Event]]]:
    moves: dict[int, list[Event]] = defaultdict(list)
    outcomes: dict[tuple[int, str], list[Event]] = defaultdict(list)
    query = "SELECT id, task_id, at, from_status, to_status, who, why, address FROM task_events ORDER BY id"
    for row in stage.rows(query):
        event = Event(row[0], row[1], _seconds(row[2]) or 0, *row[3:])
        if event.address is None:
            moves[event.task].append(event)
        else:
            outcomes[event.task, event.address].append(event)
    return moves, outcomes


def _seconds(value: Any) -> float | None:
    """SQLite has text without a zone, which is UTC; Postgres an aware datetime."""
    if value is None:
        return None
    instant = datetime.fromisoformat(value).replace(tzinfo=UTC) if isinstance(value, str) else value
    return float(instant.timestamp())
