"""Many tasks of one recipient: sent together, each as though it were alone; and a large one that lets them in."""

import time
from collections import Counter

import pytest
from sqlalchemy import func, select

from app.ring import IN_HAND
from app.tasks.model import Delivery, Task, TaskEvent
from app.tasks.reconcile import repairs
from tests.parts import Office, wait_until
from tests.sink import HANG_UP

ENDED = select(func.count()).where(Task.status.in_(("finished", "failed")))


def ended(office: Office, n: int, seconds: float = 30) -> None:
    wait_until(lambda: office.one(ENDED)[0] == n, seconds, f"{n} tasks have ended")


def test_what_rings_at_once_is_claimed_together_and_sent_once_each(office: Office) -> None:
    for n in range(25):
        office.submit([f"r{n}@example.com"])
    with office.worker():
        ended(office, 25)
    times = Counter(at for (at,) in office.all(select(Delivery.written_at)))  # when they were marked
    assert (sum(times.values()), max(times.values())) == (25, 10)
    assert office.sink.addresses == Counter(f"r{n}@example.com" for n in range(25))
    assert sum(office.rings.waiting().values()) == 0


def test_rings_are_taken_the_most_urgent_first_and_count_as_there_for_a_while(office: Office) -> None:
    ringings = [(n, 0, queue) for n, queue in enumerate(("low", "default", "default", "high"), start=1)]
    office.rings.ring(ringings)
    assert office.rings.take(2) == [(4, 0, "high"), (2, 0, "default")]
    assert office.rings.waiting() == {"high": 0, "default": 1, "low": 1}
    assert office.rings.present() == {f"task-{n}-0" for n in range(1, 5)}
    time.sleep(IN_HAND + 1.1)  # Redis counts whole seconds
    assert office.rings.present() == {"task-1-0", "task-3-0"}
    assert office.rings.take(10) == [(3, 0, "default"), (1, 0, "low")]
    assert office.rings.take(10) == []


def test_large_ones_that_were_rung_for_twice_are_sent_once(office: Office) -> None:
    tasks = [office.submit(3) for _ in range(3)]
    office.rings.ring([(task_id, 0, "default") for task_id in tasks])
    with office.worker():
        ended(office, 3)
    assert set(office.sink.addresses.values()) == {3}
    assert "stumbled" not in office.log.read_text()


def test_the_more_urgent_ones_go_first(office: Office) -> None:
    for n in range(12):
        office.submit([f"low{n}@example.com"], queue="low")
    for n in range(12):
        office.submit([f"high{n}@example.com"], queue="high")
    with office.worker():
        ended(office, 24)
    first = [taken.address[:4] for taken in office.sink.taken[:12]]
    assert first == ["high"] * 12


def test_each_has_an_answer_of_its_own(office: Office) -> None:
    replies = {"r3@example.com": "550 5.1.1 no such user", "r5@example.com": "451 4.7.1 greylisted"}
    office.sink.script = lambda step, address: replies.get(address) if step == "rcpt" else None
    ids = {n: office.submit([f"r{n}@example.com"]) for n in range(8)}
    with office.worker():
        ended(office, 7)
        office.wait_for(ids[5], "queued")
    found = {
        row.task_id: (row.status, row.reply)
        for row in office.all(select(Delivery.task_id, Delivery.status, Delivery.reply))
    }
    assert found[ids[3]] == ("failed", "550 5.1.1 no such user")
    assert found[ids[5]] == ("queued", "451 4.7.1 greylisted")
    assert [found[ids[n]][0] for n in (0, 1, 2, 4, 6, 7)] == ["sent"] * 6
    assert office.status(ids[3]) == "failed"


@pytest.mark.parametrize("step", ["mail", "end"])
def test_a_server_in_trouble_loses_and_doubles_none_of_them(office: Office, step: str) -> None:
    """It hangs up at the fourth: before the message, all that are left wait; after it, that one is unknown."""
    told: list[str] = []
    which = (4, 5) if step == "mail" else (4,)  # a warm connection that is cut is tried once more

    def script(at: str, address: str) -> str | None:
        if at == step:
            told.append(address)
        return HANG_UP if at == step and len(told) in which else None

    office.sink.script = script
    ids = [office.submit([f"r{n}@example.com"]) for n in range(10)]
    with office.worker():
        wait_until(lambda: office.one(ENDED)[0] == 10, 60, "all have ended")
    statuses = Counter(office.status(task_id) for task_id in ids)
    assert statuses == ({"finished": 10} if step == "mail" else {"finished": 9, "failed": 1})
    assert set(office.sink.addresses.values()) == {1}
    assert len(office.sink.addresses) == (10 if step == "mail" else 9)


