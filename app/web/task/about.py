"""What pages say of a task in a word: what it is called, which moment counts, whether it can still be moved."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from math import ceil

from app.mail import Mistake
from app.mail.sandbox import subject_part
from app.mail.templates import SUBJECT_LIMIT, Templates
from app.tasks.model import Task, TaskStatus
from app.web.compose.fields import find
from app.web.i18n import gettext

GRACE = timedelta(seconds=2)

SOON = 2000  # milliseconds until a page with something under way looks again


def moment_of(task: Task) -> datetime:
    """When it will be sent, while it waits; when it ended, once it has; when it began, in between."""
    if task.status in (TaskStatus.SCHEDULED, TaskStatus.QUEUED):
        return task.due_at
    return task.ended_at or task.started_at or task.created_at


def is_overdue(task: Task) -> bool:
    """Whether its moment has passed and nobody has rung for it, which takes milliseconds where a worker runs."""
    is_waiting = task.status == TaskStatus.SCHEDULED and not task.held
    return is_waiting and task.due_at < datetime.now(UTC) - GRACE


def undo_left(task: Task) -> int:
    """For how many more seconds a mail sent "now" can be undone before it leaves; 0 where that is over."""
    if task.status != TaskStatus.SCHEDULED or task.scheduled_at is not None or task.held:
        return 0
    return max(0, ceil((task.due_at - datetime.now(UTC)).total_seconds()))


def too_late(task: Task) -> str:
    """Why it can't be moved any more, in one plain sentence."""
    return {
        TaskStatus.SCHEDULED: gettext("Too late for that: it waits for a decision."),
        TaskStatus.QUEUED: gettext("It is in the queue already, and goes out by itself."),
        TaskStatus.STARTED: gettext("Too late: it is being sent right now."),
        TaskStatus.CANCELLED: gettext("It was cancelled already."),
    }.get(TaskStatus(task.status), gettext("Too late: it has been sent already."))


def begun(task: Task) -> str:
    """Why it can't go back to the form any more."""
    begun = task.status == TaskStatus.QUEUED
    return gettext("Too late: a worker has begun it already, and goes on with it.") if begun else too_late(task)


def subject(task: Task, templates: Templates) -> str:
    """What lists call the task: its title; for one of a version that kept none, its subject as far as it is known."""
    if task.title:
        return task.title
    template = find(templates, task.template)
    source = task.subject or (template.subject if template else "")
    try:
        return " ".join(subject_part(source).render(task.variables).split())[:SUBJECT_LIMIT]
    except Mistake:
        return source[:SUBJECT_LIMIT]


def look_again(tasks: Sequence[Task]) -> int | None:
    """In how many milliseconds the page is out of date; None where nothing on it moves by itself."""
    now = datetime.now(UTC)
    waiting = (TaskStatus.SCHEDULED, TaskStatus.QUEUED)
    waits = [task.due_at - now for task in tasks if task.status in waiting and not task.held]
    if any(task.status == TaskStatus.STARTED for task in tasks):
        return SOON
    return max(SOON, int(min(waits).total_seconds() * 1000) + 200) if waits else None
