"""From what somebody asked for, checked (see request.py), to the rows that say so."""

import unicodedata
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any, cast

from sqlalchemy import Boolean, Float, Insert, Row, bindparam, case, func, insert, null
from sqlalchemy.sql.dml import ReturningInsert

from app.db import Base, Instant, Prepared, Statement, after, now
from app.mail import Mistake
from app.mail.addresses import CONTROLS
from app.mail.message import new_message_id
from app.mail.sandbox import subject_part
from app.mail.templates import SUBJECT_LIMIT, Templates
from app.tasks.model import Delivery, Task, TaskStatus
from app.tasks.request import Request

TITLE_KEY = 64

STORED = (Task.id, Task.status, Task.template, Task.subject, Task.queue, Task.scheduled_at, Task.zone, Task.due_at,
          Task.created_at, Task.started_at, Task.ended_at, Task.held, Task.attempt, Task.recipients, Task.sent,
          Task.failed, Task.unknown, Task.error, Task.edit_key)  # fmt: skip
"""What is told of a task that was stored: what programs see of it, and what its ring and the pages need."""

Stored = Row[Any] | Task
"""A task as it was stored just now, or one that was there before."""


def titled(request: Request, templates: Templates) -> Request:
    """The request with its subject as lists show it: filled in with what everybody shares, and … for the rest."""
    only = request.recipients[0].variables if len(request.recipients) == 1 else {}
    try:
        source = request.subject or templates.get(request.template).subject
        part = subject_part(source)
        shown = part.render({**dict.fromkeys(part.needed, "…"), **request.variables, **only})
    except Mistake:
        shown = request.subject or request.template
    return replace(request, title=" ".join(CONTROLS.sub(" ", shown).split())[:SUBJECT_LIMIT])


def title_key(text: str) -> str:
    """How a title is looked up: by how it begins, whatever its case."""
    return unicodedata.normalize("NFC", text).casefold()[:TITLE_KEY]


def content(request: Request) -> dict[str, Any]:
    """What `columns` takes of it: the columns of a task that say what was asked for, `undo` seconds, and whether it is
    to wait for its moment."""
    return {
        "template": request.template,
        "subject": request.subject,
        "variables": dict(request.variables),
        "queue": request.queue,
        "scheduled_at": request.scheduled_at,
        "zone": request.zone,
        "late_limit": request.late_limit,
        "on_unknown": request.on_unknown,
        "recipients": len(request.recipients),
        "first_address": request.recipients[0].mailbox.address,
        "title": request.title[:SUBJECT_LIMIT],
        "title_key": title_key(request.title),
        "who": request.by,
        "undo": float(request.undo_seconds),
        "waits": request.scheduled_at is not None or request.undo_seconds > 0,
    }


def columns(given: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of a task with what is `given`: values, or parameters for them."""
    due_at = func.coalesce(given["scheduled_at"], now(given["undo"]), type_=Instant())
    as_given = {name: given[name] for name in given if name not in ("undo", "waits")}
    return as_given | {
        "status": case((given["waits"], TaskStatus.SCHEDULED), else_=TaskStatus.QUEUED),
        "due_at": due_at,
        "hold_after": after(due_at, given["late_limit"]),
        "rung_at": case((given["waits"], null()), else_=now()),
    }


def new_task(request: Request) -> ReturningInsert[*tuple[Any, ...]]:
    """The task's row, of which it returns STORED; the database writes its first event and its count in the same
    statement.
    """
    more = {
        "idempotency_key": request.key,
        "request_hash": request.digest,
        "test": request.test,
        "instead_of": request.instead_of,
    }
    given = content(request) | more | {"created_by": request.by}
    values = {f"in_{name}": given[name] for name in given}
    return cast(ReturningInsert[*tuple[Any, ...]], Prepared(_new_task(tuple(given)), [values]))


@cache
def _new_task(names: tuple[str, ...]) -> Statement:
    types: Any = {"undo": Float(), "waits": Boolean()}
    given = {name: bindparam(f"in_{name}", type_=types.get(name) or Task.__table__.c[name].type) for name in names}
    return Statement(insert(Task).values(_defaults(Task) | columns(given)).returning(*STORED))


def _defaults(table: type[Base]) -> dict[str, Any]:
    """What a new row has where nothing else is said."""
    defaults = {column.name: column.default for column in table.__table__.c}
    return {name: default.arg for name, default in defaults.items() if default is not None and default.is_scalar}


def new_deliveries(request: Request, task_id: int, domain: str) -> Insert:
    """A row for each recipient; `domain` is the right-hand side of their Message-IDs."""
    rows = [
        {
            "in_task_id": task_id,
            "in_address": recipient.mailbox.address,
            "in_name": recipient.mailbox.name,
            "in_variables": dict(recipient.variables),
            "in_message_id": new_message_id(domain),
        }
        for recipient in request.recipients
    ]
    return cast(Insert, Prepared(_new_delivery(), rows))


@cache
def _new_delivery() -> Statement:
    names = "task_id", "address", "name", "variables", "message_id"
    given = {name: bindparam(f"in_{name}", type_=Delivery.__table__.c[name].type) for name in names}
    return Statement(insert(Delivery).inline().values(_defaults(Delivery) | given))  # nobody asks for their ids
