"""One action on many tasks: which ones is frozen when it is asked for, and then they are moved bit by bit.

What one may do to a task, and how it is moved, is said in lifecycle; here it is only done to many.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from sqlalchemy import ColumnElement, Select, Update, case, delete, func, insert, literal, null, select, update
from sqlalchemy.sql.dml import Delete, Insert, ReturningInsert, ReturningUpdate

from app.db import now
from app.mail import N_
from app.tasks import lifecycle
from app.tasks.books import Bulk, BulkTask
from app.tasks.filter import Filter
from app.tasks.lifecycle import CAN, Move
from app.tasks.model import Task
from app.tasks.search import ids

BITE = 200
"""Tasks that are moved in one transaction: others wait for no more than these."""

ALL = 2**31 - 1


@dataclass(frozen=True)
class Action:
    """What can be done to many tasks: which can be moved so, the move, what its events say, and what follows it.

    `rings` is what is done to their rings afterwards: taken back, rung, or entered for the moment they have then.
    """

    can: ColumnElement[bool]
    move: Callable[..., Move]
    why: str
    rings: Literal["take_back", "ring", "enter"]
    then: tuple[Callable[..., Update], ...] = ()


ACTIONS = {
    "cancel": Action(CAN["cancel"], lifecycle.cancel, N_("Cancelled."), "take_back"),
    "retry": Action(CAN["retry"], lifecycle.retry, N_("Retry what failed."), "ring", (lifecycle.requeue_failed,)),
    "now": Action(CAN["now"], lifecycle.send_now, N_("Send it now."), "enter", (lifecycle.hurry_deliveries,)),
    "arrived": Action(CAN["decide"], lifecycle.decide, lifecycle.ARRIVED, "ring", (lifecycle.arrived, lifecycle.tally)),
    "again": Action(CAN["decide"], lifecycle.decide, lifecycle.AGAIN, "ring", (lifecycle.send_again, lifecycle.tally)),
    "restore": Action(CAN["restore"], lifecycle.restore, N_("Undone."), "enter", (lifecycle.requeue_cancelled,)),
}


@dataclass(frozen=True)
class Chosen:
    """Which tasks: those with these `ids`, those that the bulk with this id moved, or those that fit the `filter`.

    None is younger than `highest`, an id: what is stored after somebody looked is not meant.
    """

    highest: int
    ids: Sequence[int] = ()
    bulk: int | None = None
    filter: Filter | None = None

    def which(self) -> ColumnElement[bool]:
        """That a task is one of them."""
        if self.ids:
            return Task.id.in_([each for each in self.ids if each <= self.highest])
        if self.bulk is not None:
            return (Task.bulk_id == self.bulk) & (Task.id <= self.highest)
        return Task.id.in_(ids(replace(self.filter or Filter(), cursor=self.highest + 1), ALL))


def highest() -> Select[int]:
    return select(func.coalesce(func.max(Task.id), 0))


def tally(chosen: Chosen, action: str) -> Select[str, int, int, int]:
    """Of the tasks chosen, by status: how many, how many the action can move, and how many of these are past due."""
    can = ACTIONS[action].can
    return select(
        Task.status,
        func.count(),
        func.sum(case((can, 1), else_=0)),
        func.sum(case((can & (Task.due_at <= now()) & Task.held.is_(False), 1), else_=0)),
    ).where(chosen.which()).group_by(Task.status)  # fmt: skip


def sample(chosen: Chosen, action: str, limit: int) -> Select[Task]:
    """The newest of those that the action can move."""
    return select(Task).where(chosen.which(), ACTIONS[action].can).order_by(Task.id.desc()).limit(limit)


# To open one: all three in one transaction


def begin(action: str, asked: dict[str, Any], who: str, key: str) -> ReturningInsert[int]:
    """Returns its id. The same key comes in once only."""
    return insert(Bulk).values(action=action, asked=asked, who=who, key=key, total=0).returning(Bulk.id)


def freeze(bulk_id: int, action: str, chosen: Chosen) -> Insert:
    """Write down which tasks it is about: those chosen that can be moved so at this moment, and no others ever."""
    found = select(literal(bulk_id), Task.id).where(chosen.which(), ACTIONS[action].can)
    return insert(BulkTask).from_select(["bulk_id", "task_id"], found)


def count(bulk_id: int) -> ReturningUpdate[int]:
    """Say how many they are, and return it. One without any is over at once."""
    total = select(func.count()).where(BulkTask.bulk_id == bulk_id).scalar_subquery()
    none = case((total == 0, now()), else_=null())
    return update(Bulk).where(Bulk.id == bulk_id).values(total=total, ended_at=none).returning(Bulk.total)


# To carry it out: each bite in one transaction


def waiting() -> Select[bool]:
    """Whether there is one to be carried out."""
    return select(select(Bulk.id).where(Bulk.ended_at.is_(None)).exists())


def take() -> Select[Bulk]:
    """The one whose turn it is; nobody else takes it before the transaction ends."""
    open_ones = select(Bulk).where(Bulk.ended_at.is_(None)).order_by(Bulk.id).limit(1)
    return open_ones.with_for_update(skip_locked=True)


def bite(bulk: Bulk) -> Select[int]:
    """The tasks to be moved next, by id."""
    left = [BulkTask.bulk_id == bulk.id, BulkTask.task_id > bulk.cursor]
    return select(BulkTask.task_id).where(*left).order_by(BulkTask.task_id).limit(BITE)


def move(bulk: Bulk, task_ids: Sequence[int]) -> Move:
    """Move those of them that still can be moved; each has its event, which names the bulk."""
    action = ACTIONS[bulk.action]
    return action.move(task_ids, bulk.who, why=f"{action.why} (bulk {bulk.id})", bulk=bulk.id, **_only(bulk))


def follow(bulk: Bulk, task_ids: Sequence[int]) -> list[Update]:
    """What belongs to the move, for those that moved."""
    return [then(task_ids, **_only(bulk)) for then in ACTIONS[bulk.action].then]


def _only(bulk: Bulk) -> dict[str, int]:
    """Of tasks that were chosen by why somebody failed, those are tried again, and nobody who failed otherwise."""
    return {"fault": int(bulk.asked["fault"])} if bulk.action == "retry" and "fault" in bulk.asked else {}


def note(bulk: Bulk, task_ids: Sequence[int], moved: int) -> tuple[Update, Delete]:
    """How far it has come. Once there is nothing left, it is over."""
    done = len(task_ids) < BITE
    cursor = task_ids[-1] if task_ids else bulk.cursor
    return (
        update(Bulk)
        .where(Bulk.id == bulk.id)
        .values(
            cursor=cursor,
            seen=Bulk.seen + len(task_ids),
            moved=Bulk.moved + moved,
            ended_at=now() if done else None,
        ),
        delete(BulkTask).where(BulkTask.bulk_id == bulk.id, BulkTask.task_id <= cursor),
    )


def stop(bulk_id: int) -> tuple[Update, Delete]:
    """End it where it is. What it has moved stays moved, and the rest is left as it is."""
    return (
        update(Bulk).where(Bulk.id == bulk_id, Bulk.ended_at.is_(None)).values(ended_at=now()),
        delete(BulkTask).where(BulkTask.bulk_id == bulk_id),
    )


def read(bulk_id: int) -> Select[Bulk]:
    return select(Bulk).where(Bulk.id == bulk_id)


def by_key(key: str) -> Select[int]:
    return select(Bulk.id).where(Bulk.key == key)
