"""The stream of ids, on both databases: who is told what, and what it asks of the database meanwhile."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from quart import Quart
from quart.typing import TestClientProtocol as Client
from sqlalchemy import event, insert

from app.config import read_settings
from app.db import Database
from app.tasks import lifecycle
from app.tasks.books import Bulk, Worker
from app.tasks.model import Task
from app.web import create_app
from app.web.live import watch
from app.web.people.access import end_sessions
from app.web.people.accounts import sign_in_link
from tests.integration.test_pages_history import store

PATIENCE = 20
LATER = datetime(2030, 1, 1, tzinfo=UTC)


class Stream:
    """An open stream, as a browser reads it."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.id = ""
        self._rest = ""

    async def next(self) -> str:
        """The next event's data; comments and mere ids are passed over."""
        while True:
            while "\n\n" in self._rest:
                block, _, self._rest = self._rest.partition("\n\n")
                fields = dict(line.split(": ", 1) for line in block.split("\n"))
                self.id = fields.get("id", self.id)
                if "data" in fields:
                    return fields["data"]
            async with asyncio.timeout(PATIENCE):
                self._rest += (await self.connection.receive()).decode()

    async def begun(self) -> None:
        """Until it says where it is: what moves from now on is told."""
        while not re.search(r"^id: ", self._rest, re.MULTILINE):
            async with asyncio.timeout(PATIENCE):
                self._rest += (await self.connection.receive()).decode()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = Database(database_url)
    yield opened
    opened.close()


@pytest.fixture
async def app(database_url: str, tmp_path: Any) -> AsyncIterator[Quart]:
    env = {"DATABASE_URL": database_url, "REDIS_URL": "unix:///nobody", "SECRET_KEY": "a key for tests only"}
    made = create_app(read_settings(env, var=tmp_path / "var"))
    async with made.test_app():
        yield made


@pytest.fixture
async def person(app: Quart, database: Database) -> Client:
    client, settings = app.test_client(), app.config["POSTDATE"].settings
    await client.get((sign_in_link(database, settings) or "").removeprefix(settings.public_url))
    return client


@asynccontextmanager
async def listening(client: Client, query: str = "", **headers: str) -> AsyncIterator[Stream]:
    async with client.request(f"/live{query}", headers=headers) as connection:
        await connection.send_complete()
        stream = Stream(connection)
        await stream.begun()
        yield stream
        await connection.disconnect()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)


@pytest.fixture
def looks(app: Quart) -> list[float]:
    """When the web asked the database what had moved."""
    times: list[float] = []

    def note(_1: Any, _2: Any, statement: str, *_rest: Any) -> None:
        if "task_events.id >" in statement:
            times.append(time.monotonic())

    event.listen(app.config["POSTDATE"].database.engine.sync_engine, "before_cursor_execute", note)
    return times


async def test_it_tells_which_tasks_moved_and_nothing_about_them(person: Client, database: Database) -> None:
    async with listening(person) as stream:
        store(database, "anna@example.com")
        assert await stream.next() == "1"
        with database.writing() as db:
            db.execute(lifecycle.cancel(1, "admin@postdate.local"))
        assert await stream.next() == "1"
        assert re.fullmatch(r"2\.[0-9a-f]+", stream.id)
        headers = stream.connection.headers
    assert headers["Content-Type"].startswith("text/event-stream")
    assert headers["Cache-Control"] == "no-store"
    assert "Content-Encoding" not in headers


async def test_who_has_not_signed_in_hears_nothing(app: Quart, database: Database) -> None:
    answer = await app.test_client().get("/live")
    assert (answer.status_code, answer.mimetype) == (303, "text/html")
    assert not app.config["POSTDATE"].watch.is_looking()


async def test_who_comes_back_hears_first_what_moved_meanwhile(person: Client, database: Database) -> None:
    for _ in range(3):
        store(database)
    async with listening(person, **{"Last-Event-ID": "1"}) as stream:
        assert await stream.next() == "2 3"
        last = stream.id
    async with listening(person, "?after=2") as stream:
        assert await stream.next() == "3"
    store(database)
    async with listening(person, "?after=1", **{"Last-Event-ID": last}) as stream:
        assert await stream.next() == "4", "where it was counts more than where it began"


@pytest.mark.parametrize("after", ["", "x", "-1", "9" * 40, "%C2%B2", "%00", "1.2.3"])
async def test_a_place_that_makes_no_sense_is_now(person: Client, database: Database, after: str) -> None:
    store(database)
    async with listening(person, f"?after={after}") as stream:
        store(database)
        while "2" not in (said := await stream.next()).split():
            assert said == "house"


async def test_a_page_about_one_task_hears_of_that_one_only(person: Client, database: Database) -> None:
    store(database)
    async with listening(person, "?task=2") as stream:
        for _ in range(3):
            store(database)
        assert await stream.next() == "2"
        with database.writing() as db:
            db.execute(lifecycle.cancel(1, "x"))
            db.execute(lifecycle.cancel(2, "x"))
        assert await stream.next() == "2"


async def test_many_at_once_are_many(person: Client, database: Database) -> None:
    tasks = [store(database) for _ in range(watch.MOST_NAMED + 1)]
    async with listening(person, "?after=0") as late, listening(person) as stream:
        assert await late.next() == "many"
        with database.writing() as db:
            db.execute(lifecycle.cancel(tasks, "admin@postdate.local"))
        assert await stream.next() == "many"
        store(database)
        assert await stream.next() == str(len(tasks) + 1)


