"""What the overview counts is what happened: after real sends, the hours, causes and queues equal events and rows."""

from collections import Counter
from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from app.config import read_settings
from app.tasks import lifecycle, overview
from app.tasks.model import Delivery, Task
from app.web import create_app
from app.web.history import charts
from app.web.history.charts import Slot
from app.web.people.accounts import keep_admin, sign_in_link
from tests.integration.sending.test_moves import move
from tests.integration.test_pages_overview import numbers
from tests.parts import Office, wait_until
from tests.sink import HANG_UP

TOLD = {"n": ("rcpt", "550 5.1.1 <{}>: no such user"), "f": ("data", "554 5.7.1 spam"), "l": ("taken", HANG_UP)}


def as_told(step: str, address: str) -> str | None:
    when, reply = TOLD.get(address[:1], ("", ""))
    return reply.format(address) if step == when else None


def sent_for_real(office: Office) -> None:
    """Mails of every outcome, some at once and some a little later."""
    office.sink.script = as_told
    with office.worker():
        tasks = [office.submit([f"{kind}{n}@example.com" for kind in "rnfl" for n in range(3)]) for _ in range(2)]
        tasks += [office.submit(25), office.submit(3, at=datetime.now(UTC) + timedelta(seconds=1))]
        for task_id in tasks:
            office.wait_for(task_id)
        wait_until(lambda: office.rings.waiting() == {"high": 0, "default": 0, "low": 0}, 10, "no ring is left")


def ended(office: Office) -> tuple[int, int, int]:
    """How many people were sent to, failed and are unknown: the hours say what the rows do."""
    since = datetime.now(UTC) - timedelta(hours=2)
    slot = charts.fill([Slot(since)], office.all(overview.hours(since)))[0]
    rows = Counter(status for (status,) in office.all(select(Delivery.status)))
    assert (slot.sent, slot.failed, slot.unknown) == (rows["sent"], rows["failed"], rows["unknown"])
    return slot.sent, slot.failed, slot.unknown


def test_the_hours_equal_the_rows_and_count_everybody_once(office: Office) -> None:
    sent_for_real(office)
    assert ended(office) == (34, 12, 6)
    office.sink.script = lambda step, address: None
    with office.worker():
        for task_id in (1, 2):
            assert move(office, lifecycle.retry(task_id, "boss"), lifecycle.requeue_failed(task_id))
            assert office.wait_for(task_id, "failed") == "failed"
        assert ended(office) == (46, 0, 6)
        assert move(office, lifecycle.decide(1, "boss", "arrived"), lifecycle.arrived(1), lifecycle.tally(1))
        assert office.wait_for(1) == "finished"
    assert ended(office) == (49, 0, 3)


def test_the_delays_equal_the_rows(office: Office) -> None:
    sent_for_real(office)
    since = datetime.now(UTC) - timedelta(hours=2)
    slot = charts.fill([Slot(since)], office.all(overview.hours(since)))[0]
    began = office.all(select(Task.started_at, Task.due_at))
    late = [(started - due).total_seconds() * 1000 for started, due in began]
    assert slot.started == len(late) == 4
    assert abs(slot.late_ms - sum(late)) <= 4
    assert abs(slot.latest_ms - max(late)) <= 1
    assert slot.latest_ms > 0


def test_the_causes_equal_the_rows(office: Office) -> None:
    sent_for_real(office)
    failed = office.all(select(Delivery.fault_id, Delivery.task_id).where(Delivery.status == "failed"))
    causes = [fault for (fault,) in office.all(overview.causes())]
    assert {fault.id: fault.n for fault in causes} == Counter(fault_id for fault_id, _ in failed)
    assert [fault.words for fault in causes] == ["550 5.1.1 …@…: no such user", "554 5.7.1 spam"]
    counted = {cause: tasks for cause, tasks, *_ in office.all(overview.tasks_of([fault.id for fault in causes]))}
    assert counted == Counter(fault_id for fault_id, _ in set(failed))


async def test_the_page_shows_the_same_on_either_database(office: Office) -> None:
    sent_for_real(office)
    settings = read_settings(office.env | {"TZ": "Asia/Kolkata"})
    app = create_app(settings)
    await keep_admin(app.config["POSTDATE"].database, settings)
    async with app.test_app():
        client = app.test_client()
        link = sign_in_link(office.database, settings)
        assert link
        await client.get(link.removeprefix(settings.public_url))
        for path in ("/charts", "/charts?span=days"):
            answer = await client.get(path)
            assert answer.status_code == 200
            rows = numbers(await answer.get_data(as_text=True))
            sums = [sum(int(row[column]) for row in rows) for column in range(4)]
            assert sums == [34, 12, 6, 4]
        failures = await client.get("/failures")
        assert "6 recipients, 2 tasks" in " ".join((await failures.get_data(as_text=True)).split())


def test_what_waits_is_counted_by_queue_with_what_is_due(office: Office) -> None:
    for queue in ("high", "high", "low"):
        office.submit(queue=queue)
    office.submit(at=datetime.now(UTC) + timedelta(hours=1))
    assert sorted(tuple(row) for row in office.all(overview.waiting())) == [("high", 2, 2), ("low", 1, 1)]
    assert sorted(tuple(row) for row in office.all(overview.waiting(limit=1))) == [("high", 2, 2)]
    assert office.rings.waiting() == {"high": 2, "default": 0, "low": 1}
