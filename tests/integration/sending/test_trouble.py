"""When the way out is blocked, when a task kills its workers, when it is too late: nobody is to blame, all is said."""

import signal
import tempfile
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import func, select, text, update

from app.db import now
from app.tasks import lifecycle, queries, reconcile, sender
from app.tasks.books import Fault, Sender
from app.tasks.model import Delivery, OnUnknown, Task
from app.worker.timekeeper import Timekeeper
from tests.parts import Office, valkey, wait_until
from tests.sink import HANG_UP


def statuses(office: Office) -> dict[str, int]:
    return dict(office.all(select(Delivery.status, func.count()).group_by(Delivery.status)))


def timekeeper(office: Office) -> Timekeeper:
    return Timekeeper(office.database, office.rings, "timekeeper of a test")


def expire(office: Office, task_id: int) -> None:
    with office.database.writing() as db:
        db.execute(update(Task).where(Task.id == task_id).values(lease_until=now(-1)))


def hold(office: Office, task_id: int, attempt: int, token: str, marks: int = 0) -> None:
    """Claim it as a worker would, and have that many messages in hand."""
    with office.database.writing() as db:
        assert db.execute(lifecycle.claim(task_id, attempt, token, "worker")).first()
        if marks:
            assert len(db.execute(lifecycle.mark(task_id, token, marks)).all()) == marks


def test_a_server_in_trouble_pauses_everybody_and_one_task_finds_out_for_all(office: Office) -> None:
    tried: list[str] = []
    office.sink.script = lambda step, address: tried.append(step) or "421 4.3.2 closing" if step == "connect" else None
    with office.worker():
        tasks = [office.submit() for _ in range(20)]
        wait_until(lambda: (office.one(select(Sender.troubles))[0] or 0) >= 2, 20, "the pause has grown once")
        assert len(tried) < 10, "not every task tries the door"
        office.sink.script = lambda step, address: None
        assert {office.wait_for(task_id, seconds=40) for task_id in tasks} == {"finished"}
    assert set(office.sink.addresses.values()) == {20}
    assert office.one(select(Sender.troubles))[0] == 0


def test_what_was_sent_before_the_trouble_is_counted(office: Office) -> None:
    """And stays counted when a person cancels the rest."""
    closing = "421 4.3.2 closing"
    office.sink.script = lambda step, address: closing if (step, address) == ("rcpt", "r5@example.com") else None
    with office.worker():
        task_id = office.submit(8)
        office.sink.wait_for(5)
        office.wait_for(task_id, "queued", seconds=20)
    task = office.one(queries.task(task_id))[0]
    assert (task.sent, statuses(office)["sent"]) == (5, 5)
    with office.database.writing() as db:
        assert db.execute(lifecycle.cancel(task_id, "tester")).first()
    task = office.one(queries.task(task_id))[0]
    assert (task.status, task.sent, statuses(office)) == ("cancelled", 5, {"sent": 5, "cancelled": 3})


def test_a_request_to_slow_down_is_heeded(office: Office) -> None:
    told = "451 4.7.1 sending rate limit exceeded"
    office.sink.script = lambda step, address: told if (step, address) == ("rcpt", "r0@example.com") else None
    with office.worker():
        task_id = office.submit(16)
        office.sink.wait_for(15)
        office.wait_for(task_id, "queued")
    taken = [each.at for each in office.sink.taken]
    after_the_first_batch = [later - earlier for earlier, later in pairwise(taken[9:])]
    assert min(after_the_first_batch) >= 0.09
    assert office.one(sender.state())[1] == 0.1


def test_a_task_that_kills_three_workers_is_failed_with_that_reason(office: Office) -> None:
    task_id = office.submit(3, rings=False)
    for attempt in range(3):
        hold(office, task_id, attempt, f"token{attempt}", marks=1)
        expire(office, task_id)
        timekeeper(office).reconcile()
    task = office.one(queries.task(task_id))[0]
    assert (task.status, task.unknown, task.failed) == ("failed", 3, 0)
    assert "Three workers were lost" in task.error


