"""Limits on how much is handed over: never more in any stretch of their length, whoever sends, and nothing lost."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from app.db import AsyncDatabase
from app.tasks import bulk, lifecycle, line
from app.tasks.books import Used
from app.tasks.limit import Limit
from app.tasks.limits import AWAITED, IN_LINE, used_of
from app.tasks.line import MOST_EARLY, Asker
from app.tasks.model import Delivery, Task, TaskEvent
from app.web.actions import Actions
from app.worker.limited import LIMITED
from app.worker.sender import STUMBLED
from tests.parts import Office, command, log_lines, wait_until
from tests.sink import Taken


def most_at_once(taken: Sequence[Taken]) -> int:
    """How many messages the sink took in the fullest half second, where the limit is for a whole one: on a machine that
    is busy with other tests, what was handed over in time arrives late, and nearer to what comes next.
    """
    moments = sorted(each.at for each in taken)
    return max(sum(first <= each < first + 0.5 for each in moments) for first in moments)


def to(domain: str, n: int) -> list[str]:
    return [f"r{each}@{domain}" for each in range(n)]


def test_one_large_mail_keeps_to_so_many_a_second(office: Office) -> None:
    with office.worker(LIMITS="20/second"):
        task_id = office.submit(65)
        assert office.wait_for(task_id) == "finished"
    assert most_at_once(office.sink.taken) <= 20
    moments = [each.at for each in office.sink.taken]
    assert max(moments) - min(moments) > 2.5
    assert office.one(select(Task.attempt).where(Task.id == task_id))[0] == 1


def test_many_mails_to_one_person_each_wait_in_line(office: Office) -> None:
    with office.worker(LIMITS="20/second"):
        tasks = [office.submit([f"r{n}@example.com"]) for n in range(65)]
        for task_id in tasks:
            assert office.wait_for(task_id) == "finished"
    assert most_at_once(office.sink.taken) <= 20
    assert Counter(each.address for each in office.sink.taken).most_common(1)[0][1] == 1
    assert max(attempt for (attempt,) in office.all(select(Task.attempt))) <= 8


def test_several_workers_keep_to_it_together(office: Office) -> None:
    with office.worker(LIMITS="40/second", WORKERS="2"):
        task_id = office.submit(240)
        assert office.wait_for(task_id, seconds=40) == "finished"
    assert most_at_once(office.sink.taken) <= 40
    assert len(office.sink.taken) == 240


def test_a_domain_that_is_limited_holds_up_no_other(office: Office) -> None:
    with office.worker(LIMITS="slow.example=5/minute"):
        task_id = office.submit([*to("slow.example", 12), *to("fast.example", 60)])
        wait_until(lambda: len(office.sink.taken) == 65, 20, "all but those have been sent")
        office.wait_for(task_id, "queued")
        single = office.submit(["one@slow.example"])
        office.wait_for(single, "started", "queued")
        limited = IN_LINE.format(limit="slow.example=5/minute")
        wait_until(lambda: why(office, single)[-1] == limited, 20, "it is told that it waits, and for what")
        assert office.wait_for(office.submit(["one@fast.example"])) == "finished"
    assert Counter(each.address.partition("@")[2] for each in office.sink.taken) == {
        "slow.example": 5,
        "fast.example": 61,
    }
    for each in (task_id, single):
        due_at = office.one(select(Task.due_at).where(Task.id == each))[0]
        assert 40 < (due_at - datetime.now(UTC)).total_seconds() < 75
        assert why(office, each)[-1] == (limited if each == single else LIMITED)


def test_what_was_used_outlives_the_worker(office: Office) -> None:
    for n in range(2):
        with office.worker(LIMITS="6/hour"):
            task_id = office.submit(4)
            office.wait_for(task_id, "finished" if n == 0 else "queued")
            wait_until(lambda n=n: len(office.sink.taken) == (4, 6)[n], 10, "as many as there is room for")
    with office.database.reading() as db:
        assert [*used_of(db, [Limit("", 6, 3600)])] == [(Limit("", 6, 3600), 6)]


def test_those_in_line_go_before_a_large_mail(office: Office) -> None:
    with office.worker(LIMITS="10/second"):
        large = office.submit(180)
        wait_until(lambda: len(office.sink.taken) >= 10, 10, "the large one has begun")
        singles = [office.submit([f"single{n}@example.com"], queue="high") for n in range(8)]
        for task_id in singles:
            assert office.wait_for(task_id) == "finished"
        assert office.status(large) in ("started", "queued")
    assert most_at_once(office.sink.taken) <= 10


def test_what_was_not_handed_over_counts_as_no_attempt(office: Office) -> None:
    with office.worker(LIMITS="3/second"):
        task_id = office.submit(8)
        assert office.wait_for(task_id) == "finished"
    assert {attempt for (attempt,) in office.all(select(Delivery.attempt))} == {1}


def test_a_limit_that_lasts_a_day_makes_no_line_of_another_limit_longer(office: Office) -> None:
    with office.worker(LIMITS="5/second,slow.example=2/day"):
        for n in range(2):
            assert office.wait_for(office.submit([f"r{n}@slow.example"])) == "finished"
        others = [office.submit([f"r{n}@example.com"]) for n in range(15)]  # while there is a line
        third = office.submit(["r2@slow.example"])
        limited = IN_LINE.format(limit="slow.example=2/day")
        wait_until(lambda: why(office, third)[-1] == limited, 20, "it is told that it waits, and for what")
        for task_id in [*others, office.submit(["late@example.com"]), office.submit(8)]:
            assert office.wait_for(task_id) == "finished"


def test_what_another_domain_put_off_comes_back_before_the_limit_is_over(office: Office) -> None:
    put_off = iter(["451 4.7.1 greylisted"])
    office.sink.script = lambda step, address: (
        next(put_off, None) if step == "rcpt" and address.startswith("grey") else None
    )
    with office.worker(LIMITS="slow.example=1/day"):
        task_id = office.submit([*to("slow.example", 3), "grey@other.example"])
        wait_until(lambda: why(office, task_id)[-1] == LIMITED, 20, "it is told that it waits")
    due_at = office.one(select(Task.due_at).where(Task.id == task_id))[0]
    assert (due_at - datetime.now(UTC)).total_seconds() < 100


@pytest.mark.parametrize("now", ["1000/hour", ""])
def test_what_waits_for_a_limit_goes_out_once_that_is_raised(office: Office, now: str) -> None:
    with office.worker(LIMITS="2/hour"):
        tasks = [*(office.submit([f"r{n}@example.com"]) for n in range(6)), office.submit(5)]
        waits = LIMITED, IN_LINE.format(limit="2/hour")
        wait_until(
            lambda: all(office.status(task) == "finished" or why(office, task)[-1] in waits for task in tasks), 20,
            "all but two wait",
        )  # fmt: skip
    with office.worker(LIMITS=now):
        for task_id in [*tasks, office.submit(["new@example.com"])]:
            assert office.wait_for(task_id) == "finished"


def test_a_limit_that_is_raised_worker_by_worker_lets_go(office: Office) -> None:
    with office.worker(LIMITS="1/day"):
        assert office.wait_for(office.submit(["a@example.com"])) == "finished"
        with office.worker(LIMITS="100/day"):
            wait_until(lambda: office.one(select(Used.most))[0] == 100, 20, "the new one has begun")
            assert office.wait_for(office.submit(["b@example.com"])) == "finished"
        for recipients in (1, 3):
            assert office.wait_for(office.submit(recipients)) == "finished", "of the old one, by the new limit"


def test_doctor_says_that_the_workers_have_other_limits(office: Office) -> None:
    with office.worker(LIMITS="5/day"):
        assert office.wait_for(office.submit()) == "finished"
    for given, said in (("5/day", "1 of 5/day used"), ("6/day", "the workers were last started with others")):
        with command("doctor", office.env | {"LIMITS": given}, office.log) as process:
            process.wait(30)
        assert said in office.log.read_text()


def test_a_limit_that_is_as_it_was_is_not_asked_anew(office: Office) -> None:
    limited = IN_LINE.format(limit="1/day")
    for _ in range(2):
        with office.worker(LIMITS="1/day"):
            tasks = [office.submit([f"r{n}@example.com"]) for n in range(2)]
            wait_until(lambda tasks=tasks: why(office, tasks[-1])[-1] == limited, 20, "it is told that it waits")
    waited = [each for each in why(office, 2) if each == limited]
    assert len(waited) == 1


def test_a_mail_is_taken_up_while_there_is_no_room_for_it(office: Office) -> None:
    with office.worker(LIMITS="4/second"):
        tasks = [office.submit([f"a{n}@example.com", f"b{n}@example.com"]) for n in range(8)]
        for task_id in tasks:
            assert office.wait_for(task_id) == "finished"
    assert not [line for line in log_lines(office.log) if line["level"] == "error"]
    assert not [why for (why,) in office.all(select(TaskEvent.why)) if why == STUMBLED]


def test_a_small_mail_does_not_wait_for_a_large_one_that_waits_for_its_domain(office: Office) -> None:
    with office.worker(LIMITS="slow.example=2/second"):
        large = office.submit(to("slow.example", 100))
        wait_until(lambda: len(office.sink.taken) >= 3, 20, "the large one has begun, and waits")
        small = office.submit(["a@fast.example", "b@fast.example"])
        assert office.wait_for(small, seconds=15) == "finished"
        assert office.status(large) in ("started", "queued")


@pytest.mark.parametrize("most", [1, 3])
def test_who_waits_in_line_keeps_the_order(office: Office, most: int) -> None:
    with office.worker(LIMITS=f"{most}/second"):
        tasks = [office.submit([f"r{n}@example.com"]) for n in range(4 * most + 4)]
        for task_id in tasks:
            assert office.wait_for(task_id) == "finished"
    assert [each.address for each in office.sink.taken] == [f"r{n}@example.com" for n in range(len(tasks))]
    moments = [each.at for each in office.sink.taken]
    assert moments[-1] - moments[0] < (len(tasks) / most + 1) * 1.4
    assert max(attempt for (attempt,) in office.all(select(Task.attempt))) <= 4


def test_who_came_before_is_not_overtaken_by_one_whose_place_was_not_put_off(office: Office) -> None:
    limit = Limit("", 1, 60)

    tasks = [office.submit(["a@example.com"], rings=False) for _ in range(5)]

    def comes(n: int) -> float | None:
        """The moment of its place; None: it may go."""
        with office.database.writing() as db:
            wait = line.ask(db, [limit], Asker(tasks[n], has_waited=True, in_line=True))
        return wait.at.timestamp() if wait else None

    def is_over() -> None:
        """What was used counts no more."""
        with office.database.writing() as db:
            db.execute(update(Used).values(uses={}))

    assert comes(0) is None
    first = comes(2) or 0.0
    is_over()
    second, third = comes(3) or 0.0, comes(4) or 0.0
    assert first + 61 < second < second + 61 < third, "as if each went at its place"
    assert comes(1) is None, "it came before all of them"
    is_over()
    assert comes(4), "others are first"
    assert comes(2) is None
    assert comes(3), "there is no room"
    is_over()
    assert comes(3) is None, "nobody waits for one that is gone"


def test_who_is_put_off_and_does_not_come_is_not_awaited_for_long(office: Office) -> None:
    limit, now = Limit("", 3, 60), datetime.now(UTC).timestamp()
    first, second = (office.submit(["a@example.com"], rings=False) for _ in range(2))
    comers = Asker(second, has_waited=True, in_line=True), Asker(second + 1, in_line=True), Asker(second + 1)

    def comes(asker: Asker, early: dict[str, float]) -> line.Wait | None:
        with office.database.writing() as db:
            line.ask(db, [limit], Asker(0))
            db.execute(update(Used).values(early=early, line=0.0, uses={}))
            return line.ask(db, [limit], asker)

    for asker in comers:
        assert comes(asker, {f"{first}": now + 60})
        assert comes(asker, {f"{first}": now - AWAITED / 3}), "it is late, and may come any moment"
        assert comes(asker, {f"{first}": now - AWAITED}) is None
        assert comes(asker, {f"{first}": now + 60, f"{second}": now})
    with office.database.writing() as db:
        db.execute(lifecycle.cancel(first, "tester"))
    for asker in comers:
        assert comes(asker, {f"{first}": now + 60}) is None, "nobody waits for one that was cancelled"


def test_very_many_who_come_too_early_are_not_all_named(office: Office) -> None:
    limit = Limit("", 10, 60)
    tasks = [office.submit(["a@example.com"], rings=False) for _ in range(MOST_EARLY + 3)]
    with office.database.writing() as db:
        while not line.ask(db, [limit], Asker(0)):
            pass
        waits = [line.ask(db, [limit], Asker(each, has_waited=True, in_line=True)) for each in tasks]
        early, again = db.execute(select(Used.early, Used.again)).one()
    places = [wait.at for wait in waits if wait]
    assert places == sorted(places)
    assert places[-4] < places[-3] < places[-2] < places[-1]
    assert (len(early), again) == (MOST_EARLY, pytest.approx(places[-1].timestamp()))


def test_whoever_was_cancelled_holds_up_nobody(office: Office) -> None:
    with office.worker(LIMITS="1/second"):
        large = office.submit(60, queue="low")
        office.wait_for(large, "started")
        tasks = [office.submit([f"r{n}@example.com"]) for n in range(40)]
        limited = IN_LINE.format(limit="1/second")
        wait_until(lambda: why(office, tasks[-1])[-1] == limited, 20, "all wait in line")
        with office.database.writing() as db:
            for task_id in tasks:
                db.execute(lifecycle.cancel(task_id, "tester"))
        assert office.wait_for(office.submit(["late@example.com"]), seconds=15) == "finished"
        assert office.status(large) in ("started", "queued")


async def test_what_is_sent_now_leaves_the_line(office: Office) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    tasks = [office.submit(["a@example.com"], at=tomorrow, rings=False) for _ in range(2)]
    with office.database.writing() as db:  # as of one that was held while it had a place in a line
        db.execute(update(Delivery).values(due_at=tomorrow))
    database = AsyncDatabase(office.env["DATABASE_URL"])
    actions = Actions(database, office.rings, office.templates, "example.com")
    assert await actions.send_now(tasks[0], "tester", 0.0)
    await actions.close()
    await database.close()
    with office.database.writing() as db:
        bulk_id = db.execute(bulk.begin("now", {}, "tester", "k")).scalar_one()
        db.execute(bulk.freeze(bulk_id, "now", bulk.Chosen(tasks[1], ids=[tasks[1]])))
        db.execute(bulk.count(bulk_id))
    with office.worker():
        for task_id in tasks:
            assert office.wait_for(task_id, seconds=15) == "finished"


def why(office: Office, task_id: int) -> list[str | None]:
    chosen = select(TaskEvent.why).where(TaskEvent.task_id == task_id, TaskEvent.address.is_(None))
    return [why for (why,) in office.all(chosen.order_by(TaskEvent.id))] or [None]
