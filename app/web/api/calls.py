"""The JSON calls, for programs: they submit, ask and move through the same code as the pages, with a token."""

import json
import re
from asyncio import to_thread
from datetime import timedelta
from functools import partial
from hashlib import sha256
from typing import Any, NoReturn

from quart import Blueprint, Response, g, request
from quart_rate_limiter import RateLimit, rate_limit
from quart_schema import document_headers, document_querystring, document_request, document_response
from sqlalchemy.orm import Session

from app.tasks import queries
from app.tasks.model import Task, TaskStatus
from app.tasks.request import Mistakes, Refused, Request, check
from app.web import postdate
from app.web.api.answers import DeliveriesGiven, EventsGiven, ProblemGiven, TaskGiven, TasksGiven
from app.web.api.requests import Key, NewTask, NewTime, Paging, Search, not_ahead
from app.web.api.wire import answer, bad_cursor, mistaken, part, read_as, read_cursor, read_json, read_query, refusal
from app.web.incoming import LARGEST_ID
from app.web.intake import KeyReused
from app.web.limits import program
from app.web.problem import Problem
from app.web.security import who

blueprint = Blueprint("api", __name__, url_prefix="/api/tasks")

SHORT = 4096
"""Bytes up to which a body is read in less time than it takes to hand it to a thread."""

LATE = "This task has {so} already and can no longer be {done}."


@blueprint.post("")
@rate_limit(limits=[RateLimit(100, timedelta(seconds=1), program)])
@document_headers(Key)
@document_request(NewTask)
@document_response(TaskGiven, 201)
async def create() -> Response:
    """Store a task, to be sent at once or at its moment."""
    body = await request.get_data()
    wanted = _wanted(body) if len(body) < SHORT else await to_thread(_wanted, body)
    try:
        if past := await _past(wanted):
            raise Refused(past | await to_thread(check, wanted, postdate().templates))
        task = await postdate().actions.submit(wanted)
    except Refused as refused:
        raise refusal(refused.mistakes) from None
    except KeyReused:
        sentence = "This key came before, with another request. Use a new key for a new request."
        raise mistaken([("Idempotency-Key", sentence)]) from None
    # 201 for a key's second time as well: draft-ietf-httpapi-idempotency-key-header 2.6 wants the first answer again.
    stored = answer(TaskGiven.model_validate(task), 201)
    stored.headers["Location"] = f"/api/tasks/{task.id}"
    return stored


def _wanted(body: str | bytes) -> Request:
    raw = read_json(body)
    asked = read_as(NewTask, raw)
    return Request(
        template=asked.template,
        recipients=asked.people(),
        by=who(),
        variables=asked.variables,
        subject=asked.subject,
        queue=asked.queue,
        scheduled_at=asked.scheduled_at,
        late_limit=asked.late_limit,
        on_unknown=asked.on_unknown,
        key=_key(),
        digest=sha256(json.dumps(raw, sort_keys=True).encode()).hexdigest(),
    )


def _key() -> str | None:
    """The key as it is kept: each token has keys of its own, and the column has room for a hash."""
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not re.fullmatch("[ -~]{1,255}", key):
        raise mistaken([("Idempotency-Key", "A key has 1 to 255 printable ASCII characters.")])
    return f"{g.token}:{sha256(key.encode()).hexdigest()}"


async def _past(wanted: Request) -> Mistakes:
    """That its moment has passed; not for a request that came before, when the moment lay ahead."""
    if wanted.scheduled_at is None or (wanted.key and await _one(queries.task_by_key(wanted.key))):
        return {}
    return not_ahead(wanted.scheduled_at)


@blueprint.get("")
@document_querystring(Search)
@document_response(TasksGiven)
async def index() -> Response:
    """Tasks, newest first, and the exact number of tasks in each status."""
    asked = read_query(Search)
    cursor = read_cursor(asked.cursor)
    if cursor is not None and not (re.fullmatch("[0-9]{1,19}", cursor) and int(cursor) <= LARGEST_ID):
        bad_cursor()
    wanted = queries.Filter(
        asked.status, asked.template, asked.q, asked.since, asked.until, int(cursor) if cursor else None
    )
    found, counts = await postdate().database.read(partial(_found, wanted=wanted, limit=asked.limit))
    some, following = part(found, asked.limit, "id")
    tasks = [TaskGiven.model_validate(task) for task in some]
    return answer(TasksGiven(tasks=tasks, next=following, counts={each: counts.get(each, 0) for each in TaskStatus}))


