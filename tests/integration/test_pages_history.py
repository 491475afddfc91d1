"""The history: what each row says, which rows there are, and how the page goes on and refreshes."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from quart import Quart
from quart.typing import TestClientProtocol as Client
from sqlalchemy import insert, update

from app.db import Database
from app.mail.addresses import parse
from app.mail.templates import Templates
from app.tasks import lifecycle
from app.tasks.model import Delivery, Task
from app.tasks.request import Recipient, Request
from app.tasks.submit import new_deliveries, new_task
from app.web import ROOT

TEMPLATES = Templates(ROOT / "templates")


def store(database: Database, *recipients: str, **more: Any) -> int:
    """A task as it would be submitted; its id."""
    people = [Recipient(parse(one)) for one in recipients or ("anna@example.com",)]
    request = Request(**{"template": "email/welcome", "variables": {"name": "Anna"}, "by": "admin@postdate.local",
                         "recipients": people, **more})  # fmt: skip
    with database.writing() as db:
        task_id: int = db.execute(new_task(request)).scalar_one()
        db.execute(new_deliveries(request, task_id, "postdate.example"))
    return task_id


async def page_of(client: Client, path: str = "/history", code: int = 200) -> str:
    answer = await client.get(path)
    assert answer.status_code == code
    return await answer.get_data(as_text=True)


def rows(page: str) -> list[int]:
    return [int(number) for number in re.findall(r'<tr id="task-(\d+)"', page)]


async def test_an_empty_history_says_what_will_be_here(person: Client) -> None:
    page = await page_of(person)
    assert "Nothing sent yet" in page
    assert "data-look-again" not in page


async def test_a_row_says_status_subject_recipients_and_both_times(person: Client, database: Database) -> None:
    at = datetime.now(UTC) + timedelta(days=15, minutes=5)
    store(database, "anna@example.com", "ben@example.com", "zoe@example.com", scheduled_at=at, zone="Asia/Seoul")
    page = await page_of(person)
    assert '<tr id="task-1" data-status="scheduled">' in page
    assert re.search(r'<span class="badge" data-status="scheduled"><svg .*?</svg> Scheduled</span>', page)
    assert ">Welcome, Anna</a> <small>email/welcome</small>" in page
    assert "anna@example.com and 2 more" in page
    assert re.search(r"\w{3} \d+ \w{3} 20\d\d, \d\d:\d\d UTC</time>", page)
    assert "in 15 days</time>" in page


async def test_the_words_are_korean_where_the_person_is(person: Client, database: Database) -> None:
    store(database, "anna@example.com", "ben@example.com")
    page = await page_of(person, "/history?lang=ko")
    assert "대기 중" in page
    assert "anna@example.com 외 1명" in page


async def test_tallies_say_what_became_of_many(person: Client, database: Database) -> None:
    store(database, "anna@example.com", "ben@example.com", "cho@example.com", "dee@example.com")
    with database.writing() as db:
        db.execute(update(Task).values(status="failed", sent=3, failed=1, error="550 5.1.1 No such <user>"))
    page = await page_of(person)
    assert "3 sent, 1 failed" in page
    assert "This mailbox does not exist. Please check the address." in page
    assert "메일함" in await page_of(person, "/history?lang=ko")


async def test_tabs_choose_by_status_and_count_exactly(person: Client, database: Database) -> None:
    for _ in range(3):
        store(database)
    with database.writing() as db:
        db.execute(lifecycle.cancel(2, "admin@postdate.local"))
    page = await page_of(person, "/history?status=cancelled")
    assert rows(page) == [2]
    assert 'aria-current="page">Cancelled <span class="count">1</span>' in page
    assert re.search(r'>Sending <span class="count">2</span>', page)
    assert re.search(r'>All <span class="count">3</span>', page)


async def test_search_finds_by_how_an_address_begins_and_keeps_the_tab(person: Client, database: Database) -> None:
    store(database, "anna@example.com", "ben@example.com")
    store(database, "cho@example.com")
    page = await page_of(person, "/history?q=ben")
    assert rows(page) == [1]
    assert 'value="ben"' in page
    assert 'href="/history?status=sending&amp;q=ben"' in page
    assert rows(await page_of(person, "/history?q=%25")) == []
    assert "Nothing matches" in await page_of(person, "/history?q=nobody")


async def test_pages_go_on_where_the_last_one_ended(person: Client, database: Database) -> None:
    store(database)
    with database.writing() as db:
        row = {"status": "finished", "template": "email/welcome", "queue": "default", "recipients": 1, "who": "x",
               "due_at": datetime.now(UTC)}  # fmt: skip
        db.execute(insert(Task), [row] * 60)
        db.execute(
            insert(Delivery), [{"task_id": n, "address": "a@b.example", "message_id": "m"} for n in range(2, 62)]
        )
    first = await page_of(person)
    assert rows(first) == list(range(61, 11, -1))
    assert 'rel="next" href="/history?cursor=12"' in first
    second = await page_of(person, "/history?cursor=12")
    assert rows(second) == list(range(11, 0, -1))
    assert ">Newest</a>" in second
    assert 'rel="next"' not in second


@pytest.mark.parametrize("settings", [{"RETENTION_DAYS": "90"}], indirect=True)
async def test_at_its_end_it_says_for_how_long_mail_is_kept(person: Client, database: Database) -> None:
    assert "Mail is deleted" not in await page_of(person)
    store(database)
    assert "Mail is deleted 90 days after it ended." in await page_of(person)


@pytest.mark.parametrize(
    "query",
    ["status=nonsense", "cursor=x", "cursor=-1", "cursor=" + "9" * 40, "cursor=%C2%B2", "q=" + "x" * 2000, "q=%00"],
)
async def test_an_address_bar_that_makes_no_sense_still_gives_a_page(
    person: Client, database: Database, query: str
) -> None:
    store(database)
    await page_of(person, f"/history?{query}")


async def test_a_page_looks_again_while_something_moves(person: Client, database: Database) -> None:
    store(database)
    assert 'data-look-again="2000"' in await page_of(person)
    with database.writing() as db:
        db.execute(lifecycle.cancel(1, "admin@postdate.local"))
    assert "data-look-again" not in await page_of(person)
    store(database, scheduled_at=datetime.now(UTC) + timedelta(minutes=10), zone="UTC")
    found = re.search(r'data-look-again="(\d+)"', await page_of(person))
    assert found
    assert 590_000 < int(found[1]) <= 600_200


async def test_a_template_that_is_gone_does_not_break_the_page(person: Client, database: Database) -> None:
    store(database, template="email/gone")
    store(database, subject="Hello {{ unknown }}")
    page = await page_of(person)
    assert ">email/gone</a>" in page
    assert "Hello {{ unknown }}" in page


async def test_strangers_are_sent_to_sign_in(app: Quart, database: Database) -> None:
    answer = await app.test_client().get("/history")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/sign-in?next=/history")


async def test_what_is_scheduled_comes_in_the_order_in_which_it_leaves(person: Client, database: Database) -> None:
    for title, day in (("third", 9), ("first", 2), ("second", 5)):
        store(database, scheduled_at=datetime(2031, 1, day, tzinfo=UTC), title=title)
    page = await page_of(person, "/history?status=scheduled")
    assert re.findall(r">(first|second|third)</a>", page) == ["first", "second", "third"]
    assert re.findall(r">(first|second|third)</a>", await page_of(person)) == ["second", "first", "third"]
