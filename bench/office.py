"""What the measurements stand on: a database of either kind, a Valkey, and a mail server."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.sink import FastSink
from tests.chaos.servers import Databases, Postgres, Sqlite
from tests.parts import Office, valkey
from tests.sink import Sink

KINDS: dict[str, Callable[[], Databases]] = {"sqlite": Sqlite, "postgres": Postgres}


@contextmanager
def an_office(kind: str, sink: Sink | FastSink) -> Iterator[Office]:
    """On a database of this kind, migrated and empty."""
    folder, databases = Path(tempfile.mkdtemp(prefix="pdb")), KINDS[kind]()
    try:
        with valkey(folder) as redis_url:
            office = Office(databases.new(), redis_url, sink, folder)  # type: ignore[arg-type]  # its url is all it needs
            yield office
            office.close()
    finally:
        databases.close()
        shutil.rmtree(folder)
