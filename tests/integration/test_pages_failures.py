"""Failures by cause: what is said, what it means, how much of it there is, and the way to act on all of it."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape

from quart.typing import TestClientProtocol as Client
from sqlalchemy import select, update

from app.db import Database
from app.tasks import lifecycle, overview
from app.tasks.books import Bulk, BulkTask
from app.tasks.model import Delivery, Task
from tests.integration.conftest import OUR_PAGE
from tests.integration.test_pages_history import page_of, store
from tests.parts import answer

NO_SUCH = "550 5.1.1 <{}>: no such user"
FULL = "552 5.2.2 Mailbox full"


def refused(database: Database, *recipients: str, reply: str = NO_SUCH) -> int:
    task_id = store(database, *recipients)
    answer(database, task_id, {address: reply.format(address) for address in recipients})
    return task_id


def groups(page: str) -> list[tuple[str, str, str]]:
    """The meaning, the server's words and the size of each group, in the page's order."""
    parts = page.split('<li class="card" id="cause-')[1:]
    patterns = (r"<h2>(.*?)</h2>", r"<code>(.*?)</code>", r'<a id="show-\d+" href="/history\?fault=\d+">(.*?)</a>')
    found = [[re.search(pattern, part, re.DOTALL) for pattern in patterns] for part in parts]
    return [tuple(" ".join(each[1].split()) if each else "" for each in group) for group in found]  # type: ignore[misc]


async def test_without_failures_the_page_says_what_will_be_here(person: Client) -> None:
    assert "Nothing has failed" in await page_of(person, "/failures")


async def test_each_cause_is_there_once_with_its_meaning_the_most_frequent_first(
    person: Client, database: Database
) -> None:
    refused(database, "anna@example.com", reply=FULL)
    refused(database, "ben@example.com", "cho@example.com")
    refused(database, "dee@example.com")
    assert groups(await page_of(person, "/failures")) == [
        (
            "This mailbox does not exist. Please check the address.",
            "550 5.1.1 …@…: no such user",
            "3 recipients, 2 tasks",
        ),
        (
            "This mailbox is full. It takes mail again once its owner has made room.",
            "552 5.2.2 Mailbox full",
            "1 recipient, 1 task",
        ),
    ]
    korean = await page_of(person, "/failures?lang=ko")
    assert "<h2>존재하지 않는 메일 주소입니다." in korean
    assert "받는 사람 3명, 메일 2건" in korean


async def test_words_that_nobody_knows_stand_for_themselves(person: Client, database: Database) -> None:
    refused(database, "anna@example.com", reply="599 <b>Nope</b> {}")
    assert groups(await page_of(person, "/failures")) == [
        ("599 &lt;b&gt;Nope&lt;/b&gt; …@…", "", "1 recipient, 1 task")
    ]


async def test_first_and_last_seen_are_said(person: Client, database: Database) -> None:
    refused(database, "anna@example.com")
    page = await page_of(person, "/failures")
    times = [datetime.fromisoformat(at) for at in re.findall(r'<time datetime="([^"]+)"', page)]
    assert len(times) == 2
    assert all(abs(datetime.now(UTC) - at) < timedelta(minutes=1) for at in times)


async def test_a_group_can_be_tried_again_and_what_waits_cancelled_where_something_does(
    person: Client, database: Database
) -> None:
    task_id = store(database, "anna@example.com", "ben@example.com")
    answer(database, task_id, {"anna@example.com": FULL, "ben@example.com": "450 4.2.1 later"})
    form = '<form action="/bulk" method="post"><input type="hidden" name="fault" value="2">'
    page = await page_of(person, "/failures")
    assert re.findall(rf'{re.escape(form)}\s*<button id="\w+-2"[^>]* name="action" value="(\w+)"', page) == [
        "cancel"
    ], "it waits, so it can't be tried again"
    with database.writing() as db:
        db.execute(lifecycle.cancel(task_id, "somebody"))
    assert 'value="cancel"' not in await page_of(person, "/failures")


async def test_trying_a_cause_again_is_asked_about_first_and_means_those_of_the_cause(
    person: Client, database: Database
) -> None:
    refused(database, "anna@example.com")
    refused(database, "ben@example.com", reply=FULL)
    asked = await person.post("/bulk", form={"fault": "2", "action": "retry"}, headers=OUR_PAGE)
    page = unescape(await asked.get_data(as_text=True))
    assert "Retry what failed of 1 mail?" in page
    assert "Only those whom mail servers refused for this reason are tried again." in page
    assert "Failed because: 550 5.1.1 …@…: no such user" in page
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="(.*?)">', page))
    started = await person.post("/bulk/start", form=hidden, headers=OUR_PAGE)
    assert started.status_code == 303
    with database.reading() as db:
        assert db.scalar(select(Bulk.asked)) == {"fault": "2", "highest": "2"}
        assert db.scalars(select(BulkTask.task_id)).all() == [1]


async def test_what_is_tried_again_leaves_its_group(person: Client, database: Database) -> None:
    task_id = refused(database, "anna@example.com")
    with database.writing() as db:
        db.execute(lifecycle.retry(task_id, "somebody"))
        db.execute(lifecycle.requeue_failed(task_id))
    assert "Nothing has failed" in await page_of(person, "/failures")


def test_tasks_are_counted_one_by_one_and_only_so_far(database: Database) -> None:
    for n in range(5):
        refused(database, *(f"{letter}{n}@example.com" for letter in "abc"))
    refused(database, "x@example.com", reply=FULL)
    with database.reading() as db:
        causes = [fault.id for fault in db.scalars(overview.causes())]
        all_of_them = {cause: rest for cause, *rest in db.execute(overview.tasks_of(causes))}
        some = {cause: tasks for cause, tasks, *_ in db.execute(overview.tasks_of(causes, limit=3))}
        rows = db.scalars(select(Delivery.fault_id).where(Delivery.fault_id.is_not(None))).all()
    assert all_of_them == {causes[0]: [5, 0, 5], causes[1]: [1, 0, 1]}
    assert some == {causes[0]: 3, causes[1]: 1}
    assert sorted(rows) == [causes[0]] * 15 + [causes[1]]


async def test_what_was_cancelled_since_is_not_offered_to_be_tried_again(person: Client, database: Database) -> None:
    refused(database, "anna@example.com")
    assert 'value="retry"' in await page_of(person, "/failures")
    with database.writing() as db:
        db.execute(update(Task).values(status="cancelled"))
    page = await page_of(person, "/failures")
    assert 'value="retry"' not in page
    assert "These mails were cancelled." in page
