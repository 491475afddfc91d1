"""Statements that are prepared: as SQLAlchemy's own in all but the time that they take."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Integer,
    MetaData,
    Numeric,
    Select,
    String,
    Table,
    Update,
    bindparam,
    create_engine,  # fmt: skip
    func,
    insert,
    literal,
    select,
    text,
    update,
)
from sqlalchemy.exc import IntegrityError, InvalidRequestError, OperationalError, SQLAlchemyError

from app.db import AsyncDatabase, Instant, Prepared, Statement, prepared, rows
from tests.parts import Office, wait_until

things = Table(
    "things", MetaData(),
    Column("id", Integer, primary_key=True), Column("name", String(20), unique=True), Column("at", Instant()),
    Column("said", JSON), Column("is_good", Boolean), Column("price", Numeric(10, 2)),
)  # fmt: skip
GIVEN = {
    "name": "50 % of it: a", "at": datetime(2026, 3, 29, 1, 30, 0, 123000, UTC), "said": {"a": ["한", None]},
    "is_good": True, "price": 3,
}  # fmt: skip
INSERT = Statement(
    insert(things)
    .values({name: bindparam(f"new_{name}", type_=things.c[name].type) for name in GIVEN})
    .returning(*things.c, (things.c.price + 1).label("more"), func.coalesce(things.c.name, "nobody"))
)


@prepared
def named(name: str) -> Select[int]:
    return select(things.c.id).where(things.c.name == name)


@prepared
def among(ids: list[int], but: str = "") -> Select[str]:
    return select(things.c.name).where(things.c.id.in_(ids), things.c.name.not_in(("x", "y")), things.c.name != but)


@prepared
def rename(thing_id: int, name: str) -> Update:
    return update(things).where(things.c.id == thing_id).values(name=name)


@prepared
def count_for_long(n: int) -> Select[int]:
    """On SQLite, which cannot sleep."""
    numbers = select(literal(1).label("n")).cte("numbers", recursive=True)
    numbers = numbers.union_all(select(numbers.c.n + 1).where(numbers.c.n < n))
    return select(func.count()).select_from(numbers)


@prepared
def sleep(seconds: float) -> Select[None]:
    return select(func.pg_sleep(seconds))


@pytest.fixture(autouse=True)
def _things(office: Office) -> Iterator[None]:
    things.metadata.create_all(office.database.engine)
    yield
    things.metadata.drop_all(office.database.engine)


def put(office: Office, **more: Any) -> Any:
    with office.database.writing() as db:
        values = {f"new_{name}": value for name, value in (GIVEN | more).items()}
        return db.execute(Prepared(INSERT, [values])).one()


def test_what_goes_in_and_comes_out_is_as_of_any_other_statement(office: Office) -> None:
    for name in ("first", "second"):
        stored = put(office, name=name)
        with office.database.reading() as db:
            plain = db.execute(select(things).where(things.c.id == stored.id)).one()
        assert stored[:6] == plain
        assert stored.at == GIVEN["at"]
        assert (stored.said, stored.is_good, stored.more) == (GIVEN["said"], True, 4)
        assert stored[-1] == name
        assert isinstance(stored.price, type(plain.price))


def test_lists_may_be_of_any_length(office: Office) -> None:
    ids = [put(office, name=f"thing {n}").id for n in range(5)]
    with office.database.reading() as db:
        for some in (ids[:2], ids, [], ids[1:3], ids[:1]):
            found = db.execute(among(some)).scalars().all()
            assert sorted(found) == [f"thing {ids.index(each)}" for each in some]
        assert db.execute(among(ids[:2], but="thing 0")).scalars().all() == ["thing 1"]


def test_all_that_is_read_at_once_is_of_one_moment(office: Office) -> None:
    put(office, name="a")
    with office.database.reading() as db:
        found = db.scalars(named("a")).all()
        put(office, name="b")
        assert db.scalar(named("a")) == found[0]
        is_there = db.scalar(named("b")) is not None
    assert is_there == (office.database.engine.dialect.name == "postgresql"), "there each statement has its own"


def test_who_only_reads_leaves_nothing_behind(office: Office) -> None:
    thing_id = put(office, name="a").id
    if office.database.engine.dialect.name == "sqlite":
        with office.database.reading() as db:
            db.execute(rename(thing_id, "b"))
    with office.database.reading() as db:
        assert db.scalar(named("a")) == thing_id


async def test_it_is_the_same_where_it_is_awaited(office: Office) -> None:
    stored, database = put(office, name="a"), AsyncDatabase(office.env["DATABASE_URL"])
    values = {f"new_{name}": value for name, value in (GIVEN | {"name": "b"}).items()}
    async with database.writing() as db:
        awaited = (await db.execute(Prepared(INSERT, [values]))).one()  # type: ignore[call-overload]
        assert awaited[2:6] == stored[2:6]
        assert (await db.scalars(among([stored.id, awaited.id]))).all() == ["a", "b"]
    assert put(office, name="c")[2:6] == stored[2:6]
    await database.close()


def test_many_at_once_are_counted(office: Office) -> None:
    ids = [put(office, name=f"thing {n}").id for n in range(3)]
    with office.database.writing() as db:
        assert rows(db.execute(rename(ids[0], "new"))) == 1
        assert rows(db.execute(rename(0, "nobody"))) == 0
        statement: Any = rename(0, "")
        many: Any = Prepared(statement.statement, [{"in_thing_id": each, "in_name": f"n{each}"} for each in ids])
        assert rows(db.execute(many)) == 3
        assert db.execute(among(ids)).scalars().all() == [f"n{each}" for each in ids]


def test_a_value_that_is_missing_is_an_error_the_second_time_too(office: Office) -> None:
    put(office)
    for _ in range(2):
        with office.database.writing() as db, pytest.raises((SQLAlchemyError, KeyError)):
            db.execute(named())  # type: ignore[call-arg]
        with office.database.reading() as db:
            assert db.scalar(named(GIVEN["name"]))


def test_what_python_would_fill_in_is_refused(office: Office) -> None:
    filled = Table("filled", MetaData(), Column("id", Integer, primary_key=True), Column("n", Integer, default=7))
    with office.database.reading() as db, pytest.raises(ValueError, match="names the values"):
        db.execute(Prepared(Statement(insert(filled).values(id=1)), [{}]))  # type: ignore[call-overload]


def test_errors_are_those_of_any_other_statement(office: Office) -> None:
    put(office, name="secret")
    with pytest.raises(IntegrityError) as caught:
        put(office, name="secret")
    assert "INSERT INTO things" in str(caught.value)
    assert not caught.value.connection_invalidated
    with office.database.reading() as db:
        assert db.execute(select(func.count()).select_from(things)).scalar() == 1


def test_what_was_written_before_an_error_is_rolled_back(office: Office) -> None:
    first, second = put(office, name="a").id, put(office, name="b").id

    def rename_both() -> None:
        with office.database.writing() as db:
            db.execute(rename(first, "c"))
            db.execute(rename(second, "c"))

    with pytest.raises(IntegrityError):
        rename_both()
    with office.database.reading() as db:
        assert db.scalar(named("a")) == first


@pytest.fixture
def served(office: Office) -> Office:
    """One whose database is a server, with a thing in it."""
    if office.database.engine.dialect.name == "sqlite":
        pytest.skip("SQLite has no server")
    put(office)
    return office


def test_a_server_that_ends_the_connection_is_an_error_and_the_next_one_is_new(served: Office) -> None:
    def go_on_after_the_end() -> None:
        with served.database.writing() as db:
            pid = db.scalar(text("SELECT pg_backend_pid()"))
            with served.database.engine.connect() as other:
                other.execute(text(f"SELECT pg_terminate_backend({pid})"))
            db.execute(named("a"))

    with pytest.raises(OperationalError) as caught:
        go_on_after_the_end()
    assert caught.value.connection_invalidated
    with served.database.reading() as db:
        assert db.scalar(named(GIVEN["name"]))


def test_a_server_that_ends_all_connections_is_one_error_and_not_one_for_each(served: Office) -> None:
    def read() -> Any:
        with served.database.reading() as db:
            return db.scalar(named(GIVEN["name"]))

    with served.database.reading() as one, served.database.reading() as other:  # two wait in the pool after this
        assert one.scalar(named(GIVEN["name"])) == other.scalar(named(GIVEN["name"]))
        ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
        pids = [db.scalar(text("SELECT pg_backend_pid()")) for db in (one, other)]
    elsewhere = create_engine(served.database.engine.url)
    with elsewhere.connect() as third:
        third.execute(text(f"{ended} AND pid IN ({pids[0]}, {pids[1]})"))
    elsewhere.dispose()
    with pytest.raises(OperationalError):
        read()
    assert [read() for _ in range(3)] == [read()] * 3


@pytest.mark.parametrize("begins", [True, False], ids=["after another statement", "alone"])
def test_what_was_rolled_back_in_between_is_told_at_the_end(office: Office, begins: bool) -> None:
    def write_and_roll_back() -> None:
        with office.database.writing() as db:
            if begins:
                db.execute(text("SELECT 1"))  # with it the session's own transaction begins
            db.execute(Prepared(INSERT, [{f"new_{name}": value for name, value in GIVEN.items()}]))  # type: ignore[call-overload]
            db.rollback()

    with pytest.raises(InvalidRequestError):
        write_and_roll_back()
    with office.database.reading() as db:
        assert db.scalar(named(GIVEN["name"])) is None


async def test_a_write_that_is_cancelled_in_the_middle_keeps_nobody_else_from_writing(office: Office) -> None:
    if office.database.engine.dialect.name == "postgresql":
        pytest.skip("there others write meanwhile")
    database = AsyncDatabase(office.env["DATABASE_URL"])

    async def hang() -> None:
        async with database.writing() as db:
            await db.execute(count_for_long(40_000_000))

    hanging = asyncio.create_task(hang())
    await asyncio.sleep(0.5)
    hanging.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hanging
    await asyncio.to_thread(put, office)
    assert hanging.cancelled()
    await database.close()


async def test_one_that_is_cancelled_in_the_middle_leaves_no_connection_to_others(served: Office) -> None:
    database = AsyncDatabase(served.env["DATABASE_URL"])
    async with database.reading() as db:
        pid = await db.scalar(text("SELECT pg_backend_pid()"))

    async def hang() -> None:
        async with database.reading() as db:
            await db.execute(sleep(30.0))

    asleep = select(func.count()).select_from(text("pg_stat_activity")).where(text("wait_event = 'PgSleep'"))
    hanging = asyncio.create_task(hang())
    await asyncio.to_thread(wait_until, lambda: served.one(asleep)[0] == 1, 10, "it is asleep")
    hanging.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hanging
    async with database.reading() as db:
        assert await db.scalar(text("SELECT pg_backend_pid()")) != pid
    await database.close()
