"""What was sent can be taken back before it leaves, and is in the form again; and any task can be used again."""

import html
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from quart.typing import TestClientProtocol as Client
from redis import Redis
from rq import Queue
from rq.serializers import JSONSerializer
from sqlalchemy import select

from app.config import Settings
from app.db import Database
from app.mail.addresses import Mailbox
from app.tasks.model import Delivery, Task, TaskEvent
from app.tasks.request import Recipient, Request
from app.tasks.submit import new_deliveries, new_task
from tests.integration.conftest import OUR_PAGE
from tests.integration.test_pages_compose import key_in, later, post, stored, the_task
from tests.integration.test_pages_history import page_of, store
from tests.integration.test_pages_task import do, set_status
from tests.parts import until


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """With a minute for second thoughts: more than a test takes."""
    return replace(settings, undo_seconds=60)


def typed(page: str) -> dict[str, str]:
    """The form as it stands: what sending it would send."""
    found = dict(re.findall(r'<input(?=[^>]* name="([^"]+)")(?=[^>]* value="([^"]*)")(?![^>]* type="radio")', page))
    areas = dict(re.findall(r'<textarea [^>]*name="([^"]+)"[^>]*>\n?(.*?)</textarea>', page, re.DOTALL))
    selects = re.findall(r'<select id="(\w+)"(.*?)</select>', page, re.DOTALL)
    options = [(name, re.search(r'<option(?: value="([^"]*)")? selected>([^<]*)', inside)) for name, inside in selects]
    radio = re.search(r'name="when" value="(\w+)" checked', page)
    assert radio
    found |= {name: option[2] if option[1] is None else option[1] for name, option in options if option} | {
        **areas,
        "when": radio[1],
    }
    return {name: html.unescape(value) for name, value in found.items()}


async def test_a_mail_sent_now_waits_and_can_be_undone_from_everywhere(person: Client, database: Database) -> None:
    await post(person)
    task = the_task(database)
    assert (task.status, task.scheduled_at) == ("scheduled", None)
    history = await page_of(person)
    assert history.count('<form class="undo" action="/tasks/1/undo" method="post">') == 2, "message and row"
    assert "Goes out in 1 minute: email/welcome to anna@example.com." in history
    assert "On its way" not in history
    assert re.search(r'data-undo="(60|59)" data-counting="Undo \({n} s\)"', history)
    assert 'action="/tasks/1/undo"' in await page_of(person, "/tasks/1")


async def test_undone_it_is_in_the_form_with_everything_and_never_goes_out(person: Client, database: Database) -> None:
    sent = {"recipients": "anna@example.com\nben@example.com", "subject": "Hi {{ name }}", "queue": "low",
            "late_limit": "900", "on_unknown": "again"}  # fmt: skip
    key = key_in(await page_of(person, "/compose"))
    await post(person, key=key, **sent)
    code, page = await do(person, "/tasks/1/undo")
    assert code == 303
    assert "Undone: nothing was sent. Here is the mail as you wrote it." in page
    form = typed(page)
    assert sent | {"template": "email/welcome", "variables.name": "Anna", "when": "now"} == {
        name: form[name] for name in (*sent, "template", "variables.name", "when")
    }
    assert key_in(page) != key
    assert the_task(database).status == "cancelled"
    with database.reading() as db:
        assert {each.status for each in db.scalars(select(Delivery))} == {"cancelled"}
        assert db.scalars(select(TaskEvent.why).order_by(TaskEvent.id.desc())).first() == "Undone."


async def test_undone_its_ring_is_taken_out_of_redis(person: Client, redis: Redis) -> None:
    entered = Queue(connection=redis, serializer=JSONSerializer).scheduled_job_registry
    await post(person, **later("2027-12-08T09:00"))
    await until(lambda: entered.count == 1)
    await do(person, "/tasks/1/undo")
    await until(lambda: entered.count == 0)


async def test_a_mail_for_later_can_be_undone_any_time_and_keeps_its_moment(person: Client, database: Database) -> None:
    await post(person, **later("2027-10-31T01:30", "Europe/London", fold="1"))
    assert 'action="/tasks/1/undo" method="post"><button data-undo=""' in await page_of(person)
    _, page = await do(person, "/tasks/1/undo")
    form = typed(page)
    assert (form["when"], form["scheduled_at"], form["zone"]) == ("later", "2027-10-31T01:30", "Europe/London")
    assert re.search(r'name="fold" value="1" checked', page)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"status": "started", "attempt": 1}, "Too late: it is being sent right now."),
        ({"status": "finished", "attempt": 1}, "Too late: it has been sent already."),
        ({"status": "queued", "attempt": 1}, "Too late: a worker has begun it already, and goes on with it."),
        ({"status": "cancelled"}, "It was cancelled already."),
    ],
)
async def test_too_late_is_a_sentence_and_changes_nothing(
    person: Client, database: Database, values: dict[str, Any], told: str
) -> None:
    store(database)
    set_status(database, **values)
    code, page = await do(person, "/tasks/1/undo")
    assert code == 303
    assert told in page
    assert the_task(database).status == values["status"]
    assert "Undone" not in await page_of(person)


async def test_undone_twice_is_undone_once(person: Client, database: Database) -> None:
    await post(person)
    assert [(await do(person, "/tasks/1/undo"))[0] for _ in range(2)] == [303, 303]
    with database.reading() as db:
        assert len(db.scalars(select(TaskEvent).where(TaskEvent.to_status == "cancelled")).all()) == 1


