"""The moves of a worker that holds many tasks of one recipient each, under one token: a statement for all of them."""

from sqlalchemy import exists

from app.db import prepared
from app.tasks.lifecycle.held import CLAIMED, MARKED, claimable, claiming, marking, ready
from app.tasks.lifecycle.moves import Move, delivery, task
from app.tasks.lifecycle.settled import settling
from app.tasks.model import Delivery, Task, TaskStatus


@prepared
def claim_together(task_ids: list[int], token: str, by: str) -> Move:
    """As `claim`, for those of these tasks that have one recipient and are no tests. Whichever attempt somebody rang
    for: what is queued and due is to be sent. Returns CLAIMED of each.
    """
    return (
        task(Task.id.in_(task_ids), Task.recipients == 1, ~Task.test, *claimable())
        .values(**claiming(token, by))
        .returning(*CLAIMED)
    )


@prepared
def mark_together(task_ids: list[int], token: str, edition: str) -> Move:
    """As `mark`, for all deliveries of these tasks whose time has come. Returns MARKED of each, and its task's id."""
    is_held = exists().where(Task.id == Delivery.task_id, Task.status == TaskStatus.STARTED, Task.token == token)
    return (
        delivery(Delivery.task_id.in_(task_ids), *ready(), is_held)
        .values(**marking(token, edition))
        .returning(*MARKED, Delivery.task_id)
    )


@prepared
def settle_together(task_ids: list[int], token: str, why: str) -> Move:
    """As `settle`, for each of these tasks. Returns id and status."""
    return (
        task(Task.id.in_(task_ids), Task.status == TaskStatus.STARTED, Task.token == token)
        .values(**settling(why))
        .returning(Task.id, Task.status)
    )
