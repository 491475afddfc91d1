"""What a worker knows of its own lease: never more than the row says, and never less for having had to wait."""

import time
from collections.abc import Iterator
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from app.config import TEMPLATES
from app.db import Database
from app.mail.addresses import parse
from app.mail.outcome import Kind
from app.mail.templates import Templates
from app.mail.transport import Connection, parse_url
from app.tasks import lifecycle
from app.tasks.model import Task
from app.worker.editions import Editions
from app.worker.handed import hand_over
from app.worker.hold import RENEW, Hold, Renewal
from tests.parts import Office

SENDER = parse("postdate@example.com")


@pytest.fixture
def held(office: Office) -> Hold:
    """A task that somebody has claimed, and can write."""
    task_id = office.submit(2, rings=False)
    with office.database.writing() as db:
        task = db.execute(lifecycle.claim(task_id, 0, "token", "me")).one()
        held = Hold(task, "token", time.monotonic() + lifecycle.LEASE)
        Editions(Templates(TEMPLATES), SENDER, ZoneInfo("UTC")).choose(db, held)
    return held


@pytest.fixture
def connection(office: Office) -> Iterator[Connection]:
    connection = Connection(parse_url(office.sink.url))
    yield connection
    connection.close()


def test_a_renewal_that_had_to_wait_leaves_the_end_that_the_work_was_given_meanwhile(
    office: Office, held: Hold
) -> None:
    database = Database(office.env["DATABASE_URL"])
    renewal = Renewal(database)
    with renewal.of([held]), office.database.writing() as db:  # to leave is to wait for the renewal on its way
        db.execute(select(Task.id).with_for_update()).all()
        time.sleep(RENEW + 0.5)
        given = held.lease_end = time.monotonic() + lifecycle.LEASE
    assert held.lease_end >= given
    assert not held.taken_over
    renewal.close()
    database.close()


def test_a_renewal_of_what_somebody_else_has_by_now_ends_the_lease(office: Office, held: Hold) -> None:
    database = Database(office.env["DATABASE_URL"])
    renewal = Renewal(database)
    with office.database.writing() as db:
        db.execute(lifecycle.settle(held.task.id, held.token, "it had its turn")).one()
    with renewal.of([held]):
        time.sleep(RENEW + 0.5)
    assert held.taken_over
    assert held.lost
    renewal.close()
    database.close()


def test_a_message_that_is_not_finished_because_the_lease_ran_out_was_no_attempt(
    office: Office, held: Hold, connection: Connection
) -> None:
    with office.database.writing() as db:
        first, second = db.execute(lifecycle.mark(held.task.id, held.token, 2, held.edition.digest)).all()

    def run_out(step: str, address: str) -> None:
        if step == "data" and address == first.address:
            held.lease_end = 0.0

    office.sink.script = run_out
    assert hand_over(held, first, connection, SENDER.address).outcome is None
    held.lease_end = time.monotonic() + lifecycle.LEASE
    outcome = hand_over(held, second, connection, SENDER.address).outcome
    assert outcome
    assert outcome.kind is Kind.sent
    assert [taken.address for taken in office.sink.taken] == [second.address]
