"""Every move of the core, in any order, by several workers with leases new and old, against what may move at all."""

from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import delete, func, select

from app.db import Database
from app.mail.addresses import parse
from app.tasks.model import Delivery, Task, TaskCount, TaskEvent
from app.tasks.request import Recipient, Request
from app.tasks.submit import new_deliveries, new_task

Moves = set[tuple[str, str]]
TASKS: dict[str, Moves] = {
    "promote": {("scheduled", "queued")},
    "claim": {("queued", "started")},
    "settle": {("started", to) for to in ("finished", "failed", "queued", "cancelled")},
    "stumble": {("started", "queued")},
    "release": {("started", "queued")},
    "condemn": {("started", "failed")},
    "hold_late": {("queued", "scheduled")},
    "cancel": {("scheduled", "cancelled"), ("queued", "cancelled")},
    "reschedule": {("queued", "scheduled")},
    "edit": {("queued", "scheduled"), ("scheduled", "queued")},
    "retry": {("failed", "queued")},
    "decide": {("failed", "queued"), ("cancelled", "queued")},
    "restore": {("cancelled", "scheduled"), ("cancelled", "queued")},
    "replan": {("scheduled", "queued"), ("queued", "scheduled")},
}
DELIVERIES: dict[str, Moves] = {
    "claim": {("queued", "sending")},
    "mark": {("queued", "sending")},
    "record": {("sending", to) for to in ("sent", "failed", "unknown", "queued")},
    "stumble": {("sending", "unknown"), ("sending", "queued")},
    "release": {("sending", "unknown"), ("sending", "queued")},
    "condemn": {("sending", "unknown"), ("queued", "failed")},
    "cancel": {("queued", "cancelled")},
    "edit": {("queued", "gone")},
    "retry": {("failed", "queued")},
    "decide": {("unknown", "sent"), ("unknown", "queued")},
    "restore": {("cancelled", "queued")},
}
"""What each move may change; whatever is not here may change nothing."""

which = st.integers(0, 3)


class Machine(RuleBasedStateMachine):
    """Rules are moves as the app makes them: what belongs into one transaction is in one."""

    database: ClassVar[Database]

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[int] = []
        self.tokens = ["never given"]
        """Of all leases that there ever were."""

    def teardown(self) -> None:
        for task_id in self.ids:
            self.execute(delete(Task).where(Task.id == task_id))
        self.check_counts()

    def execute(self, *statements: Any) -> Any:
        """In one transaction; where the first one moves nothing, the others are left out. Its first row."""
        with self.database.writing() as db:
            first = db.execute(statements[0])
            returns = getattr(first, "returns_rows", True)  # only a plain UPDATE's has the word
            row = first.first() if returns else None
            for statement in statements[1:] if row or not returns else ():
                db.execute(statement)
            return row

    def look(self) -> tuple[dict[int, Any], dict[int, Any]]:
        """The rows of our tasks and of their deliveries."""
        with self.database.reading() as db:
            tasks = db.execute(select(Task.__table__).where(Task.id.in_(self.ids))).all()
            deliveries = db.execute(select(Delivery.__table__).where(Delivery.task_id.in_(self.ids))).all()
        return {row.id: row for row in tasks}, {row.id: row for row in deliveries}

    def move(self, name: str, *statements: Any) -> Any:
        """Do it, and see that it changed nothing that this move may not change."""
        tasks, deliveries = self.look()
        row = self.execute(*statements)
        tasks_now, deliveries_now = self.look()
        for before, after, allowed in ((tasks, tasks_now, TASKS), (deliveries, deliveries_now, DELIVERIES)):
            changed = {(old.status, after[key].status if key in after else "gone") for key, old in before.items()}
            wrong = {(old, new) for old, new in changed if old != new} - allowed.get(name, set())
            assert not wrong, f"{name} made {wrong}"
        return row

    @invariant()
    def the_books_are_right(self) -> None:
        """Events lead to the statuses without a gap, and the tallies of what ended are the rows'."""
        tasks, deliveries = self.look()
        with self.database.reading() as db:
            events = db.execute(
                select(TaskEvent.__table__).where(TaskEvent.task_id.in_(self.ids)).order_by(TaskEvent.id)
            ).all()
        for task in tasks.values():
            own = [event for event in events if event.task_id == task.id and event.address is None]
            assert own[-1].to_status == task.status
            assert [event.from_status for event in own] == [None, *(event.to_status for event in own[:-1])]
            if task.status in ("finished", "failed", "cancelled"):
                statuses = [row.status for row in deliveries.values() if row.task_id == task.id]
                tallies = (task.sent, task.failed, task.unknown)
                assert tallies == tuple(map(statuses.count, ("sent", "failed", "unknown"))), task.status
                assert not {"queued", "sending"} & set(statuses), f"{task.status} with {statuses}"
        self.check_counts()

    def check_counts(self) -> None:
        with self.database.reading() as db:
            counted = db.execute(select(TaskCount.status, func.sum(TaskCount.n)).group_by(TaskCount.status)).all()
            rows = db.execute(select(Task.status, func.count()).group_by(Task.status)).all()
            real = {status: n for status, n in rows}
            real["attention"] = db.scalar(select(func.count()).where(Task.attention)) or 0
        assert {status: int(n) for status, n in counted if n} == {status: n for status, n in real.items() if n}

    def task(self, number: int) -> Any:
        with self.database.reading() as db:
            return db.execute(select(Task.__table__).where(Task.id == self.ids[number % len(self.ids)])).one()

    @initialize(people=st.integers(2, 3), on_unknown=st.sampled_from(("hold", "again")))
    def begin(self, people: int, on_unknown: str) -> None:
        self.submit(people, later=False, late_limit=None, on_unknown=on_unknown)

    @precondition(lambda self: len(self.ids) < 4)
    @rule(people=st.integers(1, 3), later=st.booleans(), late_limit=st.sampled_from((None, 60)),
          on_unknown=st.sampled_from(("hold", "again")))  # fmt: skip
    def submit(self, people: int, later: bool, late_limit: int | None, on_unknown: str) -> None:
        request = Request(
            "email/welcome", [Recipient(parse(f"r{n}@example.com")) for n in range(people)], "tester",
            undo_seconds=60 if later else 0, late_limit=late_limit, on_unknown=on_unknown,
        )  # fmt: skip
        with self.database.writing() as db:
            task_id = db.execute(new_task(request)).scalar_one()
            db.execute(new_deliveries(request, task_id, "example.com"))
        self.ids.append(task_id)
