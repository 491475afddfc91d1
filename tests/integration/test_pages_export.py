"""The export: what comes, in which form, and what a spreadsheet must not do with it."""

import csv
import json
import re
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest
from quart.typing import TestClientProtocol as Client
from sqlalchemy import update

from app.db import Database
from app.tasks.export import ROWS
from app.tasks.model import Delivery, Task
from app.web.history.export import COLUMNS
from tests.integration.test_pages_filters import change
from tests.integration.test_pages_history import page_of, store
from tests.parts import answer

GONE = "550 5.1.1 no such user"


async def table(client: Client, query: str = "") -> list[dict[str, str]]:
    text = (await (await client.get(f"/export.csv?{query}")).get_data()).decode("utf-8-sig")
    return list(csv.DictReader(StringIO(text, newline="")))


async def objects(client: Client, query: str = "") -> list[dict[str, Any]]:
    lines = (await (await client.get(f"/export.ndjson?{query}")).get_data()).decode().splitlines()
    return [json.loads(line) for line in lines]


def as_cell(value: Any) -> str:
    if isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\dT", value):
        return f"{datetime.fromisoformat(value):%Y-%m-%d %H:%M:%S}"
    return "" if value is None else str(value)


async def test_each_recipient_is_a_line_with_all_that_is_known_of_it(person: Client, database: Database) -> None:
    at = datetime(2026, 12, 8, 9, tzinfo=UTC)
    store(database, "홍길동 <hong@example.com>", "anna@example.com", queue="low", title='봄 소식, "첫째"\n호')
    answer(database, 1, {"anna@example.com": GONE})
    change(database, 1, created_at=at)
    gone, sent = await objects(person)
    assert list(gone) == list(COLUMNS)
    assert {name: gone[name] for name in ("task_id", "task_status", "queue", "written_by", "address", "status")} == {
        "task_id": 1, "task_status": "failed", "queue": "low", "written_by": "admin@postdate.local",
        "address": "anna@example.com", "status": "failed",
    }  # fmt: skip
    assert (gone["attempt"], gone["reply"], gone["scheduled_at"]) == (1, GONE, None)
    assert (sent["name"], sent["status"], sent["subject"]) == ("홍길동", "sent", '봄 소식, "첫째"\n호')
    assert sent["message_id"].startswith("<")
    assert gone["created_at"] == "2026-12-08T09:00:00.000000+00:00"
    assert all(datetime.fromisoformat(one["updated_at"]).tzinfo for one in (gone, sent))
    in_cells = await table(person)
    assert in_cells == [{name: as_cell(it) for name, it in one.items()} | {"time_zone": "UTC"} for one in (gone, sent)]
    assert in_cells[0]["created_at"] == "2026-12-08 09:00:00"


async def test_a_spreadsheet_knows_the_file_and_a_browser_saves_it(person: Client, database: Database) -> None:
    store(database, "김민아 <mina@example.com>")
    got = await person.get("/export.csv")
    body = await got.get_data()
    assert body.startswith(b"\xef\xbb\xbftask_id,task_status,")
    assert body.count(b"\r\n") == 2
    assert "김민아".encode() in body
    assert got.content_type == "text/csv; charset=utf-8; header=present"
    name = rf'attachment; filename="postdate-{datetime.now(UTC):%Y-%m}-\d\d\.csv"'
    assert re.fullmatch(name, got.headers["Content-Disposition"])
    assert got.headers["X-Content-Type-Options"] == "nosniff"
    assert got.headers["Cache-Control"] == "no-store"
    got = await person.get("/export.ndjson")
    assert got.content_type == "application/x-ndjson; charset=utf-8"
    assert got.headers["Content-Disposition"].endswith('.ndjson"')


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        *((f"{mark}1+1", f"'{mark}1+1") for mark in "=+-@\t\r\n＝＋－＠"),
        ('=HYPERLINK("http://evil.example","a")', '\'=HYPERLINK("http://evil.example","a")'),
        *((text, text) for text in ("a=1", " =1", "'=1", "1-1", "", "<=>", '홍길동, "길"')),
    ],
)
async def test_no_cell_is_a_formula_and_ndjson_is_exact(
    person: Client, database: Database, text: str, cell: str
) -> None:
    store(database)
    with database.writing() as db:
        db.execute(update(Delivery).values(name=text, reply=text))
        db.execute(update(Task).values(title=text or "x", created_by=text))
    (in_cells,), (exact,) = await table(person), await objects(person)
    for name in ("name", "reply", "written_by", *(["subject"] if text else [])):
        assert (in_cells[name], exact[name]) == (cell, text), name


async def test_what_comes_is_what_the_history_shows(person: Client, database: Database) -> None:
    store(database, "anna@example.com", "Mina@example.com", template="email/reminder")
    store(database, "mina@example.com", "zoe@example.com")
    store(database, test=True)
    answer(database, 2, {"zoe@example.com": GONE})

    async def found(query: str) -> list[tuple[int, str]]:
        return [(one["task_id"], one["address"]) for one in await objects(person, query)]

    first = [(1, "Mina@example.com"), (1, "anna@example.com")]
    second = [(2, "mina@example.com"), (2, "zoe@example.com")]
    assert await found("") == await found("status=&q=") == await found("cursor=2") == [*second, *first]
    assert await found("status=failed") == second
    assert await found("status=sending") == await found("template=email/reminder") == first
    assert await found("status=cancelled") == []
    assert await found("q=MINA") == [second[0], first[0]]
    assert await found("q=mina&status=failed") == [second[0]]
    assert await found("fault=2") == [second[1]]
    assert len(await table(person, "fault=2")) == 1


async def test_portions_fit_together_however_large_tasks_are(person: Client, database: Database) -> None:
    sizes = [1, 2, 3, ROWS - 1, 1, ROWS, 1, ROWS + 1, 2 * ROWS, 250, 249, 1, 250, 250]
    for size in sizes:
        store(database, *(f"r{n}@example.com" for n in range(size)))
    expected = [
        (len(sizes) - n, address)
        for n, size in enumerate(reversed(sizes))
        for address in sorted(f"r{each}@example.com" for each in range(size))
    ]
    assert [(one["task_id"], one["address"]) for one in await objects(person)] == expected


async def test_a_day_that_is_none_does_not_bring_everything(person: Client, database: Database) -> None:
    store(database)
    got = await person.get("/export.csv?since=2026-13-01&status=failed")
    assert (got.status_code, got.headers["Location"]) == (303, "/history?since=2026-13-01&status=failed")


async def test_head_asks_for_no_row(person: Client, database: Database) -> None:
    store(database)
    got = await person.head("/export.csv")
    assert (got.status_code, await got.get_data()) == (200, b"")


async def test_the_history_leads_to_the_files_and_says_how_many_mails(person: Client, database: Database) -> None:
    assert "/export" not in await page_of(person)
    for _ in range(51):
        store(database)
    change(database, 7, status="cancelled")
    page = await page_of(person)
    assert "These 51 mails as a file:" in page
    assert 'href="/export.csv" download>CSV</a>' in page
    page = await page_of(person, "/history?status=cancelled")
    assert "This 1 mail as a file:" in page
    assert 'href="/export.ndjson?status=cancelled" download>NDJSON</a>' in page
    assert "Everything that matches, as a file:" in await page_of(person, "/history?q=anna&cursor=51")
    assert "조건에 맞는 메일 전체를 파일로 받기:" in await page_of(person, "/history?q=anna&lang=ko")