async def test_more_moves_than_one_look_reads_are_all_told(person: Client, database: Database) -> None:
    row = {"status": "scheduled", "template": "x", "queue": "default", "recipients": 1, "who": "x", "due_at": LATER}
    async with listening(person) as stream:
        with database.writing() as db:
            db.execute(insert(Task), [row] * (watch.MOST + 5))
        assert await stream.next() == "many"
        assert await stream.next() == " ".join(str(watch.MOST + n) for n in range(1, 6))


async def test_what_is_committed_late_under_an_earlier_id_is_told(person: Client, database: Database) -> None:
    """On SQLite writers are one at a time, and ids are in order."""
    if database.engine.dialect.name == "sqlite":
        pytest.skip("cannot happen on SQLite")
    for _ in range(2):
        store(database)
    async with listening(person) as stream:
        with database.writing() as slow:
            slow.execute(lifecycle.cancel(1, "x"))
            with database.writing() as quick:
                quick.execute(lifecycle.cancel(2, "x"))
            assert await stream.next() == "2"
        assert await stream.next() == "many"
        with suppress(KeyError), database.writing() as db:
            db.execute(lifecycle.restore(1, "x"))
            raise KeyError
        store(database)
        assert await stream.next() == "3"
        store(database)
        assert await stream.next() == "4", "an id that was rolled back is waited for in silence"


async def test_what_moves_while_nobody_reads_is_kept_as_a_few_ids() -> None:
    listener = watch.Listener()
    for n in range(10_000):
        listener.tell([n % 3])
    assert await listener.take(1) == "0 1 2"
    listener.tell(range(10_000))
    listener.tell([5], house=True)
    assert listener._ids == set()
    assert await listener.take(1) == "many"
    listener.tell(house=True)
    assert await listener.take(1) == "house"
    assert await listener.take(0.01) == ""


async def test_what_is_no_task_is_told_too(person: Client, database: Database) -> None:
    async with listening(person) as stream, listening(person, "?task=1") as page:
        with database.writing() as db:
            db.execute(insert(Worker).values(name="worker here:1"))
        assert await stream.next() == "house"
        place = stream.id
        with database.writing() as db:
            db.execute(insert(Bulk).values(action="cancel", asked={}, who="x", total=3, seen=1))
        assert await stream.next() == "house"
        store(database)
        assert await page.next() == "1", "the page of a task shows nothing else"
    async with listening(person, **{"Last-Event-ID": place}) as stream:
        assert await stream.next() == "1"
    async with listening(person, **{"Last-Event-ID": "1." + place.partition(".")[2]}) as stream:
        assert await stream.next() == "house", "it changed while nobody was listening"


async def test_many_pages_ask_as_much_as_one_and_none_asks_nothing(
    person: Client, app: Quart, database: Database, looks: list[float]
) -> None:
    async with AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(listening(person)) for _ in range(30)]
        begun, store_id = len(looks), store(database)
        assert {await each.next() for each in streams} == {str(store_id)}
        await until(lambda: len(looks) > begun + 10)
    # A look waits for LOOK after the last one: so there was nobody else who looked.
    assert min(after - before for before, after in pairwise(looks)) >= 0.99 * watch.LOOK
    await until(lambda: not app.config["POSTDATE"].watch.is_looking())
    over = len(looks)
    await asyncio.sleep(5 * watch.LOOK)
    assert len(looks) == over


async def test_pages_that_look_again_at_the_same_share_one_page_until_something_moves(
    person: Client, app: Quart, database: Database
) -> None:
    store(database)
    made: list[str] = []

    def note(_1: Any, _2: Any, statement: str, *_rest: Any) -> None:
        if "tasks.id IN" in statement:
            made.append(statement)

    event.listen(app.config["POSTDATE"].database.engine.sync_engine, "before_cursor_execute", note)

    async def pages(*paths: str, **headers: str) -> list[str]:
        answers = await asyncio.gather(*(person.get(path, headers=headers) for path in paths))
        return [await each.get_data(as_text=True) for each in answers]

    again = {"X-Refresh": "1"}
    async with listening(person) as stream:
        same = await pages(*["/history"] * 20, **again)
        assert len(set(same)) == 1
        assert len(made) <= 2, "a second may have begun meanwhile"
        assert "/sign-out" not in same[0], "nothing of who asked"
        assert 'data-status="queued"' in same[0]
        spoken = [await pages("/history", **again, **{"Accept-Language": code}) for code in ("en", "ko")]
        assert ["Queued" in page for (page,) in spoken] == [True, False], "the address is the same, the language is not"
        english, korean, none = await pages("/history", "/history?lang=ko", "/history?status=failed", **again)
        assert ("Queued" in english, "대기 중" in korean, "Nothing here" in none) == (True, True, True)
        with database.writing() as db:
            db.execute(lifecycle.cancel(1, "x"))
        assert 'data-status="cancelled"' in (await pages("/history"))[0], "who opens a page sees what is so"
        assert await stream.next() == "1"
        assert {'data-status="cancelled"' in page for page in await pages(*["/history"] * 5, **again)} == {True}
        await end_sessions(app.config["POSTDATE"].database, 1)
        assert (await person.get("/history", headers=again)).status_code == 303, "each is asked who they are"


async def test_open_streams_end_when_the_app_does(person: Client, app: Quart) -> None:
    async with listening(person) as stream:
        await app.config["POSTDATE"].watch.close()
        async with asyncio.timeout(PATIENCE):
            while await stream.connection.receive():
                pass
        async with asyncio.timeout(PATIENCE):
            assert (await person.get("/live")).status_code == 200, "one that comes now ends as well"


async def test_a_session_that_was_ended_hears_nothing_when_it_comes_back(person: Client, app: Quart) -> None:
    async with listening(person):
        await end_sessions(app.config["POSTDATE"].database, 1)
    assert (await person.get("/live")).headers["Location"].startswith("/sign-in")
