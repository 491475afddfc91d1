"""A task's page: its recipients with the server's words, its moves, and what a person can still do."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from quart.typing import TestClientProtocol as Client
from sqlalchemy import select, update

from app.db import Database
from app.tasks.model import Delivery, Task
from app.worker.limited import LIMITED
from tests.integration.conftest import OUR_PAGE
from tests.integration.test_pages_compose import at_field
from tests.integration.test_pages_history import page_of, store
from tests.parts import answer


async def do(client: Client, path: str, **form: str) -> tuple[int, str]:
    """Press a button: the status, and the page that follows."""
    response = await client.post(path, form=form, headers=OUR_PAGE)
    if response.status_code != 303:
        return response.status_code, await response.get_data(as_text=True)
    return 303, await page_of(client, response.headers["Location"])


def task(database: Database) -> Task:
    with database.reading() as db:
        return db.scalars(select(Task)).one()


def set_status(database: Database, status: str, **more: object) -> None:
    with database.writing() as db:
        db.execute(update(Task).values(status=status, **more))


async def test_it_shows_facts_recipients_the_servers_words_and_every_move(person: Client, database: Database) -> None:
    store(database, "anna@example.com", "홍길동 <hong@example.com>")
    with database.writing() as db:
        db.execute(
            update(Delivery)
            .where(Delivery.address == "hong@example.com")
            .values(status="failed", attempt=2, reply="550 5.1.1 <hong@example.com>: no such mailbox")
        )
    set_status(database, "failed", who="reconciler", why="Its worker was lost.", failed=1, sent=1)
    page = await page_of(person, "/tasks/1")
    assert "<code>550 5.1.1 &lt;hong@example.com&gt;: no such mailbox</code>" in page
    assert "Attempt 2" in page
    assert "홍길동" in page
    assert "Queued → <b>Failed</b>" in page
    assert "1 sent, 1 failed" in page
    korean = await page_of(person, "/tasks/1?lang=ko")
    assert "메일을 보내던 프로그램이 중단되었습니다." in korean
    assert "자동 점검" in korean


@pytest.mark.parametrize("number", ["999", "0", str(2**63 - 1), str(2**63), "9" * 40, "x", "-1"])
async def test_a_task_that_is_not_there_is_a_page_that_says_so(person: Client, number: str) -> None:
    page = await page_of(person, f"/tasks/{number}", 404)
    assert "There is nothing at this address." in page
    for verb in ("cancel", "retry", "reschedule"):
        refused = await person.post(f"/tasks/{number}/{verb}", headers=OUR_PAGE)
        assert refused.status_code == 404


async def test_cancel_takes_back_what_waits(person: Client, database: Database) -> None:
    store(database)
    code, page = await do(person, "/tasks/1/cancel")
    assert (code, task(database).status) == (303, "cancelled")
    assert "Cancelled. Nothing more of it will be sent." in page
    assert "admin@postdate.local" in page
    assert "/cancel" not in page


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ("started", "Too late: it is being sent right now."),
        ("finished", "Too late: it has been sent already."),
        ("failed", "Too late: it has been sent already."),
        ("cancelled", "It was cancelled already."),
    ],
)
async def test_too_late_is_said_in_one_sentence_and_changes_nothing(
    person: Client, database: Database, status: str, told: str
) -> None:
    store(database)
    set_status(database, status)
    at = f"{datetime.now(UTC) + timedelta(days=2):%Y-%m-%dT%H:%M}"
    for verb in ("cancel", "reschedule"):
        code, page = await do(person, f"/tasks/1/{verb}", scheduled_at=at, zone="UTC")
        assert code == 303
        assert told in page
    assert task(database).status == status


async def test_reschedule_gives_it_another_moment(person: Client, database: Database) -> None:
    store(database)
    code, page = await do(person, "/tasks/1/reschedule", scheduled_at="2027-12-08T09:00", zone="Asia/Seoul")
    assert code == 303
    assert "Rescheduled. It will be sent Wed 8 Dec 2027, 09:00 Asia/Seoul." in page
    assert 'value="2027-12-08T09:00"' in page
    assert task(database).due_at == datetime(2027, 12, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "zone", "field", "told"),
    [
        ("", "UTC", "scheduled_at", "Choose a date and a time"),
        ("soon", "UTC", "scheduled_at", "This is not a date and time."),
        ("2020-01-01T09:00", "UTC", "scheduled_at", "This moment has passed."),
        ("2027-03-14T02:30", "America/New_York", "scheduled_at", "02:30 does not exist that night"),
        ("2027-10-31T01:30", "Europe/London", "scheduled_at", "01:30 happens twice that night"),
        ("2027-12-08T09:00", "Mars/Olympus", "zone", "There is no time zone named Mars/Olympus."),
    ],
)
async def test_a_bad_new_moment_comes_back_as_it_was_typed(
    person: Client, database: Database, at: str, zone: str, field: str, told: str
) -> None:
    store(database)
    before = task(database).due_at
    code, page = await do(person, "/tasks/1/reschedule", scheduled_at=at, zone=zone)
    assert code == 422
    assert told in at_field(page, field)
    assert "<title>Error: " in page
    assert '<details class="reschedule" open ' in page
    assert at in page
    assert zone in page
    assert 'href="/tasks/1?lang=ko"' in page  # the page answers a POST; its language links do not
    assert task(database).due_at == before


async def test_why_what_was_begun_waits_is_said_above(person: Client, database: Database) -> None:
    store(database)
    waits = {"attempt": 1, "rung_at": None, "due_at": datetime(2030, 1, 1, tzinfo=UTC), "why": LIMITED}
    set_status(database, "queued", **waits)
    head = (await page_of(person, "/tasks/1?lang=ko")).partition('id="actions"')[0]
    assert "정해 둔 발송 한도에 닿았습니다." in head


async def test_what_was_told_twice_meanwhile_is_said_once(person: Client, database: Database) -> None:
    store(database, scheduled_at=datetime(2030, 1, 1, tzinfo=UTC))
    set_status(database, "cancelled")
    for wish in ("fixes", "at-2031-01-01T09:00"):
        await person.post("/tasks/1/reschedule", form={"do": wish}, headers=OUR_PAGE)
    assert (await page_of(person, "/tasks/1")).count("It was cancelled already.") == 1


async def test_what_the_script_asks_for_by_itself_takes_away_nothing_that_is_to_be_told(
    person: Client, database: Database
) -> None:
    store(database, scheduled_at=datetime(2030, 1, 1, tzinfo=UTC))
    set_status(database, "cancelled")
    part = OUR_PAGE | {"X-Part": "1"}
    asked = await person.post("/tasks/1/reschedule", form={"do": "fixes"}, headers=part)
    assert asked.status_code == 303
    assert "Set-Cookie" not in asked.headers
    await person.post("/tasks/1/reschedule", form={"scheduled_at": "2031-01-01T09:00"}, headers=OUR_PAGE)
    followed = await person.get("/tasks/1", headers=part)  # what was asked for above, and came late
    assert "Set-Cookie" not in followed.headers
    assert (await page_of(person, "/tasks/1")).count("It was cancelled already.") == 1


async def test_a_quick_pick_fills_the_field_and_changes_nothing(person: Client, database: Database) -> None:
    store(database)
    code, page = await do(person, "/tasks/1/reschedule", do="at-2027-12-08T09:00", zone="Asia/Seoul")
    assert code == 200
    assert re.search(r'name="scheduled_at"[^>]* value="2027-12-08T09:00"', page)
    assert task(database).status == "queued"


async def test_retry_tries_again_what_failed_only(person: Client, database: Database) -> None:
    store(database, "anna@example.com", "ben@example.com")
    with database.writing() as db:
        db.execute(update(Delivery).values(status="sent"))
        db.execute(update(Delivery).where(Delivery.address == "ben@example.com").values(status="failed"))
    set_status(database, "failed", sent=1, failed=1)
    assert "/tasks/1/retry" in await page_of(person, "/tasks/1")
    code, page = await do(person, "/tasks/1/retry")
    assert code == 303
    assert "What failed is being tried again." in page
    with database.reading() as db:
        found = {one.address: one.status for one in db.scalars(select(Delivery))}
    assert found == {"anna@example.com": "sent", "ben@example.com": "queued"}
    _, page = await do(person, "/tasks/1/retry")
    assert "There is nothing here to try again." in page


async def test_what_is_unknown_is_explained(person: Client, database: Database) -> None:
    store(database)
    set_status(database, "failed", unknown=1)
    page = await page_of(person, "/tasks/1")
    assert "It may have arrived." in page
    assert "/tasks/1/retry" not in page


async def test_many_recipients_come_in_pages(person: Client, database: Database) -> None:
    store(database, *(f"person{n:03}@example.com" for n in range(120)))
    page = await page_of(person, "/tasks/1")
    assert page.count('<td class="whom">') == 50
    assert 'href="/tasks/1?after=person049%40example.com"' in page
    page = await page_of(person, "/tasks/1?after=person099%40example.com")
    assert page.count('<td class="whom">') == 20
    assert 'rel="next"' not in page


async def test_beside_the_servers_words_stands_what_they_mean_and_what_happens_next(
    person: Client, database: Database
) -> None:
    store(database, "anna@example.com", "ben@example.com", "cleo@example.com")
    answer(database, 1, {"anna@example.com": "550 5.1.1 no such user", "ben@example.com": "450 4.2.2 over quota"})
    page = await page_of(person, "/tasks/1")
    assert "This mailbox does not exist." in page
    assert "It is not tried again by itself." in page
    assert "This mailbox is full." in page
    assert "Next attempt: in" in page
    assert '"/tasks/1/message?address=ben%40example.com"' in page
    one = await page_of(person, "/tasks/1/message?address=anna@example.com")
    assert "<code>550 5.1.1 no such user</code>" in one
    assert "This mailbox does not exist." in one
    korean = await page_of(person, "/tasks/1/message?address=anna@example.com&lang=ko")
    assert "자동으로 다시 보내지 않습니다." in korean
    await page_of(person, "/tasks/1/message?address=nobody@example.com", 404)


async def test_who_failed_is_found_among_many_by_status_and_by_address(person: Client, database: Database) -> None:
    store(database, *(f"person{n:03}@example.com" for n in range(120)))
    answer(database, 1, {f"person{n:03}@example.com": "550 5.1.1 no such user" for n in (7, 77, 117)})
    page = await page_of(person, "/tasks/1")
    assert re.search(r'\?status=failed">Failed <span class="count">3</span>', page)
    failed = await page_of(person, "/tasks/1?status=failed")
    assert re.findall(r'class="whom"><a[^>]*>(\w+)@', failed) == ["person007", "person077", "person117"]
    found = await page_of(person, "/tasks/1?q=PERSON07")
    assert found.count('<td class="whom">') == 10
    assert (await page_of(person, "/tasks/1?q=person_7")).count('<td class="whom">') == 0, "no pattern"
    further = await page_of(person, "/tasks/1?status=sent&q=person")
    assert 'href="/tasks/1?status=sent&amp;q=person&amp;after=person050%40example.com"' in further


async def test_older_events_are_reached(person: Client, database: Database) -> None:
    store(database, *(f"person{n:03}@example.com" for n in range(250)))
    answer(database, 1, {})
    page = await page_of(person, "/tasks/1")
    older = re.search(r'rel="prev" href="(/tasks/1\?before=\d+)', page)
    assert older
    rest = await page_of(person, older[1])
    assert 'rel="prev"' not in rest
    assert page.count("<li data-status") + rest.count("<li data-status") == 253


async def test_who_did_not_get_it_can_be_written_to_without_the_others(person: Client, database: Database) -> None:
    store(database, "anna@example.com", "Bob <bob@example.com>", "cho@example.com")
    answer(database, 1, {"bob@example.com": "550 5.1.1 No such user"})
    page = await page_of(person, "/tasks/1")
    assert "Write to the 1 who did not get it" in page
    form = await page_of(person, "/compose?from=1&to=missed")
    assert "Bob &lt;bob@example.com&gt;</textarea>" in form
    assert "To those only who did not get the first one." in form
    assert "anna@example.com" not in form


@pytest.mark.parametrize("replies", [{}, {"anna@example.com": "550 No"}])
async def test_where_all_or_none_got_it_there_is_nobody_to_pick_out(
    person: Client, database: Database, replies: dict[str, str]
) -> None:
    store(database, "anna@example.com")
    answer(database, 1, replies)
    assert "who did not get it" not in await page_of(person, "/tasks/1")


async def test_what_reached_some_is_not_called_failed_altogether(person: Client, database: Database) -> None:
    store(database, "anna@example.com", "bo@example.com")
    set_status(database, "failed", sent=1, failed=1)
    assert "Partly failed" in await page_of(person, "/history")
    assert "일부 실패" in await page_of(person, "/tasks/1?lang=ko")
    set_status(database, "failed", sent=0, failed=2)
    assert "일부 실패" not in await page_of(person, "/history?lang=ko")


async def test_what_only_nobody_knows_is_not_called_failed(person: Client, database: Database) -> None:
    store(database, "anna@example.com")
    set_status(database, "failed", unknown=1)
    with database.writing() as db:
        db.execute(update(Delivery).values(status="unknown", attempt=1))
    for path in ("/history", "/tasks/1", "/tasks/1/message?address=anna@example.com"):
        page = await page_of(person, path)
        assert 'class="badge" data-status="unknown"' in page, path
        assert 'class="badge" data-status="failed"' not in page, path
    assert 'name="decision" value="arrived"' in page


async def test_what_is_held_says_so_in_its_badge(person: Client, database: Database) -> None:
    store(database, scheduled_at=datetime(2030, 1, 1, tzinfo=UTC))
    set_status(database, "scheduled", held=True)
    assert 'class="badge" data-status="held"' in await page_of(person)


@pytest.mark.parametrize("path", ["/compose", "/tasks/1", "/history"])
async def test_that_no_worker_runs_is_said_where_mail_is_written_and_followed(
    person: Client, database: Database, path: str
) -> None:
    store(database)
    assert "No worker is running: mail will wait." in await page_of(person, path)


async def test_of_a_mail_that_is_over_no_worker_is_missed(person: Client, database: Database) -> None:
    store(database)
    answer(database, 1, {})
    assert "No worker is running" not in await page_of(person, "/tasks/1")
