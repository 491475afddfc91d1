"""The button that takes back what was just done: what it does, what it says, and when it is too late."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from quart import Quart
from quart.typing import TestClientProtocol as Client
from sqlalchemy import update

from app.db import Database
from app.tasks.model import Task
from app.web.task import undo
from tests.integration.conftest import OUR_PAGE
from tests.integration.test_pages_history import page_of, store
from tests.integration.test_pages_task import do, set_status, task

TOMORROW = datetime.now(UTC) + timedelta(days=1)


def token_in(page: str) -> str:
    found = re.search(
        r'action="/tasks/1/restore" method="post"><input type="hidden" name="token" value="([^"]+)"', page
    )
    assert found, page
    return found[1]


def schedule(database: Database) -> None:
    store(database)
    set_status(database, "scheduled", due_at=TOMORROW, scheduled_at=TOMORROW, zone="Asia/Seoul", rung_at=None)


async def test_a_cancelled_mail_comes_back_with_the_moment_it_had(person: Client, database: Database) -> None:
    schedule(database)
    _, page = await do(person, "/tasks/1/cancel")
    assert ">Undo</button>" in page
    _, page = await do(person, "/tasks/1/restore", token=token_in(page))
    assert "Undone. It will be sent " in page
    assert "Asia/Seoul" in page
    assert (task(database).status, task(database).due_at) == ("scheduled", TOMORROW)


async def test_another_moment_is_taken_back(person: Client, database: Database) -> None:
    schedule(database)
    _, page = await do(person, "/tasks/1/reschedule", scheduled_at="2029-12-08T09:00", zone="UTC")
    assert ">Undo</button>" in page
    _, page = await do(person, "/tasks/1/restore", token=token_in(page))
    assert "Undone. It will be sent " in page
    assert (task(database).due_at, task(database).zone) == (TOMORROW, "Asia/Seoul")


async def test_send_now_is_taken_back_while_nobody_has_begun(person: Client, database: Database) -> None:
    schedule(database)
    _, page = await do(person, "/tasks/1/now")
    token = token_in(page)
    await do(person, "/tasks/1/restore", token=token)
    assert task(database).due_at == TOMORROW
    _, page = await do(person, "/tasks/1/restore", token=token)
    assert "Nothing was undone, because this mail has been changed since." in page


async def test_what_is_held_is_held_again(person: Client, database: Database) -> None:
    schedule(database)
    set_status(database, "scheduled", held=True, due_at=datetime.now(UTC) - timedelta(hours=2))
    _, page = await do(person, "/tasks/1/reschedule", scheduled_at="2029-12-08T09:00", zone="UTC")
    _, page = await do(person, "/tasks/1/restore", token=token_in(page))
    assert "Undone. It is held again, and waits for you." in page
    assert (task(database).held, task(database).attention) == (True, True)


async def test_the_button_says_so_where_undoing_sends_at_once(person: Client, database: Database) -> None:
    store(database)
    _, page = await do(person, "/tasks/1/cancel")
    assert "<button>Undo (sends at once: its time has passed)</button>" in page
    _, page = await do(person, "/tasks/1/restore", token=token_in(page), at_once="no")
    assert "Its time has passed meanwhile, so undoing sends it at once. Nothing was done yet." in page
    assert task(database).status == "cancelled"
    assert '<input type="hidden" name="at_once" value="yes">' in page
    _, page = await do(person, "/tasks/1/restore", token=token_in(page), at_once="yes")
    assert "Undone. Its time has passed, so it is being sent now." in page
    assert task(database).status == "queued"


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ("started", "Too late: it is being sent right now."),
        ("finished", "Too late: it has been sent already."),
        ("scheduled", "Nothing was undone, because this mail has been changed since."),
    ],
)
async def test_a_stale_button_finds_nothing_to_move_and_says_why(
    person: Client, database: Database, status: str, told: str
) -> None:
    schedule(database)
    _, page = await do(person, "/tasks/1/reschedule", scheduled_at="2029-12-08T09:00", zone="UTC")
    later = TOMORROW + timedelta(days=9)
    set_status(database, status, due_at=later)
    _, page = await do(person, "/tasks/1/restore", token=token_in(page))
    assert told in page
    assert (task(database).status, task(database).due_at) == (status, later)


async def test_a_token_is_for_its_own_task_and_cannot_be_made_up(person: Client, database: Database) -> None:
    schedule(database)
    store(database, "ben@example.com")
    _, page = await do(person, "/tasks/1/cancel")
    token = token_in(page)
    for path, wrong in (("/tasks/2/restore", token), ("/tasks/1/restore", token[:-2] + "xx"), ("/tasks/1/restore", "")):
        _, page = await do(person, path, token=wrong)
        assert "Too late to undo: that is possible for ten minutes." in page
    with database.reading() as db:
        assert db.get(Task, 1).status == "cancelled"  # type: ignore[union-attr]


async def test_a_token_is_good_for_ten_minutes(person: Client, app: Quart, database: Database) -> None:
    schedule(database)
    await do(person, "/tasks/1/cancel")
    async with app.app_context():
        token = undo.write(undo.Undo(1, 0, TOMORROW, cancelled_at=task(database).ended_at))
        assert undo.read(token, 1)
        assert undo.read(token, 1, good_for=-1) is None
        assert undo.GOOD_FOR == 600


async def test_undo_needs_a_post_from_our_own_page(person: Client, database: Database) -> None:
    schedule(database)
    _, page = await do(person, "/tasks/1/cancel")
    answer = await person.post(
        "/tasks/1/restore", form={"token": token_in(page)}, headers=OUR_PAGE | {"Sec-Fetch-Site": "cross-site"}
    )
    assert answer.status_code == 403
    assert (await person.get("/tasks/1/restore")).status_code == 405
    assert task(database).status == "cancelled"


async def test_it_speaks_korean(person: Client, database: Database) -> None:
    schedule(database)
    await page_of(person, "/history?lang=ko")
    _, page = await do(person, "/tasks/1/cancel")
    assert ">되돌리기</button>" in page
    with database.writing() as db:
        db.execute(update(Task).values(status="finished"))
    _, page = await do(person, "/tasks/1/restore", token=token_in(page))
    assert "늦었습니다. 이미 보냈습니다." in page
