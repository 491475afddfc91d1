"""What only a person can decide: messages that may have arrived, and mail that came due too late."""

from datetime import UTC, datetime, timedelta

from quart.typing import TestClientProtocol as Client
from sqlalchemy import select, update

from app.db import Database
from app.tasks.model import Delivery, Task
from tests.integration.test_pages_history import page_of, store
from tests.integration.test_pages_task import do, set_status, task


def make_unknown(database: Database) -> None:
    """Two messages that may have arrived, and one that did."""
    store(database, "anna@example.com", "bo@example.com", "cy@example.com")
    with database.writing() as db:
        db.execute(update(Delivery).values(status="sent", attempt=1))
        db.execute(
            update(Delivery).where(Delivery.address < "c").values(status="unknown", reply="No answer was heard.")
        )
    set_status(database, "failed", sent=1, unknown=2, rung_at=datetime.now(UTC))


def statuses(database: Database) -> dict[str, str]:
    with database.reading() as db:
        return {address: status for address, status in db.execute(select(Delivery.address, Delivery.status))}


async def test_of_each_unknown_one_a_person_says_that_it_arrived_or_has_it_sent_again(
    person: Client, database: Database
) -> None:
    make_unknown(database)
    page = await page_of(person, "/tasks/1")
    assert page.count("Send again (may arrive twice)") == 2
    _, page = await do(person, "/tasks/1/decide", decision="arrived", address="anna@example.com")
    assert "Noted: it arrived." in page
    _, page = await do(person, "/tasks/1/decide", decision="again", address="bo@example.com")
    assert "It is being sent again, and may arrive twice." in page
    assert statuses(database) == {"anna@example.com": "sent", "bo@example.com": "queued", "cy@example.com": "sent"}
    decided = task(database)
    assert (decided.status, decided.sent, decided.unknown) == ("queued", 2, 0)


async def test_all_of_them_can_be_decided_at_once(person: Client, database: Database) -> None:
    make_unknown(database)
    await do(person, "/tasks/1/decide", decision="arrived")
    assert set(statuses(database).values()) == {"sent"}


async def test_a_decision_that_comes_twice_or_is_none_changes_nothing(person: Client, database: Database) -> None:
    make_unknown(database)
    assert (await do(person, "/tasks/1/decide", decision="maybe"))[0] == 400
    await do(person, "/tasks/1/decide", decision="arrived")
    before = statuses(database)
    _, page = await do(person, "/tasks/1/decide", decision="again")
    assert "There is nothing here to decide any more." in page
    assert statuses(database) == before


async def test_what_is_held_says_so_and_goes_out_when_a_person_says_now(person: Client, database: Database) -> None:
    store(database)
    set_status(database, "scheduled", held=True, rung_at=None, due_at=datetime.now(UTC) - timedelta(hours=3))
    assert "Held" in await page_of(person, "/history")
    page = await page_of(person, "/tasks/1")
    assert "it could not be sent in time, so it waits for you" in page
    _, page = await do(person, "/tasks/1/now")
    assert "It is being sent now." in page
    with database.reading() as db:
        held, hold_after = db.execute(select(Task.held, Task.hold_after)).one()
    assert (held, hold_after) == (False, None)


async def test_sending_now_what_has_started_is_too_late(person: Client, database: Database) -> None:
    store(database)
    set_status(database, "started")
    _, page = await do(person, "/tasks/1/now")
    assert "Too late: it is being sent right now." in page


async def test_a_pause_and_a_missing_worker_are_told_above_the_history(person: Client, database: Database) -> None:
    from app.tasks import sender

    with database.writing() as db:
        db.execute(sender.pause("421 4.3.2 closing", 60))
    page = await page_of(person, "/history")
    assert "No worker is running: mail will wait." in page
    assert "The mail server is in trouble, so mail waits and is tried again: 421 4.3.2 closing" in page
