"""What people and programs do to tasks: the pages and the JSON calls do it through here, and so in one way.

Each action is one transaction; only after its commit, and without anyone waiting for it, Redis is told. Where Redis
is away, the timekeeper and the reconciler find the row.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Row

from app.db import AsyncDatabase, rows
from app.mail.templates import Templates
from app.ring import Rings
from app.ring.job import QUEUES, ringing_of
from app.tasks import drafts, lifecycle, queries
from app.tasks.model import Task, TaskStatus
from app.tasks.request import Refused, Request, check
from app.tasks.submit import Stored, new_deliveries, titled
from app.web.intake import Intake, KeyReused, check_family
from app.web.task.undo import Undo
from app.web.teller import Gathered, Teller


class _Nothing(Exception):  # noqa: N818
    """There was nothing to decide."""


class Actions:
    """`domain` is the right-hand side of new Message-IDs."""

    def __init__(self, database: AsyncDatabase, rings: Rings, templates: Templates, domain: str) -> None:
        self.database = database
        self.rings = rings
        self.templates = templates
        self.domain = domain
        self._teller = Teller()
        self._new = Gathered(self._teller, self._ring)
        self._intake = Intake(database.in_thread, domain, self._new.add)

    async def submit(self, request: Request) -> Stored:
        """Store the task, then ring. The same key with the same request gives the task stored the first time.

        Raises Refused where something is wrong with the request, KeyReused where its key belongs to another one.
        """
        try:
            # A single mail in a template's own words takes less time than to hand it to a thread.
            is_quick = len(request.recipients) == 1 and not request.subject
            request = self._checked(request) if is_quick else await asyncio.to_thread(self._checked, request)
        except Refused:
            if known := await self._known(request):  # when it came first, nothing was wrong with it
                return known
            raise
        return await self._intake.store(request)

    def _checked(self, request: Request) -> Request:
        if mistakes := check(request, self.templates):
            raise Refused(mistakes)
        return titled(request, self.templates)

    async def _known(self, request: Request) -> Task | None:
        if request.key is None:
            return None
        async with self.database.reading() as db:
            known: Task | None = await db.scalar(queries.task_by_key(request.key))
        if known is not None and known.request_hash != request.digest:
            raise KeyReused
        return known

    def _ring(self, tasks: Sequence[Stored]) -> None:
        now: list[Stored] = []
        later: list[Stored] = []
        for task in tasks:
            (now if task.status == TaskStatus.QUEUED else later).append(task)
        try:
            if now:
                self.rings.ring([ringing_of(task) for task in now])
        finally:  # they are of others
            if later:
                self.rings.enter([(ringing_of(task), task.due_at) for task in later])

    async def edit(self, task_id: int, request: Request, seen: lifecycle.Version, changed: list[str]) -> Task | None:
        """The task as the request says, if nobody had begun it, or changed what was `seen`; see lifecycle.edit.

        Raises Refused where something is wrong with the request.
        """
        request = await asyncio.to_thread(self._checked, request)
        task = await asyncio.to_thread(self._edit, task_id, request, seen, changed)
        if task:
            self._teller.tell(partial(self._ring_anew, task))
        return task

    def _edit(self, task_id: int, request: Request, seen: lifecycle.Version, changed: list[str]) -> Task | None:
        with self.database.in_thread.writing() as db:
            if request.instead_of:
                check_family(db, request, but=task_id)
            if db.execute(lifecycle.edit(task_id, request, seen, changed)).first() is None:
                return None
            db.execute(lifecycle.clear(task_id))
            db.execute(new_deliveries(request, task_id, self.domain))
            db.execute(drafts.sent(request.key or ""))
            task: Task = db.execute(queries.task(task_id)).scalar_one()
        return task

    def _ring_anew(self, task: Task) -> None:
        self.rings.take_back([(task.id, task.attempt, name) for name in QUEUES])  # it may have changed its queue
        self._ring([task])

    async def cancel(self, task_id: int, by: str) -> Undo | None:
        """If the task was still waiting, it never goes out now; how to take that back."""
        async with self.database.writing() as db:
            moved = (await db.execute(lifecycle.cancel(task_id, by))).first()
        if moved is None:
            return None
        self._teller.tell(partial(self.rings.take_back, [ringing_of(moved)]))
        return Undo(task_id, moved.attempt, moved.due_at, cancelled_at=moved.ended_at)

    async def undo(self, task_id: int, by: str) -> bool:
        """Whether nothing of the task had been begun, and now never goes out."""
        async with self.database.writing() as db:
            moved = (await db.execute(lifecycle.undo(task_id, by))).first()
        if moved:
            self._teller.tell(partial(self.rings.take_back, [ringing_of(moved)]))
        return moved is not None

    async def reschedule(self, task_id: int, due_at: datetime, zone: str | None, by: str) -> Undo | None:
        """If the task was still waiting, it waits for `due_at` now; how to take that back."""
        return await self._put_off(task_id, lifecycle.reschedule(task_id, due_at, zone, by))

    async def retry(self, task_id: int, by: str) -> bool:
        """Whether the task had failed deliveries, and now tries them again."""
        async with self.database.writing() as db:
            await db.execute(lifecycle.plan(task_id))  # nobody writes another one instead meanwhile
            moved = (await db.execute(lifecycle.retry(task_id, by))).first()
            if moved:
                await db.execute(lifecycle.requeue_failed(task_id))
        if moved:
            self._teller.tell(partial(self.rings.ring, [ringing_of(moved)]))
        return moved is not None

    async def send_now(self, task_id: int, by: str, wait: float) -> Undo | None:
        """If the task was still scheduled, or held, it goes out in `wait` seconds; how to take that back until then."""
        return await self._put_off(task_id, lifecycle.send_now(task_id, by, wait=wait))

    async def _put_off(self, task_id: int, move: lifecycle.Move) -> Undo | None:
        async with self.database.writing() as db:
            was = (await db.execute(lifecycle.plan(task_id))).first()
            moved = (await db.execute(move)).first()
            if moved:
                await db.execute(lifecycle.hurry_deliveries(task_id))  # they may have places in the line of a limit
        if was is None or moved is None:
            return None
        self._teller.tell(partial(self.rings.enter, [(ringing_of(moved), moved.due_at)]))
        return Undo(task_id, moved.attempt, moved.due_at, was=lifecycle.Plan(*was))

    async def restore(self, undo: Undo, by: str) -> Row[Any] | None:
        """Take it back, if nothing has happened to the task since. Its due_at and held; None: too late."""
        async with self.database.writing() as db:
            await db.execute(lifecycle.plan(undo.task_id))
            moved = (await db.execute(undo.move(by))).first()
            if moved and undo.was is None:
                await db.execute(lifecycle.requeue_cancelled(undo.task_id))
        if moved and not moved.held:
            self._teller.tell(partial(self.rings.enter, [(ringing_of(moved), moved.due_at)]))
        return moved

    async def decide(
        self, task_id: int, by: str, arrived: bool, address: str | None = None, seen: datetime | None = None
    ) -> bool:
        """Whether something of it was unknown, for one address or at all, and now is sent, or is sent again.

        `seen` is when the person saw it: a second click is no decision about what came of the first.
        """
        decision = lifecycle.arrived if arrived else lifecycle.send_again
        why = lifecycle.ARRIVED if arrived else lifecycle.AGAIN
        try:
            async with self.database.writing() as db:
                moved = (await db.execute(lifecycle.decide(task_id, by, why))).first()
                if moved is None or rows(await db.execute(decision(task_id, address, seen))) == 0:
                    raise _Nothing
                await db.execute(lifecycle.tally(task_id))
        except _Nothing:  # whoever decided first has moved it; what was begun here is rolled back
            return False
        self._teller.tell(partial(self.rings.ring, [ringing_of(moved)]))
        return True

    async def close(self) -> None:
        """Wait for what is being stored, and for what is being told, but not for long."""
        await self._intake.close()
        await self._teller.close()
