"""From what somebody asked for, checked (see request.py), to the rows that say so."""

import unicodedata
from dataclasses import replace
from typing import Any

from sqlalchemy import Insert, insert
from sqlalchemy.sql.dml import ReturningInsert

from app.db import after, now
from app.mail import Mistake
from app.mail.addresses import CONTROLS
from app.mail.message import new_message_id
from app.mail.sandbox import subject_part
from app.mail.templates import SUBJECT_LIMIT, Templates
from app.tasks.model import Delivery, Task, TaskStatus
from app.tasks.request import Request

TITLE_KEY = 64


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
    """The columns of a task that say what was asked for, and that it waits for its moment, or for a worker."""
    later = request.scheduled_at is not None or request.undo_seconds > 0
    due_at = request.scheduled_at or now(request.undo_seconds)
    return {
        "status": TaskStatus.SCHEDULED if later else TaskStatus.QUEUED,
        "template": request.template,
        "subject": request.subject,
        "variables": dict(request.variables),
        "queue": request.queue,
        "scheduled_at": request.scheduled_at,
        "zone": request.zone,
        "due_at": due_at,
        "late_limit": request.late_limit,
        "hold_after": None if request.late_limit is None else after(due_at, request.late_limit),
        "on_unknown": request.on_unknown,
        "rung_at": None if later else now(),
        "recipients": len(request.recipients),
        "first_address": request.recipients[0].mailbox.address,
        "title": request.title[:SUBJECT_LIMIT],
        "title_key": title_key(request.title),
        "who": request.by,
    }


def new_task(request: Request) -> ReturningInsert[int]:
    """The task's row. Returns its id; the database writes its first event and its count in the same statement."""
    return (
        insert(Task)
        .values(
            idempotency_key=request.key,
            request_hash=request.digest,
            test=request.test,
            instead_of=request.instead_of,
            created_by=request.by,
            **content(request),
        )
        .returning(Task.id)
    )


def new_deliveries(request: Request, task_id: int, domain: str) -> tuple[Insert, list[dict[str, Any]]]:
    """A row for each recipient, and what to fill it with; `domain` is the right-hand side of their Message-IDs."""
    rows = [
        {
            "task_id": task_id,
            "address": recipient.mailbox.address,
            "name": recipient.mailbox.name,
            "variables": dict(recipient.variables),
            "message_id": new_message_id(domain),
        }
        for recipient in request.recipients
    ]
    return insert(Delivery), rows
