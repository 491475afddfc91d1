"""Forms that were not sent yet: each is its writer's alone, is gone once it is sent, and is kept for a while only."""

from datetime import datetime

from sqlalchemy import ColumnElement, Delete, Select, and_, delete, exists, func, literal, or_, select

from app.db import now
from app.tasks.books import Draft
from app.tasks.model import Task, TaskStatus

KEPT = 30 * 86_400
"""Seconds since it was last written to."""

KEPT_DISCARDED = 600
MOST = 30
"""Of one person; of more, those go first that nobody has written to for longest."""

SHOWN = 200  # characters of each field, for a list

DISCARDED = "discarded"
"""In a draft's content: somebody threw it away, under this mark, and may still want it back."""

_thrown_away = Draft.content[DISCARDED].as_string().is_not(None)


def task_key(user_id: int, key: str) -> str:
    """The idempotency key of the task that a person's form becomes."""
    return f"form:{user_id}:{key}"


def listed(user_id: int) -> Select[str, datetime, str, str, str, str]:
    """A person's drafts, the latest first: key and updated_at, and how each of these begins: recipients, subject,
    template, and the id of the task that it changes, if any.
    """
    begins = [
        func.substr(Draft.content[name].as_string(), 1, SHOWN).label(name)
        for name in ("recipients", "subject", "template", "task")
    ]
    return (
        select(Draft.key, Draft.updated_at, *begins)
        .where(*_own(user_id), ~_thrown_away)
        .order_by(Draft.updated_at.desc())
        .limit(MOST)
    )


def find(user_id: int, key: str) -> Select[Draft]:
    """The draft of that form, if it is this person's."""
    return select(Draft).where(Draft.key == key, *_own(user_id), ~_thrown_away)


def others(user_id: int, key: str) -> Select[Draft]:
    """All of this person's, but that one."""
    return select(Draft).where(Draft.key != key, *_own(user_id), ~_thrown_away)


def thrown(user_id: int, mark: str) -> Select[Draft]:
    """Those of this person's that were thrown away lately under `mark`, or the one with that key; the latest first."""
    these = or_(Draft.key == mark, Draft.content[DISCARDED].as_string() == mark)
    lately = Draft.updated_at > now(-KEPT_DISCARDED)
    return select(Draft).where(these, lately, *_own(user_id), _thrown_away).order_by(Draft.updated_at.desc())


def _own(user_id: int) -> tuple[ColumnElement[bool], ...]:
    # A form that was sent is no draft any more, though it may have been saved once more after that.
    of_it = Task.idempotency_key == literal(task_key(user_id, "")).concat(Draft.key)
    sent = exists().where(of_it, Task.status != TaskStatus.CANCELLED)
    return Draft.user_id == user_id, Draft.updated_at > now(-KEPT), ~sent


def stored(key: str) -> Select[Draft]:
    """Whatever has that key, to be written over; nobody else does before the transaction ends."""
    return select(Draft).where(Draft.key == key).with_for_update()


def became(user_id: int, key: str, task_id: str = "") -> Select[int]:
    """The id of the task that a person's form has become, or, where it was one for changing a task, has changed.

    What was cancelled since may still be written on.
    """
    new = and_(Task.idempotency_key == task_key(user_id, key), Task.status != TaskStatus.CANCELLED)
    if not task_id.isdecimal() or not task_id.isascii():
        return select(Task.id).where(new)
    changed = Task.edit_key.startswith(task_key(user_id, key) + ":", autoescape=True)
    return select(Task.id).where(or_(new, and_(Task.id == int(task_id[:18]), changed)))


def sent(task_key: str) -> Delete:
    """Forget the draft that has become the task with this idempotency key."""
    key = task_key.rpartition(":")[2]
    owner = task_key.removeprefix("form:").partition(":")[0]
    mine = Draft.user_id == int(owner) if task_key.startswith("form:") and owner.isdigit() else literal(False)
    return delete(Draft).where(Draft.key == key, mine)


def prune() -> Delete:
    """Forget everybody's drafts that were kept for long enough."""
    thrown = and_(_thrown_away, Draft.updated_at < now(-KEPT_DISCARDED))
    return delete(Draft).where(or_(Draft.updated_at < now(-KEPT), thrown))


def prune_of(user_id: int) -> Delete:
    """Forget those of a person that are too many."""
    latest = select(Draft.key).where(Draft.user_id == user_id).order_by(Draft.updated_at.desc()).limit(MOST)
    return delete(Draft).where(Draft.user_id == user_id, Draft.key.not_in(latest))