def test_what_a_condemned_task_has_left_is_failed_and_can_be_retried(office: Office) -> None:
    task_id = office.submit(5, rings=False)
    for attempt in range(3):
        hold(office, task_id, attempt, f"token{attempt}")
        expire(office, task_id)
        timekeeper(office).reconcile()
    assert statuses(office) == {"failed": 5}
    with office.database.writing() as db:
        ringing = db.execute(lifecycle.retry(task_id, "boss")).one()
        db.execute(lifecycle.requeue_failed(task_id))
    with office.worker():
        office.rings.ring([tuple(ringing)])
        assert office.wait_for(task_id) == "finished"


def test_a_condemned_test_is_in_no_figure(office: Office) -> None:
    task_id = office.submit(2, rings=False)
    with office.database.writing() as db:
        db.execute(update(Task).values(test=True))
    for attempt in range(3):
        hold(office, task_id, attempt, f"token{attempt}")
        expire(office, task_id)
        timekeeper(office).reconcile()
    assert statuses(office) == {"failed": 2}
    assert [n for (n,) in office.all(select(Fault.n)) if n] == []


def test_workers_lost_by_chance_over_a_large_task_do_not_condemn_it(office: Office) -> None:
    task_id = office.submit(10, rings=False)
    for attempt in range(5):
        token = f"token{attempt}"
        hold(office, task_id, attempt, token, marks=1)
        with office.database.writing() as db:
            of = db.scalar(select(Delivery.id).where(Delivery.status == "sending"))
            db.execute(lifecycle.record(token, [{"of": of, "to": "sent", "said": "250", "fault": None, "wait": None}]))
            assert db.scalar(lifecycle.keep(task_id, token, sent=1))
        expire(office, task_id)
        timekeeper(office).reconcile()
    assert office.status(task_id) == "queued"


def test_a_person_may_decide_beforehand_that_what_is_unknown_is_sent_again(office: Office) -> None:
    task_id = office.submit(3, rings=False)
    with office.database.writing() as db:
        db.execute(update(Task).values(on_unknown=OnUnknown.AGAIN))
    hold(office, task_id, 0, "token", marks=2)
    expire(office, task_id)
    timekeeper(office).reconcile()
    assert statuses(office) == {"queued": 3}


def test_of_what_is_unknown_a_person_says_that_it_arrived_or_has_it_sent_again(office: Office) -> None:
    office.sink.script = lambda step, address: HANG_UP if step == "taken" and address < "r2" else None
    with office.worker():
        task_id = office.submit(4)
        assert office.wait_for(task_id) == "failed"
        assert statuses(office) == {"sent": 2, "unknown": 2}
        office.sink.script = lambda step, address: None
        for decision, address in ((lifecycle.arrived, "r0@example.com"), (lifecycle.send_again, "r1@example.com")):
            with office.database.writing() as db:
                ringing = db.execute(lifecycle.decide(task_id, "boss", "a decision")).one()
                db.execute(decision(task_id, address))
                db.execute(lifecycle.tally(task_id))
            office.rings.ring([tuple(ringing)])
            office.wait_for(task_id)
    assert office.status(task_id) == "finished"
    assert office.sink.addresses == {"r0@example.com": 1, "r1@example.com": 2, "r2@example.com": 1, "r3@example.com": 1}
    events = [(e.address, e.to_status, e.who) for (e,) in office.all(queries.events(task_id)) if e.who == "boss"]
    assert ("r0@example.com", "sent", "boss") in events
    assert ("r1@example.com", "queued", "boss") in events


def test_what_comes_due_too_late_is_held_until_a_person_says_so(office: Office) -> None:
    task_id = office.submit(at=datetime.now(UTC) - timedelta(hours=2), rings=False, late_limit=3600)
    punctual = office.submit(at=datetime.now(UTC) - timedelta(minutes=2), rings=False, late_limit=3600)
    with office.worker():
        assert office.wait_for(punctual) == "finished"
        time.sleep(0.5)
        task = office.one(queries.task(task_id))[0]
        assert (task.status, task.held) == ("scheduled", True)
        assert task.why == "It could not be sent in time, and waits for a decision."
        with office.database.writing() as db:
            assert db.execute(lifecycle.send_now(task_id, "boss")).first()
        assert office.wait_for(task_id) == "finished"
    moves = [(e.from_status, e.to_status, e.who) for (e,) in office.all(queries.events(task_id)) if not e.address]
    assert moves[:3] == [
        (None, "scheduled", "tester"),
        ("scheduled", "scheduled", "timekeeper"),
        ("scheduled", "scheduled", "boss"),
    ]


