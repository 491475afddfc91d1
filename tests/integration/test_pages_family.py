"""A mail that is written instead of another one: nobody gets both, whichever way they were written or brought back."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from quart.typing import TestClientProtocol as Client
from sqlalchemy import select, update

from app.db import Database
from app.tasks.model import Delivery, Task
from tests.integration.conftest import OUR_PAGE
from tests.integration.test_pages_compose import GOOD, at_field, post, stored
from tests.integration.test_pages_history import page_of, store
from tests.integration.test_pages_rest import set_statuses
from tests.integration.test_pages_task import do
from tests.integration.test_pages_undo_send import typed

TWICE = "Another mail of these reaches bo@example.com"
SOON = datetime.now(UTC) + timedelta(days=2)


@pytest.fixture
def first(database: Database) -> None:
    """A mail that Anna got, and Bo and Cy did not."""
    store(database, "anna@example.com", "bo@example.com", "cy@example.com")
    set_statuses(database, anna="sent", bo="failed", cy="failed")
    moved(database, 1, "failed", sent=1, failed=2, ended_at=datetime.now(UTC))


def moved(database: Database, task_id: int, status: str, **more: object) -> None:
    with database.writing() as db:
        db.execute(update(Task).where(Task.id == task_id).values(status=status, **more))


def status(database: Database, task_id: int) -> str:
    with database.reading() as db:
        return str(db.scalar(select(Task.status).where(Task.id == task_id)))


def reached(database: Database) -> list[str]:
    """Who gets, or got, a mail: each as often as that."""
    with database.reading() as db:
        return sorted(db.scalars(select(Delivery.address).where(Delivery.status.in_(("queued", "sent")))))


async def form(client: Client, to: str = "missed") -> dict[str, str]:
    return typed(await page_of(client, f"/compose?from=1&to={to}"))


async def send(client: Client, letter: dict[str, str], **changed: str) -> tuple[int, str]:
    answer = await client.post("/compose", form=letter | changed, headers=OUR_PAGE)
    return answer.status_code, await answer.get_data(as_text=True)


@pytest.mark.usefixtures("first")
async def test_who_gets_the_first_one_after_all_does_not_get_the_second(person: Client, database: Database) -> None:
    letter = await form(person)
    await do(person, "/tasks/1/retry")
    code, page = await send(person, letter, recipients="Bo@example.com, dan@example.com")
    assert (code, stored(database)) == (422, 1)
    assert "Another mail of these reaches Bo@example.com, or may have." in at_field(page, "recipients")
    assert (await send(person, letter, recipients="dan@example.com"))[0] == 303


@pytest.mark.usefixtures("first")
async def test_a_draft_knows_instead_of_what_it_is(person: Client, database: Database) -> None:
    letter = await form(person)
    await person.post("/drafts", form=letter, headers=OUR_PAGE | {"X-Refresh": "1"})
    draft = typed(await page_of(person, f"/compose?draft={letter['key']}"))
    await do(person, "/tasks/1/retry")
    code, page = await send(person, draft)
    assert (code, stored(database)) == (422, 1)
    assert TWICE in page


@pytest.mark.usefixtures("first")
async def test_once_the_second_is_written_the_first_is_not_tried_again(person: Client, database: Database) -> None:
    assert (await send(person, await form(person)))[0] == 303
    page = await page_of(person, "/tasks/1")
    assert 'Written for those whom this mail missed: <a href="/tasks/2">' in page
    assert "Retry what failed" not in page
    assert "who did not get it" not in page
    _, page = await do(person, "/tasks/1/retry")
    assert "another mail was written instead of it" in page
    assert status(database, 1) == "failed"
    assert "This mail is for those whom another one missed:" in await page_of(person, "/tasks/2")
    assert reached(database) == ["anna@example.com", "bo@example.com", "cy@example.com"]


@pytest.mark.usefixtures("first")
async def test_where_the_second_is_cancelled_the_first_can_be_tried_and_then_the_second_not(
    person: Client, database: Database
) -> None:
    letter = await form(person)
    await send(person, letter, when="later", scheduled_at=f"{SOON:%Y-%m-%dT%H:%M}", zone="UTC")
    await do(person, "/tasks/2/cancel")
    await do(person, "/tasks/1/retry")
    assert status(database, 1) == "queued"
    _, page = await do(person, "/tasks/2/restore")
    assert "another mail was written instead of it" in page
    assert status(database, 2) == "cancelled"
    assert "Bring this mail back" not in await page_of(person, "/tasks/2")
    assert reached(database) == ["anna@example.com", "bo@example.com", "cy@example.com"]


@pytest.mark.usefixtures("first")
async def test_two_people_with_the_same_form_write_to_nobody_twice(person: Client, database: Database) -> None:
    one, other = await form(person), await form(person)
    assert (await send(person, one))[0] == 303
    code, page = await send(person, other)
    assert (code, stored(database)) == (422, 2)
    assert TWICE in page


@pytest.mark.usefixtures("first")
async def test_what_is_written_instead_of_the_second_knows_the_first(person: Client, database: Database) -> None:
    await send(person, await form(person))
    with database.writing() as db:
        db.execute(update(Delivery).where(Delivery.task_id == 2).values(status="failed", attempt=1))
    moved(database, 2, "failed", failed=2, ended_at=datetime.now(UTC))
    third = typed(await page_of(person, "/compose?from=2&to=missed"))
    await do(person, "/tasks/1/retry")
    assert status(database, 1) == "queued"
    assert (await send(person, third))[0] == 422


@pytest.mark.usefixtures("first")
async def test_an_edit_does_not_add_whom_the_first_one_reached(person: Client, database: Database) -> None:
    await send(person, await form(person), when="later", scheduled_at=f"{SOON:%Y-%m-%dT%H:%M}", zone="UTC")
    letter = typed(await page_of(person, "/tasks/2/edit"))
    code, page = await send(person, letter, recipients=letter["recipients"] + "\nanna@example.com")
    assert code == 422
    assert "Another mail of these reaches anna@example.com" in page
    assert (await send(person, letter, subject="Another subject"))[0] == 303


async def test_what_was_undone_and_brought_back_by_another_is_not_sent_twice(
    person: Client, database: Database
) -> None:
    await post(person, recipients="bo@example.com", when="later", scheduled_at=f"{SOON:%Y-%m-%dT%H:%M}", zone="UTC")
    answer = await person.post("/tasks/1/undo", headers=OUR_PAGE)
    letter = typed(await page_of(person, answer.headers["Location"]))
    await do(person, "/tasks/1/restore")
    assert status(database, 1) == "scheduled"
    code, page = await send(person, letter)
    assert (code, stored(database)) == (422, 1)
    assert TWICE in page


async def test_a_copy_is_a_mail_of_its_own(person: Client, database: Database) -> None:
    await post(person, recipients="bo@example.com")
    letter = typed(await page_of(person, "/compose?from=1"))
    assert (await send(person, letter))[0] == 303
    assert reached(database) == ["bo@example.com", "bo@example.com"]


async def test_at_the_same_moment_one_of_both_is_written(person: Client, database: Database) -> None:
    for number in range(1, 11):
        address = f"bo{number}@example.com"
        task_id = store(database, address)
        with database.writing() as db:
            db.execute(update(Delivery).where(Delivery.task_id == task_id).values(status="failed", attempt=1))
        moved(database, task_id, "failed", failed=1, ended_at=datetime.now(UTC))
        letter = typed(await page_of(person, f"/compose?from={task_id}&to=missed"))
        retry = person.post(f"/tasks/{task_id}/retry", headers=OUR_PAGE)
        await asyncio.gather(send(person, letter), retry)
        assert reached(database).count(address) == 1


async def test_a_form_instead_of_what_is_not_there_is_no_form(person: Client, database: Database) -> None:
    assert 'name="instead"' not in await page_of(person, "/compose")
    code, _ = await send(person, GOOD | {"instead": "77"})
    assert (code, stored(database)) == (404, 0)