async def test_when_its_seconds_are_over_nothing_offers_to_undo_it(person: Client, database: Database) -> None:
    await post(person)
    await page_of(person)
    set_status(database, "scheduled", due_at=datetime.now(UTC) - timedelta(seconds=1))
    for path in ("/history", "/tasks/1"):
        assert "/undo" not in await page_of(person, path)


async def test_a_task_used_again_sends_nothing_until_it_is_sent(person: Client, database: Database) -> None:
    store(database, "홍길동 <hong@example.com>", '"Doe, \\"J\\" Jane" <jane@example.com>', queue="high")
    set_status(database, "finished")
    assert '<a class="button" href="/compose?from=1">' in await page_of(person, "/tasks/1")
    page = await page_of(person, "/compose?from=1")
    assert stored(database) == 1
    form = typed(page)
    assert form["recipients"] == '홍길동 <hong@example.com>\n"Doe, \\"J\\" Jane" <jane@example.com>'
    assert (await person.post("/compose", form=form, headers=OUR_PAGE)).status_code == 303
    with database.reading() as db:
        first, second = db.scalars(select(Task).order_by(Task.id)).all()
        assert [first.template, first.variables, first.queue] == [second.template, second.variables, second.queue]
        people = [db.execute(select(Delivery.address, Delivery.name, Delivery.variables).where(
            Delivery.task_id == task).order_by(Delivery.id)).all() for task in (1, 2)]  # fmt: skip
    assert people[0] == people[1]


async def test_names_that_filled_a_variable_do_so_again(person: Client, database: Database) -> None:
    await post(person, recipients="Mina <mina@example.com>\n홍길동 <hong@example.com>", variables__name="")
    form = typed(await page_of(person, "/compose?from=1"))
    assert (form["recipients"], form["variables.name"]) == ("Mina <mina@example.com>\n홍길동 <hong@example.com>", "")


async def test_what_only_some_mails_say_comes_back_as_a_table(person: Client, database: Database) -> None:
    request = Request("email/reminder", [
        Recipient(Mailbox("anna@example.com", "Anna"), {"name": "Anna", "place": 'Room "1", left'}),
        Recipient(Mailbox("ben@example.com"), {"name": "Ben", "seats": 3}),
    ], "a program", {"event": "봄 워크숍"})  # fmt: skip
    with database.writing() as db:
        db.execute(new_task(request))
        db.execute(new_deliveries(request, 1, "postdate.example"))
    form = typed(await page_of(person, "/compose?from=1"))
    assert form["recipients"].splitlines() == [
        "email,name,place,seats",
        'anna@example.com,Anna,"Room ""1"", left",',
        "ben@example.com,Ben,,3",
    ]
    assert form["variables.event"] == "봄 워크숍"


async def test_a_moment_that_has_passed_is_not_offered_again(person: Client, database: Database) -> None:
    store(database, scheduled_at=datetime.now(UTC) - timedelta(days=1), zone="Asia/Seoul")
    form = typed(await page_of(person, "/compose?from=1"))
    assert (form["when"], form.get("scheduled_at", "")) == ("now", "")


@pytest.mark.parametrize("number", ["2", "0", "x", "9" * 30, "-1"])
async def test_no_task_is_no_form(person: Client, database: Database, number: str) -> None:
    store(database)
    await page_of(person, f"/compose?from={number}", 404)


async def test_a_cancelled_task_can_be_used_again(person: Client, database: Database) -> None:
    store(database)
    set_status(database, "cancelled")
    assert "Use it again" in await page_of(person, "/tasks/1")


async def test_a_form_whose_mail_was_taken_back_is_told_so_and_sends_it_anew_on_purpose(
    person: Client, database: Database
) -> None:
    """Back, and the same button again: the mail that it became is cancelled, and nothing would ever go out."""
    key = key_in(await page_of(person, "/compose"))
    await post(person, key=key)
    await do(person, "/tasks/1/undo")
    code, page, _ = await post(person, key=key)
    assert (code, stored(database)) == (409, 1)
    assert "You sent this form before, and the mail was cancelled since" in page
    assert typed(page)["recipients"] == "anna@example.com"
    code, _, _ = await post(person, key=key_in(page))
    assert (code, stored(database)) == (303, 2)


async def test_a_form_whose_mail_was_edited_since_does_not_claim_to_be_it(person: Client, database: Database) -> None:
    key = key_in(await page_of(person, "/compose"))
    await post(person, key=key)
    changed = typed(await page_of(person, "/tasks/1/edit")) | {"recipients": "ben@example.com"}
    await person.post("/compose", form=changed, headers=OUR_PAGE)
    code, page, _ = await post(person, key=key)
    assert (code, stored(database)) == (409, 1)
    assert "You sent this form before, and the mail was changed since" in page


async def test_send_now_on_a_mail_for_later_leaves_time_to_undo_as_well(person: Client, database: Database) -> None:
    await post(person, **later("2027-12-08T09:00"))
    _, page = await do(person, "/tasks/1/now")
    assert "It is sent in 1 minute." in page
    task = the_task(database)
    assert task.status == "scheduled"
    assert timedelta(seconds=50) < task.due_at - datetime.now(UTC) <= timedelta(seconds=60)
    token = re.search(r'name="token" value="([^"]+)"', page)
    assert token
    await do(person, "/tasks/1/restore", token=token[1], at_once="no")
    assert the_task(database).scheduled_at == datetime(2027, 12, 8, 9, tzinfo=UTC)