def test_a_held_task_can_be_rescheduled_and_has_its_limit_again(office: Office) -> None:
    task_id = office.submit(at=datetime.now(UTC) - timedelta(hours=2), rings=False, late_limit=3600)
    later = datetime.now(UTC) + timedelta(hours=5)
    with office.database.writing() as db:
        assert db.execute(lifecycle.hold_late()).first()
        assert db.execute(lifecycle.reschedule(task_id, later, None, "boss")).first()
    held, hold_after = office.one(select(Task.held, Task.hold_after))
    assert not held
    assert abs(hold_after - later - timedelta(hours=1)) < timedelta(milliseconds=2)


def test_what_was_repaired_is_counted(office: Office) -> None:
    task_id = office.submit(3, rings=False)
    hold(office, task_id, 0, "token", marks=2)
    expire(office, task_id)
    timekeeper(office).reconcile()
    assert {name: n for name, n, _ in office.all(reconcile.repairs())} == {
        "condemned": 0, "released": 1, "rung": 0, "unknown": 2,
    }  # fmt: skip


def test_sigterm_waits_for_an_answer_but_not_for_ever(office: Office) -> None:
    office.sink.script = lambda step, address: 60.0 if step == "end" else None
    with office.worker() as process:
        task_id = office.submit(3)
        wait_until(lambda: statuses(office).get("sending"), 10, "it is being sent")
        time.sleep(0.3)
        begun = time.monotonic()
        process.terminate()
        assert process.wait(30) == 0
        assert time.monotonic() - begun <= 25
    assert statuses(office) == {"unknown": 1, "queued": 2}
    assert office.status(task_id) == "queued"


def test_a_database_that_is_locked_for_five_seconds_costs_time_and_nothing_else(office: Office) -> None:
    with office.worker():
        wait_until(lambda: office.one(queries.live_workers())[0], 20, "the worker lives")
        tasks = [office.submit(5) for _ in range(3)]
        with office.database.writing() as db:
            if office.database.engine.dialect.name == "postgresql":
                db.execute(text("LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE"))
            time.sleep(5)
        assert {office.wait_for(task_id, seconds=40) for task_id in tasks} <= {"finished", "failed"}
    assert set(office.sink.addresses.values()) == {3}


@pytest.mark.parametrize("recipients", [1, 2])
def test_a_server_that_takes_longer_than_the_lease_gets_each_mail_once(office: Office, recipients: int) -> None:
    office.sink.script = lambda step, address: (
        lifecycle.LEASE + 2 if step == "rcpt" and address.startswith("r0") else None
    )
    task_id = office.submit(recipients)
    with office.worker():
        assert office.wait_for(task_id, seconds=45) == "finished"
    assert office.one(select(Task.attempt).where(Task.id == task_id))[0] == 1
    assert set(office.sink.addresses.values()) == {1}


def test_a_database_that_is_locked_for_longer_than_the_lease_does_not_stop_the_work(office: Office) -> None:
    if office.database.engine.dialect.name == "postgresql":
        return  # there, writers wait for a row and not for the database
    with office.worker():
        task_id = office.submit(300)
        office.sink.wait_for(50)
        with office.database.writing():
            time.sleep(12)
        assert office.wait_for(task_id, seconds=40) in ("finished", "failed")
    assert set(office.sink.addresses.values()) == {1}
    assert set(statuses(office)) <= {"sent", "unknown"}
    assert statuses(office).get("unknown", 0) <= 10


def test_a_recipient_at_whom_the_server_hangs_up_does_not_hold_up_the_others(office: Office) -> None:
    office.sink.script = lambda step, address: HANG_UP if (step, address) == ("data", "r0@example.com") else None
    with office.worker():
        task_id, other = office.submit(12), office.submit(["x@example.com"])
        assert office.wait_for(other) == "finished"
        office.sink.wait_for(12)
        office.wait_for(task_id, "queued")
    assert office.sink.addresses["r0@example.com"] == 0
    waiting = office.all(select(Delivery.address, Delivery.attempt).where(Delivery.status == "queued"))
    assert [tuple(row) for row in waiting] == [("r0@example.com", 1)]


def test_what_was_rung_for_and_could_not_begin_in_time_is_held_as_well(office: Office) -> None:
    task_id = office.submit(late_limit=60)
    with office.database.writing() as db:
        db.execute(update(Task).values(hold_after=now(-1)))
        db.execute(sender.pause("421 closing", 60))
    with office.worker():
        wait_until(lambda: office.one(select(Task.held))[0], 10, "it is held")
    assert office.status(task_id) == "scheduled"


