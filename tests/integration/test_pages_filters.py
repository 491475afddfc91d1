"""The history's tabs and filters: what each chooses, how it is said and taken away, and whatever is typed there."""

import re
from datetime import UTC, datetime
from html import unescape
from typing import Any

import pytest
from quart.typing import TestClientProtocol as Client
from sqlalchemy import insert, update

from app.db import Database
from app.tasks.books import Fault
from app.tasks.model import Delivery, Task
from app.tasks.submit import title_key
from tests.integration.test_pages_history import page_of, rows, store


async def found(client: Client, query: str) -> list[int]:
    return rows(await page_of(client, f"/history?{query}"))


def change(database: Database, task_id: int, **values: Any) -> None:
    with database.writing() as db:
        db.execute(update(Task).where(Task.id == task_id).values(**values))


def titled(database: Database, *titles: str) -> None:
    for title in titles:
        store(database, title=title)
    with database.writing() as db:
        for number, title in enumerate(titles, 1):
            db.execute(update(Task).where(Task.id == number).values(title=title, title_key=title_key(title)))


async def test_sending_is_what_waits_for_a_worker_and_what_one_holds(person: Client, database: Database) -> None:
    for _ in range(4):
        store(database)
    for task_id, status in ((2, "started"), (4, "finished")):
        change(database, task_id, status=status)
    assert await found(person, "status=sending") == [3, 2, 1]
    assert await found(person, "status=queued") == [3, 1]
    assert await found(person, "status=started") == [2]
    page = await page_of(person, "/history?status=queued")
    assert re.search(r'id="tab-sending"[^>]* aria-current="page"', page)
    assert ">Queued <span" in page.partition('class="holding"')[2]


async def test_what_needs_attention_has_a_tab_and_a_number(person: Client, database: Database) -> None:
    for _ in range(3):
        store(database)
    change(database, 2, attention=True)
    page = await page_of(person, "/history?status=attention")
    assert rows(page) == [2]
    assert 'aria-current="page" class="calls">Needs attention <span class="count">1</span>' in page


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ("scheduled", "leaves later waits here"),
        ("sending", "the moment in which it leaves"),
        ("finished", "has taken it for everybody"),
        ("failed", "can be tried again"),
        ("attention", "nothing needs you"),
        ("cancelled", "with who did it and when"),
    ],
)
async def test_an_empty_tab_says_what_comes_there(person: Client, status: str, told: str) -> None:
    assert told in unescape(await page_of(person, f"/history?status={status}"))


async def test_an_address_is_found_whatever_its_case(person: Client, database: Database) -> None:
    store(database, "Mina.Kim@example.com")
    store(database, "mina@example.com")
    store(database, "amina@example.com")
    for typed in ("mina", "MINA", "Mina"):
        assert await found(person, f"q={typed}") == [2, 1]
    assert await found(person, "q=mina.kim@EXAMPLE") == [1]
    assert await found(person, "q=mina_") == []


async def test_a_title_is_found_by_how_it_begins(person: Client, database: Database) -> None:
    titled(database, "Monday’s plan", "MONDAY again", "Not on Monday", "봄 워크숍 안내")
    assert await found(person, "subject=monday") == [2, 1]
    assert await found(person, "subject=monday%E2%80%99s") == [1]
    assert await found(person, "subject=%EB%B4%84") == [4]
    page = await page_of(person, "/history?subject=monday")
    assert "Subject begins with “monday”" in page
    assert ">Monday’s plan</a>" in page


async def test_template_and_writer_choose(person: Client, database: Database) -> None:
    store(database)
    store(database, template="email/reminder")
    store(database, by="token billing", template="email/reminder")
    assert await found(person, "template=email/reminder") == [3, 2]
    assert await found(person, "by=token+billing") == [3]
    assert await found(person, "by=admin%40postdate.local&template=email/reminder") == [2]
    page = await page_of(person, "/history?by=somebody+who+left")
    assert "<option selected>somebody who left</option>" in page
    assert "<option>admin@postdate.local</option>" in page


