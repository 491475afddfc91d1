"""What integration tests stand on: a migrated database each, one real Valkey, and the web app on both."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from alembic.config import Config
from quart import Quart
from quart.typing import TestClientProtocol as Client
from redis import Redis

from alembic import command
from app.config import Settings, read_settings
from app.db import Database
from app.ring import connect
from app.web import create_app
from app.web.people.accounts import keep_admin, sign_in_link
from app.web.people.tokens import new_token
from tests import parts

ROOT = Path(__file__).parents[2]
OUR_PAGE = {"Sec-Fetch-Site": "same-origin"}
"""What a browser says when the request comes from one of our own pages."""


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the newest schema and nothing in it, to be copied."""
    file = tmp_path_factory.mktemp("migrated") / "postdate.db"
    config = Config(str(ROOT / "alembic.ini"))
    config.set_main_option("script_location", str(ROOT / "alembic"))
    config.set_main_option("sqlalchemy.url", f"sqlite:///{file}")
    command.upgrade(config, "head")
    return file


@pytest.fixture
def database_url(migrated_file: Path, tmp_path: Path) -> str:
    """A migrated, empty SQLite database of this test's own."""
    return f"sqlite:///{shutil.copy(migrated_file, tmp_path / 'postdate.db')}"


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """That database, opened as the worker opens it."""
    opened = Database(database_url)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def valkey() -> Iterator[str]:
    """The URL of a real server on a unix socket."""
    with tempfile.TemporaryDirectory(prefix="pd-") as folder, parts.valkey(Path(folder)) as url:
        yield url  # the folder's path is short: a socket's may have 108 bytes


@pytest.fixture
def redis_url(valkey: str) -> str:
    """The server, emptied."""
    with connect(valkey) as client:
        client.flushall()
    return valkey


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    """A connection to it."""
    with connect(redis_url) as client:
        yield client


@pytest.fixture
def settings(database_url: str, redis_url: str, tmp_path: Path, request: pytest.FixtureRequest) -> Settings:
    """Those of an app on both, as the environment would give them; a test may name others (indirectly)."""
    env = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "SECRET_KEY": "a key for tests only", "TZ": "UTC"}
    return read_settings(env | {"UNDO_SECONDS": "0"} | getattr(request, "param", {}), var=tmp_path / "var")


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator[Quart]:
    """The web app, serving."""
    made = create_app(settings)
    await keep_admin(made.config["POSTDATE"].database, settings)
    async with made.test_app():
        yield made


@pytest.fixture
async def stranger(app: Quart) -> Client:
    """A browser that has not signed in."""
    return app.test_client()


@pytest.fixture
async def person(app: Quart, database: Database, settings: Settings) -> Client:
    """A browser that has signed in, as admin@postdate.local."""
    client = app.test_client()
    link = sign_in_link(database, settings)
    assert link is not None
    answer = await client.get(link.removeprefix(settings.public_url))
    assert answer.status_code == 303
    return client


@pytest.fixture
def bearer(database: Database) -> dict[str, str]:
    """The headers of a program whose token is named `tests`."""
    return {"Authorization": f"Bearer {new_token(database, 'tests')}"}
