"""Connections that the database's server has closed while nobody used them."""

import asyncio
import time

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from app.db import IDLE, AsyncDatabase, Database
from tests.parts import Office

NUMBER = text("SELECT 7")


@pytest.fixture(name="cut")
def _cut(office: Office) -> str:
    """The database's URL, after whose use `cut` ends all other connections; Postgres only."""
    if office.database.engine.dialect.name == "sqlite":
        pytest.skip("SQLite has no server")
    return office.env["DATABASE_URL"]


def end_all(office: Office) -> None:
    with office.database.writing() as db:
        db.execute(text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE datname = current_database() AND pid <> pg_backend_pid()"))  # fmt: skip


def test_it_is_noticed_before_they_are_used(office: Office, cut: str) -> None:
    database = Database(cut)
    with database.reading() as first, database.reading() as second:  # two connections wait in the pool then
        assert first.scalar(NUMBER) == second.scalar(NUMBER) == 7
    end_all(office)
    time.sleep(IDLE + 0.2)
    for _ in range(3):
        with database.writing() as db:
            assert db.scalar(NUMBER) == 7
    database.close()


async def test_the_web_notices_it_as_well(office: Office, cut: str) -> None:
    database = AsyncDatabase(cut)
    async with database.reading() as db:
        assert await db.scalar(NUMBER) == 7
    end_all(office)
    await asyncio.sleep(IDLE + 0.2)
    async with database.reading() as db:
        assert await db.scalar(NUMBER) == 7
    assert await database.read(lambda db: db.scalar(NUMBER)) == 7
    await database.close()


def test_one_that_was_just_used_fails_once(office: Office, cut: str) -> None:
    database = Database(cut)
    with database.reading() as db:
        assert db.scalar(NUMBER) == 7
    end_all(office)
    try:
        with database.reading() as db:
            assert db.scalar(NUMBER) == 7
    except OperationalError:
        with database.reading() as db:
            assert db.scalar(NUMBER) == 7
    database.close()