def _found(db: Session, wanted: queries.Filter, limit: int) -> tuple[list[Task], dict[str, int]]:
    found = list(db.scalars(queries.tasks(wanted, limit)))
    return found, {status: n for status, n in db.execute(queries.counts())}


@blueprint.get("/<int:id>")
@document_response(TaskGiven)
async def read(id: int) -> Response:
    """One task."""
    return answer(TaskGiven.model_validate(await _task(id)))


@blueprint.get("/<int:id>/deliveries")
@document_querystring(Paging)
@document_response(DeliveriesGiven)
async def deliveries(id: int) -> Response:
    """A task's recipients, by address, each with what became of its message."""
    asked = read_query(Paging)
    cursor = read_cursor(asked.cursor)
    await _task(id)
    async with postdate().database.reading() as db:
        found = list((await db.scalars(queries.deliveries(id, cursor, asked.limit))).all())
    some, following = part(found, asked.limit, "address")
    return answer(DeliveriesGiven.model_validate({"deliveries": some, "next": following}, from_attributes=True))


@blueprint.get("/<int:id>/events")
@document_response(EventsGiven)
async def events(id: int) -> Response:
    """What happened to a task and its deliveries, in that order; of very many, the latest thousand."""
    await _task(id)
    async with postdate().database.reading() as db:
        found = (await db.scalars(queries.events(id))).all()
    return answer(EventsGiven.model_validate({"events": list(found)}, from_attributes=True))


@blueprint.post("/<int:id>/cancel")
@document_response(TaskGiven)
@document_response(ProblemGiven, 409)
async def cancel(id: int) -> Response:
    """Cancel a task that has not started."""
    task = await _task(id)
    if not await postdate().actions.cancel(task.id, who()):
        _too_late(await _task(id), "cancelled")
    return await read(id)


@blueprint.post("/<int:id>/retry")
@document_response(TaskGiven)
@document_response(ProblemGiven, 409)
async def retry(id: int) -> Response:
    """Send what failed again, and nothing else."""
    task = await _task(id)
    if not await postdate().actions.retry(task.id, who()):
        task = await _task(id)
        if task.status == TaskStatus.FAILED and task.failed:
            raise Problem(409, "Another mail was written instead of this one, and reaches some of its recipients.")
        if task.status in (TaskStatus.FAILED, TaskStatus.FINISHED, TaskStatus.CANCELLED):
            raise Problem(409, "No delivery of this task has failed, so there is nothing to retry.")
        raise Problem(409, "This task has not ended yet. What failed can be retried once it has.")
    return await read(id)


@blueprint.post("/<int:id>/reschedule")
@document_request(NewTime)
@document_response(TaskGiven)
@document_response(ProblemGiven, 409)
async def reschedule(id: int) -> Response:
    """Send a task that has not started at another moment."""
    asked = read_as(NewTime, read_json(await request.get_data()))
    if past := not_ahead(asked.scheduled_at):
        raise refusal(past)
    task = await _task(id)
    if not await postdate().actions.reschedule(task.id, asked.scheduled_at, None, who()):
        _too_late(await _task(id), "rescheduled")
    return await read(id)


def _too_late(task: Task, done: str) -> NoReturn:
    raise Problem(409, LATE.format(so="started" if task.status == TaskStatus.STARTED else "ended", done=done))


async def _one(question: Any) -> Task | None:
    task: Task | None = await postdate().database.glance(lambda db: db.scalar(question))
    return task


async def _task(task_id: int) -> Task:
    task = await _one(queries.task(task_id))
    if task is None:
        raise Problem(404, f"There is no task {task_id}.")
    return task
