"""How fast a large task goes on: from its latest outcomes, waits left out."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from app.tasks.model import Task, TaskEvent
from app.web.task.progress import PAUSE, pace

BEGIN = datetime(2026, 12, 8, tzinfo=UTC)


def events(seconds: Sequence[float]) -> list[TaskEvent]:
    return [TaskEvent(at=BEGIN + timedelta(seconds=each), address="a@example.com") for each in seconds]


def task(status: str = "started", recipients: int = 1000) -> Task:
    return Task(status=status, recipients=recipients, sent=80, failed=15, unknown=5)


def test_the_rate_is_that_of_the_latest_outcomes_and_the_rest_takes_as_long() -> None:
    found = pace(task(), events([n / 10 for n in range(101)]), BEGIN + timedelta(seconds=11))
    assert found
    assert (found.rate, found.left) == (pytest.approx(10), pytest.approx(90))


def test_a_wait_in_between_is_no_slowness() -> None:
    found = pace(task(), events([0, 1, 2, 600, 601, 602]), BEGIN + timedelta(seconds=602))
    assert found
    assert found.rate == pytest.approx(1)


@pytest.mark.parametrize(
    ("of", "ended", "now"),
    [
        (task("queued"), [0, 1], 1),
        (task("finished"), [0, 1], 1),
        (task(recipients=20), [0, 1], 1),
        (task(), [], 1),
        (task(), [0, 0], 0),
        (task(), [0, 1], 2 + PAUSE),
    ],
)
def test_nothing_is_promised_where_nothing_can_be_told(of: Task, ended: list[float], now: float) -> None:
    assert pace(of, events(ended), BEGIN + timedelta(seconds=now)) is None
