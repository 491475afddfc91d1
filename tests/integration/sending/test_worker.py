"""The real worker, ringed for by the real server, sending to a sink: on SQLite and on Postgres."""

import statistics
import time
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select

from app.tasks import lifecycle, queries
from app.tasks.model import Delivery, Task, TaskEvent
from tests.parts import Office, note_figure, wait_until
from tests.sink import HANG_UP


def moves(office: Office, task_id: int) -> list[str]:
    """The task's own events, as from→to."""
    found = office.all(queries.events(task_id))
    return [f"{e.from_status or ''}→{e.to_status}" for (e,) in found if e.address is None]


def test_a_task_is_sent_and_every_step_of_it_is_on_record(office: Office) -> None:
    with office.worker():
        task_id = office.submit(25)
        assert office.wait_for(task_id) == "finished"
    assert office.sink.addresses == {f"r{n}@example.com": 1 for n in range(25)}
    assert moves(office, task_id) == ["→queued", "queued→started", "started→finished"]
    task = office.one(queries.task(task_id))[0]
    assert (task.sent, task.failed, task.unknown, task.attempt, task.error) == (25, 0, 0, 1, None)
    replies = office.all(select(Delivery.status, Delivery.reply, Delivery.attempt).distinct())
    assert [tuple(row) for row in replies] == [("sent", "250 2.0.0 taken", 1)]
    counts = {status: int(n) for status, n in office.all(queries.counts())}
    assert {status: n for status, n in counts.items() if n} == {"finished": 1}


def test_what_is_refused_fails_with_the_servers_words_and_the_rest_is_sent(office: Office) -> None:
    office.sink.script = lambda step, address: (
        "550 5.1.1 no such user" if (step, address[:2]) == ("rcpt", "r3") else None
    )
    with office.worker():
        task_id = office.submit(6)
        assert office.wait_for(task_id) == "failed"
        task = office.one(queries.task(task_id))[0]
        assert (task.sent, task.failed, task.error) == (5, 1, "550 5.1.1 no such user")
        office.sink.script = lambda step, address: None
        with office.database.writing() as db:
            ringing = db.execute(lifecycle.retry(task_id, "boss")).one()
            db.execute(lifecycle.requeue_failed(task_id))
        office.rings.ring([tuple(ringing)])
        assert office.wait_for(task_id) == "finished"
    assert office.sink.addresses == {f"r{n}@example.com": 1 for n in range(6)}
    attempts = [(e.to_status, e.why) for (e,) in office.all(queries.events(task_id)) if e.address == "r3@example.com"]
    assert attempts == [("failed", "550 5.1.1 no such user"), ("queued", None), ("sent", "250 2.0.0 taken")]


def test_a_deferred_recipient_waits_while_the_others_are_sent(office: Office) -> None:
    office.sink.script = lambda step, address: (
        "450 4.2.1 try again in 2 minutes" if (step, address[:2]) == ("rcpt", "r1") else None
    )
    with office.worker():
        task_id = office.submit(3)
        office.sink.wait_for(2)
        assert office.wait_for(task_id, "queued") == "queued"
    task = office.one(queries.task(task_id))[0]
    waits = (task.due_at - datetime.now(UTC)).total_seconds()
    assert 100 < waits < 121, "the server asked for two minutes"
    assert task.sent == 2
    assert moves(office, task_id)[-1] == "started→queued"


def test_a_server_in_trouble_fails_nobody(office: Office) -> None:
    broken = True
    office.sink.script = lambda step, address: HANG_UP if broken and step == "mail" else None
    with office.worker():
        task_id = office.submit(12)
        wait_until(lambda: "started→queued" in moves(office, task_id), 20, "given back")
        broken = False
        assert office.wait_for(task_id) == "finished"
    assert office.sink.addresses == {f"r{n}@example.com": 1 for n in range(12)}
    assert office.all(select(Delivery.attempt).distinct()) == [(1,)], "what was not handed over is no attempt"


def test_a_connection_lost_after_the_whole_body_is_unknown_and_not_sent_again(office: Office) -> None:
    office.sink.script = lambda step, address: HANG_UP if step == "taken" and address.startswith("r2") else None
    with office.worker():
        task_id = office.submit(5)
        assert office.wait_for(task_id) == "failed"
    task = office.one(queries.task(task_id))[0]
    assert (task.sent, task.failed, task.unknown) == (4, 0, 1)
    assert set(office.sink.addresses.values()) == {1}


def test_a_lost_ring_is_rung_again(office: Office) -> None:
    with office.worker():
        task_id = office.submit(rings=False)
        assert office.wait_for(task_id) == "finished"
    assert len(office.sink.taken) == 1


def test_what_came_due_while_nothing_ran_is_sent_at_the_next_start(office: Office) -> None:
    task_id = office.submit(at=datetime.now(UTC) + timedelta(seconds=0.2), rings=False)
    time.sleep(0.3)
    with office.worker():
        assert office.wait_for(task_id, seconds=10) == "finished"
    assert moves(office, task_id) == ["→scheduled", "scheduled→queued", "queued→started", "started→finished"]