async def test_days_are_those_of_the_zone_and_both_included(person: Client, database: Database) -> None:
    for _ in range(4):
        store(database)
    for number, at in enumerate(("07T23:59:59", "08T00:00:00", "08T23:59:59", "09T00:00:00"), 1):
        change(database, number, created_at=datetime.fromisoformat(f"2026-12-{at}+00:00"))
    assert await found(person, "since=2026-12-08") == [4, 3, 2]
    assert await found(person, "until=2026-12-08") == [3, 2, 1]
    assert await found(person, "since=2026-12-08&until=2026-12-08") == [3, 2]
    assert await found(person, "until=2026-12-08&cursor=3") == [2, 1]
    assert await found(person, "since=2026-12-10") == await found(person, "until=2026-12-06") == []


async def test_tasks_of_one_moment_are_found_though_their_ids_are_in_another_order(
    person: Client, database: Database
) -> None:
    for _ in range(3):
        store(database)
    for number, second in ((1, 3), (2, 1), (3, 2)):
        change(database, number, created_at=datetime(2026, 12, 8, 0, 0, second, tzinfo=UTC))
    assert await found(person, "since=2026-12-08") == [3, 2, 1]
    assert await found(person, "until=2026-12-08") == [3, 2, 1]


async def test_a_fault_is_said_in_the_servers_words(person: Client, database: Database) -> None:
    store(database, "anna@example.com", "ben@example.com")
    store(database)
    with database.writing() as db:
        fault = db.execute(insert(Fault).values(words="550 <no> such user", n=0).returning(Fault.id)).scalar_one()
        db.execute(update(Delivery).where(Delivery.task_id == 1).values(fault_id=fault))
    page = await page_of(person, f"/history?fault={fault}")
    assert rows(page) == [1]
    assert "Failed because: 550 &lt;no&gt; such user" in page
    assert f'<input type="hidden" name="fault" value="{fault}">' in page
    assert await found(person, "fault=4711") == []


async def test_every_filter_can_be_taken_away_by_itself(person: Client, database: Database) -> None:
    store(database)
    page = await page_of(person, "/history?status=failed&q=a&subject=b&template=c&since=2026-12-08")
    chips = unescape(page.partition('class="holding"')[2].partition("</ul>")[0])
    assert re.findall(r'href="(/history[^"]*)"', chips) == [
        "/history?status=failed&template=c&subject=b&since=2026-12-08",
        "/history?status=failed&q=a&subject=b&since=2026-12-08",
        "/history?status=failed&q=a&template=c&since=2026-12-08",
        "/history?status=failed&q=a&template=c&subject=b",
        "/history?status=failed",
    ]
    assert '<span class="count">' not in page.partition('id="tabs"')[2].partition("</nav>")[0]


@pytest.mark.parametrize("day", ["2026-13-01", "tomorrow", "9999-12-31", "0001-01-01"])
async def test_a_day_that_is_none_is_a_mistake_at_its_field(person: Client, database: Database, day: str) -> None:
    store(database)
    page = await page_of(person, f"/history?since={day}&until=")
    assert "This is not a date." in page
    assert f'type="text" value="{day}" aria-invalid="true"' in page
    assert '<details class="filter" id="filter" open>' in page
    assert rows(page) == [1]


@pytest.mark.parametrize(
    "query", ["by=%00", "subject=%00", "template=%00", "fault=x", "fault=" + "9" * 30, "since=%00"]
)
async def test_nothing_that_can_be_typed_breaks_the_page(person: Client, database: Database, query: str) -> None:
    store(database)
    await page_of(person, f"/history?{query}")


async def test_tests_are_in_no_list(person: Client, database: Database) -> None:
    store(database, test=True)
    store(database)
    for query in ("", "status=sending", "q=anna", "by=admin@postdate.local"):
        assert await found(person, query) == [2]
