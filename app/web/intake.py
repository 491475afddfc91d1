"""Where new tasks are stored: what comes in while some are being stored goes into the next transaction, together."""

import asyncio
from asyncio import Future
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from queue import SimpleQueue
from threading import Thread

from sqlalchemy.exc import IntegrityError, OperationalError, TimeoutError
from sqlalchemy.orm import Session
from werkzeug.exceptions import NotFound

from app import log
from app.db import Database, is_deadlock
from app.tasks import drafts, family, lifecycle, queries
from app.tasks.request import Refused, Request
from app.tasks.submit import Stored, new_deliveries, new_task

logger = log.get("web")

MOST = 1000
"""Recipients that are stored in one transaction, unless one task has more."""

THREADS = 4
"""Of them, where many can write at once: one that waits for another transaction does not keep the others waiting."""

Waiting = tuple[Request, Future[Stored]]


class KeyReused(Exception):  # noqa: N818 (it is no fault of the program's)
    """The idempotency key came before, with another request."""


class Intake:
    """For one event loop. `domain` is the right-hand side of new Message-IDs; `stored` is told of new tasks once they
    are committed, whether or not whoever asked for them is still there.

    SQLite has one writer: what waits for it is stored together. Postgres has many, who would wait for one another in
    circles were each to hold the counts of many tasks, so there each task has a transaction of its own.
    """

    def __init__(self, database: Database, domain: str, stored: Callable[[Sequence[Stored]], None]) -> None:
        one_writes = database.engine.dialect.name == "sqlite"
        self._most = MOST if one_writes else 1
        self._database = database
        self._domain = domain
        self._stored = stored
        self._waiting: SimpleQueue[Waiting | None] = SimpleQueue()
        threads = range(1 if one_writes else THREADS)
        self._threads = [Thread(target=self._store_all, name="storing", daemon=True) for _ in threads]
        for thread in self._threads:
            thread.start()

    async def store(self, request: Request) -> Stored:
        """The task, stored; the one that there is, where the same request came before with the same key.

        Raises KeyReused where another one came with it, and what `check_family` raises.
        """
        if not self._threads:
            raise RuntimeError("this is closed")
        answer: Future[Stored] = asyncio.get_running_loop().create_future()
        self._waiting.put((request, answer))
        return await answer

    def _store_all(self) -> None:
        while some := self._next():
            new: Sequence[Stored] = []
            answers: Sequence[Stored | Exception] = []
            try:
                new, answers = self._store([request for request, _ in some])
            except Exception as error:  # whatever it is, it is for those who wait
                answers = [error] * len(some)
            with suppress(RuntimeError):  # nobody waits any more, nor does the event loop run
                some[0][1].get_loop().call_soon_threadsafe(_answer, [answer for _, answer in some], answers)
            if new:
                try:
                    self._stored(new)
                except Exception as error:  # the rows are there, and the timekeeper sees them
                    logger.warning("nobody was told of new tasks", error=f"{type(error).__name__}: {error}")

    def _next(self) -> list[Waiting]:
        """What is to be stored together; nothing at the end."""
        some: list[Waiting] = []
        recipients = 0
        while recipients < self._most and (not some or not self._waiting.empty()):
            waiting = self._waiting.get()
            if waiting is None:
                if some:
                    self._waiting.put(None)  # for the next time
                break
            some.append(waiting)
            recipients += len(waiting[0].recipients)
        return some

    def _store(self, requests: Sequence[Request]) -> tuple[Sequence[Stored], Sequence[Stored | Exception]]:
        """The new tasks, and the answer to each request. What the database does not take spoils none of the others."""
        try:
            return self._together(requests)
        except (OperationalError, TimeoutError) as error:
            if not is_deadlock(error):
                raise  # it is away, or busy: it would be for each of them
        except Exception:  # noqa: S110 (each has it for an answer below)
            pass
        new: list[Stored] = []
        answers: list[Stored | Exception] = []
        for request in requests:
            try:
                some, answer = self._alone(request)
            except Exception as error:  # what was stored before it must be answered nevertheless
                some, answer = [], [error]
            new += some
            answers += answer
        return new, answers

    def _alone(self, request: Request) -> tuple[Sequence[Stored], Sequence[Stored | Exception]]:
        try:
            return self._together([request])
        except (IntegrityError, OperationalError) as error:
            # Another process stored the same key between our look and our insert, or held what we wanted.
            if isinstance(error, OperationalError) and not is_deadlock(error):
                raise
            return self._together([request])

    def _together(self, requests: Sequence[Request]) -> tuple[Sequence[Stored], Sequence[Stored | Exception]]:
        with self._database.writing() as db:
            new: list[Stored] = []
            answers = [self._put(db, request, new) for request in requests]
        return new, answers

    def _put(self, db: Session, request: Request, new: list[Stored]) -> Stored | Exception:
        """The task, or why there is none; then nothing was written."""
        if request.key and (known := db.scalar(queries.task_by_key(request.key))):
            return known if known.request_hash == request.digest else KeyReused()
        try:
            if request.instead_of:
                request = check_family(db, request)
        except (Refused, NotFound) as refusal:
            return refusal
        task: Stored = db.execute(new_task(request)).one()
        db.execute(new_deliveries(request, task.id, self._domain))
        if request.key:
            db.execute(drafts.sent(request.key))
        new.append(task)
        return task

    async def close(self) -> None:
        """Wait until all is stored that was asked for."""
        threads, self._threads = self._threads, []
        for _ in threads:
            self._waiting.put(None)
        for thread in threads:
            await asyncio.to_thread(thread.join)


def _answer(waiting: Sequence[Future[Stored]], answers: Sequence[Stored | Exception]) -> None:
    for future, answer in zip(waiting, answers, strict=True):
        if future.done():
            continue  # whoever asked has gone
        if isinstance(answer, Exception):
            future.set_exception(answer)
        else:
            future.set_result(answer)


def check_family(db: Session, request: Request, but: int | None = None) -> Request:
    """The request with its family's head. Raises Refused where somebody would get another one of these besides, and
    NotFound where there is no such task.
    """
    head = db.scalar(family.head(request.instead_of or 0))
    if head is None:
        raise NotFound
    if db.scalar(lifecycle.lock(head)) is None:  # nobody retries that one meanwhile, or it has just been deleted
        raise NotFound
    family.check(request, db.scalars(family.reached(head, but)))
    return replace(request, instead_of=head)
