"""Editing on the pages: the form comes with everything in it, and what is saved is that mail and no second one."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from quart.typing import TestClientProtocol as Client
from redis import Redis
from rq import Queue
from rq.serializers import JSONSerializer
from sqlalchemy import func, select, update

from app.db import Database
from app.mail.addresses import Mailbox
from app.tasks import lifecycle, queries
from app.tasks.books import Draft
from app.tasks.model import Delivery, Task
from app.tasks.request import Recipient
from tests.integration.conftest import OUR_PAGE
from tests.integration.test_pages_compose import at_field, post, stored, the_task
from tests.integration.test_pages_history import page_of, store
from tests.integration.test_pages_task import set_status
from tests.integration.test_pages_undo_send import typed
from tests.parts import until

NOON = (datetime.now(UTC) + timedelta(days=40)).replace(hour=12, minute=0, second=0, microsecond=0)


async def opened(client: Client, task_id: int = 1) -> dict[str, str]:
    """The form for this task, as sending it would send it."""
    return typed(await page_of(client, f"/tasks/{task_id}/edit"))


async def save(client: Client, form: dict[str, str], **changed: str) -> tuple[int, str]:
    """Press the button: the status, and the page that follows."""
    sent = form | {name.replace("__", "."): value for name, value in changed.items()}
    answer = await client.post("/compose", form=sent, headers=OUR_PAGE)
    if answer.status_code != 303:
        return answer.status_code, await answer.get_data(as_text=True)
    return 303, await page_of(client, answer.headers["Location"])


def whys(database: Database, task_id: int = 1) -> list[str | None]:
    with database.reading() as db:
        return [event.why for event in db.scalars(queries.events(task_id))]


def people(database: Database) -> list[str]:
    with database.reading() as db:
        return list(db.scalars(select(Delivery.address).order_by(Delivery.id)))


async def test_the_form_has_everything_in_it_and_says_that_the_mail_still_waits(
    person: Client, database: Database
) -> None:
    store(database, "anna@example.com", "홍길동 <hong@example.com>", scheduled_at=NOON, zone="Asia/Seoul",
          subject="Hi {{ name }}", queue="low", late_limit=900, on_unknown="again")  # fmt: skip
    assert 'href="/tasks/1/edit"' in await page_of(person, "/tasks/1")
    page = await page_of(person, "/tasks/1/edit")
    assert "<h1>Edit this mail</h1>" in page
    assert "Until you save, this mail stays as it was" in page
    assert re.search(r'class="told" data-plain="Save the changes">Save the changes, for [^<]* 21:00<', page)
    form = typed(page)
    assert {
        "recipients": "anna@example.com\n홍길동 <hong@example.com>", "template": "email/welcome",
        "variables.name": "Anna", "subject": "Hi {{ name }}", "queue": "low", "late_limit": "900",
        "on_unknown": "again", "when": "later",
        "scheduled_at": f"{NOON + timedelta(hours=9):%Y-%m-%dT%H:%M}", "zone": "Asia/Seoul", "task": "1",
    }.items() <= form.items()  # fmt: skip


async def test_what_is_saved_is_the_same_mail_and_the_timeline_says_what_changed(
    person: Client, database: Database
) -> None:
    store(database, scheduled_at=NOON, zone="UTC")
    code, page = await save(person, await opened(person), recipients="ben@example.com", subject="Now this")
    assert (code, stored(database), people(database)) == (303, 1, ["ben@example.com"])
    task = the_task(database)
    assert (task.subject, task.title, task.scheduled_at, task.status) == ("Now this", "Now this", NOON, "scheduled")
    assert "The changes are saved. It will be sent" in page
    assert "<p>Edited: To, Subject</p>" in page
    assert "admin@postdate.local" in page
    assert "<p>고친 것: 받는 사람, 제목</p>" in await page_of(person, "/tasks/1?lang=ko")


async def test_its_ring_is_where_it_is_needed(person: Client, database: Database, redis: Redis) -> None:
    def queue(name: str) -> Queue:
        return Queue(name, connection=redis, serializer=JSONSerializer)

    await post(person, when="later", scheduled_at=f"{NOON:%Y-%m-%dT%H:%M}", zone="UTC")
    await until(lambda: queue("default").scheduled_job_registry.count == 1)
    await save(person, await opened(person), queue="high")
    await until(lambda: queue("high").scheduled_job_registry.count == 1)
    assert queue("default").scheduled_job_registry.count == 0
    await save(person, await opened(person), when="now")
    await until(lambda: queue("high").job_ids == ["task-1-0"])
    assert queue("high").scheduled_job_registry.count == 0
    assert the_task(database).status == "queued"


async def test_a_double_click_saves_once(person: Client, database: Database) -> None:
    store(database, scheduled_at=NOON, zone="UTC")
    form = await opened(person)
    pages = [await save(person, form, subject="Twice") for _ in range(2)]
    assert [(code, "The changes are saved." in page) for code, page in pages] == [(303, True)] * 2
    assert whys(database) == [None, "Edited: Subject"]


async def test_nothing_changed_is_no_event(person: Client, database: Database) -> None:
    store(database, scheduled_at=NOON, zone="UTC")
    code, page = await save(person, await opened(person))
    assert (code, len(whys(database))) == (303, 1)
    assert "Nothing was changed: the mail says this already." in page


@pytest.mark.parametrize(
    "changed",
    [{"recipients": "nobody"}, {"template": ""}, {"variables.name": ""}, {"subject": "{{"},
     {"when": "later", "scheduled_at": "2020-01-01T09:00"}],
    ids=lambda changed: next(iter(changed)),
)  # fmt: skip
async def test_a_mistake_is_told_at_its_field_and_changes_nothing(
    person: Client, database: Database, changed: dict[str, str]
) -> None:
    store(database, scheduled_at=NOON, zone="UTC")
    code, page = await save(person, await opened(person), **changed)
    assert code == 422
    assert at_field(page, "scheduled_at" if "when" in changed else next(iter(changed)))
    assert "<h1>Edit this mail</h1>" in page
    assert 'name="task" value="1"' in page
    assert (whys(database), people(database)) == ([None], ["anna@example.com"])


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"status": "started", "attempt": 1}, "Too late: it is being sent right now."),
        ({"status": "finished", "attempt": 1}, "Too late: it has been sent already."),
        ({"status": "queued", "attempt": 1}, "Too late: a worker has begun it already, and goes on with it."),
        ({"status": "cancelled"}, "It was cancelled already."),
    ],
)
async def test_too_late_is_a_sentence_that_loses_nothing_and_sends_nothing(
    person: Client, database: Database, values: dict[str, Any], told: str
) -> None:
    store(database, scheduled_at=NOON, zone="UTC")
    form = await opened(person)
    set_status(database, **values)
    for _ in range(2):
        code, page = await save(person, form, subject="Too late")
        assert code == 409
        assert "This mail can’t be changed any more" in page
        assert told in page
        assert typed(page)["subject"] == "Too late"
    assert stored(database) == 1
    assert len(whys(database)) == 1 + ("status" in values and values["status"] != "scheduled")
    _, apart = await save(person, typed(page), do="apart")
    assert "<h1>New mail</h1>" in apart
    form = typed(apart)
    assert (form["subject"], "task" in form) == ("Too late", False)
    code, _ = await save(person, form)
    assert (code, stored(database)) == (303, 2)


async def test_what_cannot_be_edited_has_no_form_and_no_button(person: Client, database: Database) -> None:
    store(database)
    set_status(database, "finished", attempt=1)
    assert "/tasks/1/edit" not in await page_of(person, "/tasks/1")
    answer = await person.get("/tasks/1/edit")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/tasks/1")
    assert "Too late: it has been sent already." in await page_of(person, "/tasks/1")
    assert (await person.get("/tasks/2/edit")).status_code == 404


@pytest.mark.parametrize("other", ["edit", "reschedule"])
async def test_somebody_elses_change_is_told_and_overwritten_on_purpose_only(
    person: Client, database: Database, other: str
) -> None:
    store(database, scheduled_at=NOON, zone="UTC")
    form = await opened(person)
    if other == "edit":
        await save(person, await opened(person), subject="The other's")
    else:
        with database.writing() as db:
            db.execute(lifecycle.reschedule(1, NOON + timedelta(hours=1), "UTC", "boss@example.com"))
    events = len(whys(database))
    code, page = await save(person, form, variables__name="Mine")
    assert (code, len(whys(database))) == (409, events)
    assert "Somebody has changed this mail meanwhile" in page
    assert ("It was boss@example.com." in page) is (other == "reschedule")
    again = typed(page)
    assert again["variables.name"] == "Mine"
    code, _ = await save(person, again)
    assert (code, the_task(database).variables, the_task(database).scheduled_at) == (303, {"name": "Mine"}, NOON)
    assert the_task(database).subject is None


async def test_more_than_twenty_are_confirmed_and_then_saved(person: Client, database: Database) -> None:
    store(database, scheduled_at=NOON, zone="UTC")
    everyone = "\n".join(f"p{n}@example.com" for n in range(21))
    code, page = await save(person, await opened(person), recipients=everyone)
    assert (code, people(database)) == (200, ["anna@example.com"])
    assert "Save these changes, for 21 people?" in page
    assert "Nothing has been changed yet." in page
    carried = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page))
    code, _ = await save(person, carried, confirmed="21")
    assert (code, stored(database), len(people(database))) == (303, 1, 21)
    assert the_task(database).recipients == 21


async def test_a_draft_of_changes_is_one_of_that_mail_and_is_gone_with_them(person: Client, database: Database) -> None:
    store(database, scheduled_at=NOON, zone="UTC")
    form = await opened(person) | {"subject": "Later more"}
    script = OUR_PAGE | {"X-Refresh": "1"}
    key = (await (await person.post("/drafts", form=form, headers=script)).get_json())["key"]
    assert "Changes to a mail · Later more" in await page_of(person, "/compose")
    page = await page_of(person, f"/compose?draft={key}")
    assert "<h1>Edit this mail</h1>" in page
    code, _ = await save(person, typed(page))
    assert (code, stored(database), the_task(database).subject) == (303, 1, "Later more")
    late = await person.post("/drafts", form=form, headers=script)
    assert (await late.get_json()).keys() == {"told"}, "saved already"
    with database.reading() as db:
        assert db.scalar(select(func.count()).select_from(Draft)) == 0


async def test_what_programs_gave_and_the_form_cannot_show_stays_as_it_was(person: Client, database: Database) -> None:
    at = NOON + timedelta(seconds=30, microseconds=250)
    shared = {"name": ["A", 2], "unused": {"n": 1}, "place": "Room 1\r\nTeheran-ro 5\nSeoul"}
    own = [{"place": "Hall", "none": "", "name": " spaced "}, {"name": "Vera", "extra": True}, {}]
    given = [Recipient(Mailbox(f"p{n}@example.com", name), own[n]) for n, name in enumerate(("Anna", "Ben", "Cho"))]
    store(database, scheduled_at=at, variables=shared, recipients=given, subject=" At {{ place }} ", late_limit=61)
    form = await opened(person)
    assert (form["late_limit"], form["scheduled_at"]) == ("61", f"{NOON:%Y-%m-%dT%H:%M}:31")
    as_browsers_do = {name: value.replace("\r\n", "\n").replace("\n", "\r\n") for name, value in form.items()}
    code, page = await save(person, as_browsers_do)
    assert code == 303, page
    assert "Nothing was changed" in page
    code, page = await save(person, as_browsers_do, queue="low")
    assert code == 303, page
    task = the_task(database)
    assert (task.queue, task.subject, task.variables) == ("low", " At {{ place }} ", shared)
    assert (task.scheduled_at, task.zone, task.late_limit) == (at, None, 61)
    with database.reading() as db:
        people = db.execute(queries.everybody(1)).all()
    assert [tuple(each) for each in people] == [(r.mailbox.address, r.mailbox.name, r.variables) for r in given]
    assert whys(database)[1:] == ["Edited: Queue"]


async def test_a_limit_that_is_none_is_told_and_not_forgotten(person: Client, database: Database) -> None:
    store(database, scheduled_at=NOON, zone="UTC", late_limit=900)
    for wrong in ("-1", "1e3", "59"):
        code, page = await save(person, await opened(person), late_limit=wrong)
        assert code == 422
        assert at_field(page, "late_limit") == "Give a limit from one minute to thirty days."
    assert the_task(database).late_limit == 900


async def test_what_is_held_and_saved_for_now_goes_now(person: Client, database: Database) -> None:
    store(database, scheduled_at=NOON, zone="UTC", late_limit=900)
    past = datetime.now(UTC) - timedelta(hours=1)
    set_status(database, "scheduled", scheduled_at=past, due_at=past, hold_after=past, held=True, attention=True)
    code, _ = await save(person, await opened(person))
    task = the_task(database)
    assert (code, task.status, task.held, task.scheduled_at) == (303, "queued", False, None)
    assert task.hold_after is not None
    assert task.hold_after > datetime.now(UTC)


async def test_the_editor_of_a_mail_that_came_due_meanwhile_is_not_stopped_before_a_worker_has_it(
    person: Client, database: Database
) -> None:
    store(database, scheduled_at=NOON, zone="UTC")
    form = await opened(person)
    with database.writing() as db:
        db.execute(update(Task).values(status="queued", who="timekeeper"))
    code, _ = await save(person, form, subject="Just in time")
    assert (code, the_task(database).status, the_task(database).subject) == (303, "scheduled", "Just in time")


async def test_changes_saved_once_more_to_a_mail_that_was_cancelled_since_are_too_late(
    person: Client, database: Database
) -> None:
    store(database, scheduled_at=NOON, zone="UTC")
    form = await opened(person) | {"subject": "Saved"}
    await save(person, form)
    set_status(database, "cancelled")
    code, page = await save(person, form)
    assert code == 409
    assert "It was cancelled already." in page


@pytest.mark.parametrize("name", ["task", "instead"])
async def test_a_form_that_names_no_mail_where_it_should_sends_none(
    person: Client, database: Database, name: str
) -> None:
    code, _, _ = await post(person, **{name: "12x"})
    assert (code, stored(database)) == (400, 0)
