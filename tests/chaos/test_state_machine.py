"""The moves of a whole life, tried in any order on the real databases: see machine.py for what is checked."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test
from sqlalchemy import select, update

from app.db import Database, after, now
from app.mail.addresses import parse
from app.tasks import lifecycle
from app.tasks.model import Delivery, Task
from app.tasks.request import Recipient, Request
from app.tasks.submit import new_deliveries
from tests.chaos.machine import Machine, which
from tests.chaos.servers import Databases, Postgres, Sqlite

MADE_BY_PEOPLE = ("reschedule", "send_now", "cancel", "edit")
DECISIONS = ("retry", "arrived", "send_again")
TO_BE_UNDONE = ("cancel", "reschedule", "send_now")
UNDOING = ("undo_at_once", "undo_at_once", "undo_later")
OF_WORKERS = ("claim", "claim", "claim", "turn", "turn", "turn", "claim_late", "come_too_late", "stumble", "die", "die")
STEPS = (*OF_WORKERS, "time_passes", "time_passes", *MADE_BY_PEOPLE, "bring_back", *DECISIONS, *UNDOING)
OF_TASK = (
    "status", "scheduled_at", "zone", "due_at", "hold_after", "held", "attempt", "sent", "failed", "unknown",
    "ended_at", "error", "late_limit",
)  # fmt: skip
OF_DELIVERY = ("status", "due_at", "attempt", "reply", "message_id")
"""What is the same after something was done and undone."""
OUTCOME = st.sampled_from(("sent", "failed", "unknown", "queued", "back"))
OUTCOMES = st.one_of(st.just(["sent"] * 3), st.just(["failed"] * 3), st.lists(OUTCOME, min_size=3, max_size=3))
EXAMPLES = {"sqlite": 50, "postgres": 20}


class Life(Machine):
    """The moves of the worker that holds a task, of the timekeeper, and of people."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[tuple[Any, Any, str]] = []
        """What people did and could undo: the task's row before, what the move returned, and its name."""

    @rule(name=st.sampled_from(STEPS), number=which, limit=st.integers(1, 3), outcomes=OUTCOMES)
    def step(self, name: str, number: int, limit: int, outcomes: list[str]) -> None:
        """One rule for all moves: Hypothesis leaves some of many rules out, and then no life gets far."""
        if name in ("claim", "claim_late"):
            self.claim(number, name == "claim", limit)
        elif name == "turn":
            self.turn(number, outcomes, limit)
        elif name == "edit":
            self.somebody_edits(number, limit)
        elif name in MADE_BY_PEOPLE:
            self.somebody_moves_it(number, name)
        elif name in DECISIONS:
            self.somebody_decides(number, name)
        elif name == "undo_at_once":
            self.undo_at_once(number, TO_BE_UNDONE[limit - 1])
        else:
            getattr(self, name)(number)

    def marked(self, task_id: int, token: str) -> list[int]:
        mine = [Delivery.task_id == task_id, Delivery.token == token, Delivery.status == "sending"]
        with self.database.reading() as db:
            return [*db.scalars(select(Delivery.id).where(*mine))]

    def claim(self, number: int, is_new: bool, limit: int) -> None:
        """A new ring or an old one; with the claim the first messages are marked."""
        task, token = self.task(number), f"token {len(self.tokens)}"
        self.tokens.append(token)
        claim = lifecycle.claim(task.id, task.attempt - (not is_new), token, "worker")
        moved = self.move("claim", claim, lifecycle.mark(task.id, token, limit))
        assert not moved or (is_new and task.status == "queued")

    def turn(self, number: int, outcomes: list[str], limit: int) -> None:
        """Record what became of the batch in hand (one may not have been handed over), mark the next, or settle."""
        task = self.task(number)
        if task.status != "started":
            return
        marked = self.marked(task.id, task.token)
        for of, to in zip(marked, outcomes, strict=False):
            values = {"of": of, "to": to, "said": "250 ok", "fault": None, "wait": 60.0 if to == "queued" else None}
            again = lifecycle.put_back(task.id, task.token, [of])
            self.move("record", again if to == "back" else lifecycle.record(task.token, [values]))
        if not self.move("mark", lifecycle.mark(task.id, task.token, limit)):
            assert self.move("settle", lifecycle.settle(task.id, task.token))

    def come_too_late(self, number: int) -> None:
        """With any lease but the one that holds, nothing of a worker's moves anything at all."""
        task, token = self.task(number), self.tokens[-2:][0]
        if token == task.token:
            return
        before = self.look()
        with self.database.reading() as db:
            ids = [*db.scalars(select(Delivery.id).where(Delivery.task_id == task.id))]
        values = {"of": ids[0], "to": "sent", "said": "250 ok", "fault": None, "wait": None}
        for late in (
            lifecycle.keep(task.id, token, sent=1),
            lifecycle.mark(task.id, token),
            lifecycle.record(token, [values]),
            lifecycle.put_back(task.id, token, ids),
            lifecycle.lose(task.id, token),
            lifecycle.settle(task.id, token),
            lifecycle.give_back(task.id, token, "late"),
            lifecycle.release(task.id, token),
        ):
            self.execute(late)
        assert self.look() == before

    def stumble(self, number: int) -> None:
        task = self.task(number)
        if task.status == "started":
            back = lifecycle.give_back(task.id, task.token, "it stumbled", 0)
            self.move("stumble", lifecycle.lose(task.id, task.token), lifecycle.tally(task.id), back)

    def die(self, number: int) -> None:
        """The worker is lost, and the reconciler releases or condemns what it held, once the lease has run out."""
        task = self.task(number)
        if task.status != "started":
            return
        assert not self.move("release", lifecycle.release(task.id, task.token)), "its lease still holds"
        self.execute(update(Task).where(Task.id == task.id).values(lease_until=now(-1)))
        lose, tally = lifecycle.lose(task.id, task.token), lifecycle.tally(task.id)
        released = self.move("release", lifecycle.release(task.id, task.token), lose, tally)
        condemn, strays = lifecycle.condemn(task.id, task.token), lifecycle.lose_strays(task.id, "")
        assert self.move("condemn", condemn, strays, lifecycle.give_up(task.id), tally) or released

    def time_passes(self, number: int) -> None:
        """A task and what it defers came due, some of them an hour ago; then the timekeeper does its part."""
        task_id = self.task(number).id
        due, limit = now(-3600 * (number % 2)), after(Task.due_at, Task.late_limit)
        self.execute(update(Delivery).where(Delivery.task_id == task_id).values(due_at=None))
        self.execute(update(Task).where(Task.id == task_id).values(due_at=due))
        self.execute(update(Task).where(Task.id == task_id).values(hold_after=limit))
        self.move("hold_late", lifecycle.hold_late())
        self.move("promote", lifecycle.promote())

    def somebody_moves_it(self, number: int, name: str) -> None:
        task_id, tomorrow = self.task(number).id, datetime.now(UTC) + timedelta(days=1)
        moves: dict[str, Any] = {
            "cancel": lifecycle.cancel(task_id, "boss"),
            "reschedule": lifecycle.reschedule(task_id, tomorrow, "Asia/Seoul", "boss"),
            "send_now": lifecycle.send_now(task_id, "boss"),
        }
        was = self.task(number)
        moved = self.move(name, moves[name])
        assert moved is None or moved.id == task_id
        if moved and name in TO_BE_UNDONE:
            self.done.append((was, moved, name))

    def somebody_edits(self, number: int, people: int) -> None:
        """It says something else afterwards; where somebody was faster, or a worker has begun it, it does not."""
        was, stale = self.task(number), people == 3
        seen = lifecycle.Version(was.due_at - timedelta(seconds=stale), was.edit_key)
        to = [Recipient(parse(f"edited{n}@example.com")) for n in range(people)]
        request = Request("email/welcome", to, "boss", undo_seconds=60 * (number % 2), key=str(uuid4()))
        edit = lifecycle.edit(was.id, request, seen, ["To"])
        moved = self.move("edit", edit, lifecycle.clear(was.id), new_deliveries(request, was.id, "example.com"))
        assert bool(moved) == (was.status in lifecycle.WAITING and was.attempt == 0 and not stale)

    def undo(self, was: Any, moved: Any, name: str) -> Any:
        """As the page's button does it."""
        if name == "cancel":
            restore = lifecycle.restore(was.id, "boss", cancelled_at=moved.ended_at)
            return self.move("restore", restore, lifecycle.requeue_cancelled(was.id))
        plan = lifecycle.Plan(
            was.status, was.scheduled_at, was.zone, was.due_at, was.hold_after, was.held, was.edit_key
        )
        return self.move("replan", lifecycle.replan(was.id, plan, moved.attempt, moved.due_at, "boss"))

    def undo_at_once(self, number: int, name: str) -> None:
        """What was done and undone has not happened, except on record."""
        tasks, deliveries = self.look()
        done = len(self.done)
        self.somebody_moves_it(number, name)
        if len(self.done) == done:
            return
        assert self.undo(*self.done[-1]), "nothing has happened since"
        for before, then, fields in zip((tasks, deliveries), self.look(), (OF_TASK, OF_DELIVERY), strict=True):
            for key, row in before.items():
                assert {of: then[key]._mapping[of] for of in fields} == {of: row._mapping[of] for of in fields}
        assert not self.undo(*self.done.pop()), "it is undone once only"

    def undo_later(self, number: int) -> None:
        """Whatever happened since: it is undone entirely, or not at all; and it moves nothing that a worker has."""
        if not self.done:
            return
        was, moved, name = self.done[number % len(self.done)]
        before = self.look()[0][was.id]
        if self.undo(was, moved, name):
            assert before.attempt == moved.attempt
            stamp = before.ended_at == moved.ended_at if name == "cancel" else before.due_at == moved.due_at
            assert stamp, "it is the one that was meant"
            assert name == "cancel" or before.edit_key == was.edit_key, "and it says what it said"

    def bring_back(self, number: int) -> None:
        """A cancelled task waits again for what is left of it, however it came to be cancelled."""
        task = self.task(number)
        moved = self.move("restore", lifecycle.restore(task.id, "boss"), lifecycle.requeue_cancelled(task.id))
        assert bool(moved) == (task.status == "cancelled")

    def somebody_decides(self, number: int, name: str) -> None:
        tasks = self.look()[0].values()
        open_ = [task.id for task in tasks if task.status == "failed" or (task.unknown and task.status == "cancelled")]
        task_id = open_[number % len(open_)] if open_ else self.task(number).id
        if name == "retry":
            self.move("retry", lifecycle.retry(task_id, "boss"), lifecycle.requeue_failed(task_id))
            return
        decision = lifecycle.arrived(task_id) if name == "arrived" else lifecycle.send_again(task_id)
        self.move("decide", lifecycle.decide(task_id, "boss", "decided"), decision, lifecycle.tally(task_id))


@pytest.fixture(params=[Sqlite, Postgres], ids=["sqlite", "postgres"])
def databases(request: pytest.FixtureRequest) -> Iterator[Databases]:
    made = request.param()
    yield made
    made.close()


def test_no_order_of_moves_makes_an_illegal_one_or_upsets_the_books(databases: Databases) -> None:
    class OnThis(Life):
        database = Database(databases.new())

    limits = settings(
        max_examples=EXAMPLES[databases.kind], stateful_step_count=50, deadline=None, derandomize=True,
        suppress_health_check=[*HealthCheck],
    )  # fmt: skip
    try:
        run_state_machine_as_test(OnThis, settings=limits)
    finally:
        OnThis.database.close()
