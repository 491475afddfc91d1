"""A large task that several workers send at once, each with messages of its own in hand, whoever of them is lost."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from sqlalchemy import func, select

from app.tasks import lifecycle, queries
from app.tasks.books import Helper
from app.tasks.lifecycle.shared import GONE
from app.tasks.model import Delivery, Task, TaskEvent
from tests.forked import Forked
from tests.parts import Office, wait_until

LARGE = 400
HELPERS = select(Helper.token)
MOVES = select(TaskEvent.to_status).where(TaskEvent.address.is_(None)).order_by(TaskEvent.id)
TOKENS = select(func.count(func.distinct(Delivery.token)))


def statuses(office: Office) -> dict[str, int]:
    return dict(office.all(select(Delivery.status, func.count()).group_by(Delivery.status)))


def worker_of(office: Office, what: Any) -> str:
    """host:pid of whoever holds it (`Task.who`) or helps (`Helper.worker`)."""
    return str(office.one(select(what))[0])


@pytest.fixture(name="two")
def _two(office: Office) -> Iterator[tuple[Forked, Forked, int]]:
    """The worker that holds a large task, the one that helps with it, and the task; both have sent some."""
    # What is left takes one of them longer than a lease holds, so that the loss of the other shows.
    office.sink.script = lambda step, address: 0.035 if step == "end" else None
    with ExitStack() as workers:
        both = [workers.enter_context(office.worker()) for _ in range(2)]
        wait_until(lambda: office.one(queries.live_workers())[0] == 2, 20, "both live")
        task_id = office.submit(LARGE)
        wait_until(lambda: office.one(HELPERS), 20, "one helps the other")
        wait_until(lambda: office.one(TOKENS)[0] == 2, 20, "both have something in hand")
        holder, helper = (
            next(each for each in both if worker_of(office, what).endswith(f":{each.pid}"))
            for what in (Task.who, Helper.worker)
        )
        yield holder, helper, task_id


def test_two_workers_send_one_task_and_everybody_gets_it_once(office: Office, two: tuple[Forked, Forked, int]) -> None:
    task_id = two[2]
    assert office.wait_for(task_id, seconds=40) == "finished"
    assert set(office.sink.addresses.values()) == {1}
    assert len(office.sink.addresses) == LARGE
    by_token = dict(office.all(select(Delivery.token, func.count()).group_by(Delivery.token)))
    assert min(by_token.values()) >= LARGE // 4, "both of them worked"
    assert [to for (to,) in office.all(MOVES)] == ["queued", "started", "finished"]
    task = office.one(queries.task(task_id))[0]
    assert (task.sent, task.failed, task.unknown, task.attempt) == (LARGE, 0, 0, 1)
    assert not office.all(HELPERS)
    sent = select(TaskEvent.who, func.count()).where(TaskEvent.to_status == "sent").group_by(TaskEvent.who)
    assert sorted(n for _, n in office.all(sent)) == sorted(by_token.values()), "each event says who it was"


@pytest.mark.parametrize("who", [0, 1], ids=["holder", "helper"])
@pytest.mark.parametrize("kill", [True, False], ids=["killed", "stopped"])
def test_when_one_of_them_goes_the_other_goes_on(
    office: Office, two: tuple[Forked, Forked, int], who: int, kill: bool
) -> None:
    task_id = two[2]
    two[who].send_signal(signal.SIGKILL if kill else signal.SIGTERM)
    ended, found = office.wait_for(task_id, seconds=60), statuses(office)
    assert ended == ("failed" if found.get("unknown") else "finished")
    assert set(office.sink.addresses.values()) == {1}
    assert found.get("unknown", 0) <= (lifecycle.BATCH if kill else 0)
    assert found["sent"] + found.get("unknown", 0) == LARGE
    moves = [to for (to,) in office.all(MOVES)]
    assert moves == ["queued", "started", *(["started"] if kill else []), ended], "it was never given back"
    lost = office.all(select(TaskEvent.who).where(TaskEvent.why == GONE))
    assert [name.endswith(f":{two[who].pid}") for (name,) in lost] == [True] * kill
    unknown = office.all(select(TaskEvent.who).where(TaskEvent.to_status == "unknown"))
    assert {name for (name,) in unknown} <= {"reconciler"}
    task = office.one(queries.task(task_id))[0]
    assert (task.sent, task.unknown, task.attempt) == (found["sent"], found.get("unknown", 0), 1)
