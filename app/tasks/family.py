"""Mails that were written instead of one another, for those whom the first one missed: nobody is to get two of them.

A family is a task and all whose `instead_of` is its id: whatever is written instead of one of these is one of them.
"""

from collections.abc import Iterable

from sqlalchemy import ColumnElement, Select, func, or_, select

from app.mail import N_, Mistake
from app.mail.outcome import HANDED_OVER
from app.tasks.lifecycle.due import LOST
from app.tasks.lifecycle.moves import instead_reached
from app.tasks.model import MISSED, Delivery, DeliveryStatus, Task, TaskEvent
from app.tasks.request import Refused, Request

MOST_LISTED = 20
TWICE = N_("Another mail of these reaches {who}, or may have. Please take out who is to get it once.")


def head_of(task: Task) -> int:
    """The id by which the family of a task is known."""
    return task.instead_of or task.id


def head(task_id: int) -> Select[int]:
    """The same of the task with this id."""
    return select(func.coalesce(Task.instead_of, Task.id)).where(Task.id == task_id)


def others(task: Task) -> Select[int, str, str]:
    """Id, title and template of the others in its family, the first of them."""
    found = select(Task.id, Task.title, Task.template).where(Task.id.in_(_members(head_of(task))), Task.id != task.id)
    return found.order_by(Task.id).limit(MOST_LISTED)


def is_taken(task_id: int) -> Select[bool]:
    """Whether another one reaches some of those whom this one missed: then it is not tried again."""
    return select(instead_reached()).where(Task.id == task_id)


def reached(head: int, but: int | None = None) -> Select[str]:
    """The addresses, in small letters, that one of a family (`but` for one of them) reaches, or may have reached."""
    members = _members(head)
    theirs = Delivery.task_id.in_(members) if but is None else Delivery.task_id.in_(members) & (Delivery.task_id != but)
    return select(func.lower(Delivery.address)).where(theirs, ~surely_missed(members))


def surely_missed(tasks: Select[int]) -> ColumnElement[bool]:
    """Whether a delivery of these tasks surely did not arrive, and will not by itself.

    Not where it was ever handed over without a reply: whatever became of it later, it may have arrived.
    """
    unheard = or_(TaskEvent.why == LOST, TaskEvent.why.startswith(HANDED_OVER))
    in_doubt = or_(TaskEvent.to_status == DeliveryStatus.UNKNOWN, unheard)
    of_people = TaskEvent.task_id.in_(tasks), TaskEvent.address.is_not(None)
    return Delivery.status.in_(MISSED) & Delivery.address.not_in(select(TaskEvent.address).where(*of_people, in_doubt))


def _members(head: int) -> Select[int]:
    return select(Task.id).where(or_(Task.id == head, Task.instead_of == head))


def check(request: Request, reached: Iterable[str]) -> None:
    """Raises Refused where the request is for somebody whom another one of its family has `reached`."""
    known = {*reached}
    twice = [each.mailbox.address for each in request.recipients if each.mailbox.key in known]
    if twice:
        who = ", ".join(twice[:3]) + (", …" if len(twice) > 3 else "")
        raise Refused({"recipients": [Mistake(TWICE, who=who)]})