def test_one_that_is_stopped_gives_back_what_it_has_not_handed_over(office: Office) -> None:
    office.sink.script = lambda step, address: 0.4 if step == "end" else None
    for n in range(10):
        office.submit([f"r{n}@example.com"])
    with office.worker():
        office.sink.wait_for(2)
    office.sink.script = lambda step, address: None
    waits = select(func.count()).where(Task.status == "queued")
    assert office.one(waits)[0] > 0
    with office.worker():
        ended(office, 10)
    assert office.sink.addresses == Counter(f"r{n}@example.com" for n in range(10))


def test_a_large_one_lets_the_small_ones_in(office: Office) -> None:
    office.sink.script = lambda step, address: 0.02 if step == "end" else None
    large, next_one = office.submit(400), office.submit(2)
    with office.worker():
        office.sink.wait_for(20)
        began = time.monotonic()
        small = office.submit(["small@example.com"], queue="high")
        office.wait_for(small, "finished")
        took = time.monotonic() - began
        assert office.status(large) == "started"
        office.wait_for(large, "finished", seconds=60)
        office.wait_for(next_one, "finished")
    assert took < 4  # seconds on a busy machine; the large one takes eight
    assert office.sink.addresses["small@example.com"] == 1
    moves = select(func.count()).where(TaskEvent.task_id == large, TaskEvent.address.is_(None))
    assert office.one(moves)[0] == 3  # queued, started, finished: it was not given back for that
    assert {n for _, n, _ in office.all(repairs())} == {0}, "the ring of the next one was given back, not lost"


def test_nothing_of_a_large_one_is_in_hand_while_small_ones_go_first(office: Office) -> None:
    """It would be unknown if the worker were lost meanwhile."""
    large, in_hand = office.submit(100), list[int]()

    def answer(step: str, address: str) -> float | None:
        if step == "end" and address.startswith("small"):
            sending = select(func.count()).where(Delivery.task_id == large, Delivery.status == "sending")
            in_hand.append(office.one(sending)[0])
        return 0.03 if step == "end" else None

    office.sink.script = answer
    with office.worker():
        office.sink.wait_for(5)
        small = office.submit(["small@example.com"], queue="high")
        office.wait_for(small, "finished")
        assert office.status(large) == "started"
        office.wait_for(large, "finished")
    assert in_hand == [0]


def test_one_that_is_all_sent_is_settled_before_small_ones_go_first(office: Office) -> None:
    task_id, small = office.submit(10), list[int]()

    def answer(step: str, address: str) -> float | None:
        if step == "end" and address.startswith("r9"):
            small.append(office.submit(["small@example.com"], queue="high"))
        return 0.07 if step == "end" else None

    office.sink.script = answer
    with office.worker():
        office.wait_for(task_id, "finished")
        office.wait_for(small[0], "finished")
    moves = select(TaskEvent.task_id, TaskEvent.to_status).where(TaskEvent.address.is_(None)).order_by(TaskEvent.id)
    moved = [tuple(row) for row in office.all(moves)]
    assert moved.index((task_id, "finished")) < moved.index((small[0], "started"))


def test_small_ones_come_past_large_ones_that_wait_and_those_keep_their_order(office: Office) -> None:
    office.sink.script = lambda step, address: 0.01 if step == "end" else None
    large = [office.submit([f"t{n}r{k}@example.com" for k in range(60 if n == 0 else 2)]) for n in range(14)]
    small = office.submit(["small@example.com"])
    with office.worker():
        office.wait_for(small, "finished")
        assert office.status(large[0]) == "started"
        ended(office, 15)
    order = [taken.address for taken in office.sink.taken if taken.address.endswith("r0@example.com")]
    assert order == [f"t{n}r0@example.com" for n in range(14)]


def test_many_small_ones_do_not_keep_a_large_one_waiting_for_ever(office: Office) -> None:
    office.sink.script = lambda step, address: 0.01 if step == "end" else None
    large = office.submit(15)
    for n in range(90):
        office.submit([f"small{n}@example.com"])
    with office.worker():
        ended(office, 91)
    assert office.status(large) == "finished"
    order = [taken.address for taken in office.sink.taken]
    assert order.index("r0@example.com") < 20, "it came first, and goes before those that come after it"
    assert set(office.sink.addresses.values()) == {1}
    assert "stumbled" not in office.log.read_text()