def test_the_task_that_finds_the_mail_server_away_is_held_like_the_others(office: Office) -> None:
    office.sink.script = lambda step, address: "421 4.3.2 closing" if step == "connect" else None
    with office.worker():
        task_id = office.submit(late_limit=60)
        wait_until(lambda: office.one(select(Task.attempt, Task.status)) == (1, "queued"), 20, "it was tried in vain")
        with office.database.writing() as db:
            db.execute(update(Task).values(hold_after=now(-1)))
        wait_until(lambda: office.one(select(Task.held))[0], 20, "it is held")
    assert office.status(task_id) == "scheduled"


def test_what_is_tried_again_by_a_person_is_sent_however_late(office: Office) -> None:
    office.sink.script = lambda step, address: "550 5.1.1 nobody" if step == "rcpt" else None
    with office.worker():
        task_id = office.submit(late_limit=60)
        assert office.wait_for(task_id) == "failed"
        office.sink.script = lambda step, address: None
        with office.database.writing() as db:
            db.execute(update(Task).values(hold_after=now(-1)))
            (moved,) = db.execute(lifecycle.retry(task_id, "boss")).all()
            db.execute(lifecycle.requeue_failed(task_id))
        office.rings.ring([tuple(moved)])
        assert office.wait_for(task_id) == "finished"


def test_what_is_left_as_sending_under_an_old_lease_is_unknown_at_the_next_claim(office: Office) -> None:
    task_id = office.submit(3, rings=False)
    hold(office, task_id, 0, "old", marks=2)
    with office.database.writing() as db:
        assert db.execute(lifecycle.give_back(task_id, "old", "as if a commit had come through unnoticed")).first()
    with office.worker():
        assert office.wait_for(task_id) == "failed"
    assert statuses(office) == {"unknown": 2, "sent": 1}


def test_a_ring_lost_in_a_killed_workers_hands_is_rung_again(office: Office) -> None:
    task_id = office.submit(rings=False)
    office.rings.redis.zadd("rq:wip:default", {f"task-{task_id}-0:abc": time.time() + 3600})
    with office.worker():
        assert office.wait_for(task_id, seconds=15) == "finished"


def test_a_worker_stops_also_while_redis_is_away(office: Office) -> None:
    with office.worker(REDIS_URL="unix:///tmp/there-is-no-such.sock") as process:
        wait_until(lambda: office.one(queries.live_workers())[0], 20, "the timekeeper works without Redis")
        process.terminate()
        assert process.wait(15) == 0


def test_a_worker_whose_redis_goes_away_in_mid_life_stops_as_well(office: Office) -> None:
    with tempfile.TemporaryDirectory(prefix="pd") as folder:
        own = valkey(Path(folder))
        url = own.__enter__()
        with office.worker(REDIS_URL=url) as process:
            wait_until(lambda: office.one(queries.live_workers())[0], 20, "the worker lives")
            time.sleep(0.5)
            own.__exit__(None, None, None)
            time.sleep(1.5)
            process.terminate()
            assert process.wait(15) == 0


@pytest.mark.parametrize(("asleep", "taken"), [("end", 3), ("data", 2)], ids=["after a body", "before a body"])
def test_a_worker_that_wakes_after_its_lease_hands_nothing_more_over(office: Office, asleep: str, taken: int) -> None:
    steps = []

    def slow_to_answer(step: str, address: str) -> float | None:
        if step != asleep:
            return None
        steps.append(address)
        return 0.5

    office.sink.script = slow_to_answer
    with office.worker() as sleeper:
        task_id = office.submit(10)
        wait_until(lambda: len(steps) == 3, 20, "it waits for the third answer, and is in the middle of nothing else")
        sleeper.send_signal(signal.SIGSTOP)
        with office.worker():
            wait_until(lambda: statuses(office).get("unknown") == 10, 20, "somebody else took the task over")
            sleeper.send_signal(signal.SIGCONT)
            assert office.wait_for(task_id) == "failed"
            time.sleep(1.5)
    assert len(steps) == 3
    assert len(office.sink.taken) == taken
    assert statuses(office) == {"unknown": 10}, "a worker given up for dead can no longer write"