def test_a_killed_workers_task_goes_on_and_what_was_in_hand_is_unknown(office: Office) -> None:
    office.sink.script = lambda step, address: 60.0 if step == "end" and address == "r15@example.com" else None
    with office.worker() as first:
        task_id = office.submit(30)
        office.sink.wait_for(15)
        wait_until(lambda: office.status(task_id) == "started", 5, "started")
        first.kill()
        first.wait()
    office.sink.script = lambda step, address: None
    with office.worker():
        assert office.wait_for(task_id, seconds=40) == "failed"
    statuses = dict(office.all(select(Delivery.status, func.count()).group_by(Delivery.status)))
    assert statuses == {"sent": 20, "unknown": 10}, "the batch in hand, and nothing more"
    assert set(office.sink.addresses.values()) == {1}
    assert moves(office, task_id) == [
        "→queued", "queued→started", "started→queued", "queued→started", "started→failed",
    ]  # fmt: skip


def test_sigterm_finishes_what_is_in_hand_and_gives_the_rest_back(office: Office) -> None:
    office.sink.script = lambda step, address: 0.05 if step == "end" else None
    with office.worker() as first:
        task_id = office.submit(60)
        office.sink.wait_for(12)
        for _ in range(500):  # one handler comes in the middle of another
            first.terminate()
        assert first.wait(25) == 0
    assert office.status(task_id) == "queued"
    assert {status for (status,) in office.all(select(Delivery.status))} == {"sent", "queued"}
    sent = office.one(select(func.count()).where(Delivery.status == "sent"))[0]
    assert sent == len(office.sink.taken)
    office.sink.script = lambda step, address: None
    with office.worker():
        assert office.wait_for(task_id) == "finished"
    assert office.sink.addresses == {f"r{n}@example.com": 1 for n in range(60)}


def test_redis_wiped_at_any_moment_loses_nothing(office: Office) -> None:
    with office.worker():
        tasks = []
        for n in range(20):
            tasks.append(office.submit(at=datetime.now(UTC) + timedelta(seconds=1) if n % 2 else None))
            if n % 5 == 0:
                office.rings.redis.flushall()
        office.rings.redis.flushall()
        assert {office.wait_for(task_id) for task_id in tasks} == {"finished"}
    assert len(office.sink.taken) == 20


def test_queues_are_emptied_in_their_order(office: Office) -> None:
    for queue in ("low", "default", "high"):
        for n in range(3):
            office.submit([f"{queue}{n}@example.com"], queue=queue)
    with office.worker():
        office.sink.wait_for(9)
    order = [taken.address.split("@")[0][:-1] for taken in office.sink.taken]
    assert order == ["high"] * 3 + ["default"] * 3 + ["low"] * 3


def test_200_mails_over_20_seconds_leave_at_their_instant(office: Office) -> None:
    with office.worker():
        wait_until(lambda: office.one(queries.live_workers())[0], 20, "the worker lives")
        begin = datetime.now(UTC) + timedelta(seconds=3)
        due = {office.submit([f"m{n}@example.com"], at=begin + timedelta(milliseconds=100 * n)): n for n in range(200)}
        office.sink.wait_for(200, seconds=60)
    assert set(office.sink.addresses.values()) == {1}
    taken = {each.address: each.at for each in office.sink.taken}
    late = [taken[f"m{n}@example.com"] - (begin + timedelta(milliseconds=100 * n)).timestamp() for n in due.values()]
    for started, due_at in office.all(select(Task.started_at, Task.due_at)):
        assert started >= due_at
    assert min(late) > 0, "never early"
    ms = sorted(1000 * each for each in late)
    note_figure(
        f"200 mails over 20 s ({office.database.engine.dialect.name}, other tests running): late by median"
        f" {statistics.median(ms):.1f} ms, p99 {ms[197]:.1f}, minimum {ms[0]:.1f}, maximum {ms[-1]:.1f}"
    )


def test_events_and_counts_agree_with_the_rows_on_all_of_them(office: Office) -> None:
    office.sink.script = lambda step, address: "550 no" if step == "rcpt" and address < "r2" else None
    with office.worker():
        tasks = [office.submit(n) for n in (1, 3, 12)]
        for task_id in tasks:
            office.wait_for(task_id)
    latest = select(func.max(TaskEvent.id)).where(TaskEvent.address.is_(None)).group_by(TaskEvent.task_id)
    by_event = dict(office.all(select(TaskEvent.task_id, TaskEvent.to_status).where(TaskEvent.id.in_(latest))))
    assert by_event == dict(office.all(select(Task.id, Task.status)))
    counted = {status: int(n) for status, n in office.all(queries.counts()) if n}
    assert counted == dict(office.all(select(Task.status, func.count()).group_by(Task.status)))
