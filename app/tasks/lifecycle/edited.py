"""The move by which a person rewrites a task that nobody has begun: it is the same task, and says something else."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Delete, Select, delete, select

from app.mail import N_
from app.tasks.lifecycle.moves import Move, task, these
from app.tasks.lifecycle.people import CAN
from app.tasks.model import Delivery, Task
from app.tasks.request import Request
from app.tasks.submit import columns, content

EDITED = "Edited: "
PARTS = {
    "recipients": N_("To"),
    "template": N_("Template"),
    "variables": N_("Values"),
    "subject": N_("Subject"),
    "queue": N_("Queue"),
    "scheduled_at": N_("Date and time"),
    "zone": N_("Date and time"),
    "late_limit": N_("If it can’t leave in time"),
    "on_unknown": N_("If nobody can tell whether it arrived"),
}
"""What an edit may change, by the request's fields, and what each is called on the form."""


@dataclass(frozen=True)
class Version:
    """What somebody saw of a task, as far as other people may have changed it since: its moment, and its last edit."""

    due_at: datetime
    edit_key: str | None


def version(task_id: int) -> Select[datetime, str | None]:
    """The fields of a task's `Version`, in their order."""
    return select(Task.due_at, Task.edit_key).where(Task.id == task_id)


def changes(before: Request, after: Request) -> list[str]:
    """What an edit changes, in the words of `PARTS`."""
    found = [words for part, words in PARTS.items() if getattr(before, part) != getattr(after, part)]
    return list(dict.fromkeys(found))


def edit(task_id: int, request: Request, seen: Version, changed: list[str]) -> Move:
    """scheduled or queued → scheduled or queued with what `request` says, if it is still as it was `seen`.

    To be followed by `clear` and new deliveries where it moved, and by a ring. Returns id, attempt, queue, due_at and
    status.
    """
    return (
        task(these(task_id), CAN["edit"], Task.due_at == seen.due_at, Task.edit_key.is_not_distinct_from(seen.edit_key))
        .values(
            **columns(content(request)),
            held=False,
            attention=False,
            why=EDITED + ", ".join(changed),
            bulk_id=None,
            edit_key=edit_key(request),
        )
        .returning(Task.id, Task.attempt, Task.queue, Task.due_at, Task.status)
    )


def edit_key(request: Request) -> str:
    """What tells an edit from others, and from itself come twice: the form's key, and a part of what it asks for."""
    return f"{request.key}:{(request.digest or '')[:16]}"


def clear(task_id: int) -> Delete:
    """Forget whom an edited task was for; none of them has been sent anything."""
    return delete(Delivery).where(Delivery.task_id == task_id)
