"""`python -m app doctor`: look at every part, and say in plain words what is wrong and what to do."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from redis import RedisError
from sqlalchemy import select, text
from sqlalchemy.exc import SQLAlchemyError

from app.config import TEMPLATES, Settings
from app.db import Database, now
from app.mail import Mistake
from app.mail.server import connect as connect_smtp
from app.mail.server import parse_url
from app.mail.templates import Templates
from app.migrate import head
from app.ring import Rings, connect
from app.tasks import queries, reconcile
from app.tasks.limit import Limit
from app.tasks.limits import agreed, used_of

CLOCKS_APART = 2.0
"""Seconds by which this machine's clock may differ from the database's before it is worth a word."""


class Wrong(Exception):  # noqa: N818 (it is what was found, not what went wrong)
    """What is wrong with a part, and what to do about it."""


def examine(settings: Settings) -> int:
    """Print a line per part; 0 when all is well, else 1."""
    database = Database(settings.database_url)
    parts: list[tuple[str, Callable[[], str]]] = [
        ("database", lambda: _database(database)),
        ("clock", lambda: _clock(database)),
        ("redis", lambda: _redis(settings)),
        ("workers", lambda: _workers(database)),
        ("tasks", lambda: _tasks(database)),
        ("repairs", lambda: _repairs(database)),
        ("mail server", lambda: _mail_server(settings)),
        ("limits", lambda: _limits(settings, database)),
        ("retention", lambda: _retention(settings)),
        ("templates", _templates),
    ]
    results = [_look(name, check) for name, check in parts]
    database.close()
    return 0 if all(results) else 1


def _look(name: str, check: Callable[[], str]) -> bool:
    try:
        print(f"  ok     {name}: {check()}")
    except (Wrong, SQLAlchemyError, RedisError, OSError, ValueError) as wrong:
        print(f"  WRONG  {name}: {str(wrong).partition(chr(10))[0]}")
        return False
    return True


def _database(database: Database) -> str:
    with database.reading() as db:
        found = db.scalar(text("SELECT version_num FROM alembic_version"))
    if found != head():
        raise Wrong(f"its tables are at revision {found}, not {head()}. Run: python -m app migrate")
    return f"{database.engine.dialect.name}, tables up to date ({found})"


def _clock(database: Database) -> str:
    with database.reading() as db:
        theirs = db.scalar(select(now()))
    apart = abs((datetime.now(UTC) - theirs).total_seconds()) if theirs else 0.0
    if apart > CLOCKS_APART:
        raise Wrong(f"this machine's is {apart:.0f} s away from the database's, which is the one that counts")
    return f"{apart * 1000:.0f} ms from the database's"


def _redis(settings: Settings) -> str:
    rings = Rings(connect(settings.redis_url))
    try:
        waiting = rings.waiting() if rings.is_there() else {}
    except RedisError as error:
        raise Wrong(f"does not answer, so mail goes out later than it could ({error})") from None
    return "answers; rings waiting: " + ", ".join(f"{name} {n}" for name, n in waiting.items())


def _workers(database: Database) -> str:
    with database.reading() as db:
        alive = db.scalar(queries.live_workers()) or 0
    if not alive:
        raise Wrong("none is running, so mail will wait. Start one: python -m app worker")
    return f"{alive} running"


def _tasks(database: Database) -> str:
    with database.reading() as db:
        counts = {status: int(n) for status, n in db.execute(queries.counts())}
    return ", ".join(f"{status} {n}" for status, n in sorted(counts.items()))


def _repairs(database: Database) -> str:
    with database.reading() as db:
        made = [(name, n, at) for name, n, at in db.execute(reconcile.repairs()) if n]
    return ", ".join(f"{name} {n} (last {at:%Y-%m-%d %H:%M} UTC)" for name, n, at in made) or "none was necessary"


def _mail_server(settings: Settings) -> str:
    server = parse_url(settings.smtp_url)
    try:
        connect_smtp(server, connect_timeout=10, timeout=10).quit()
    except OSError as error:
        raise Wrong(f"{server.host}:{server.port} does not let us in: {error}") from None
    return f"{server.host}:{server.port} lets us in" + (" (the built-in mailbox)" if settings.mail_stays_here else "")


def _limits(settings: Settings, database: Database) -> str:
    limits = [Limit(*each) for each in settings.limits]
    with database.reading() as db:
        used, theirs = [*used_of(db, limits)], agreed(db)
    if theirs and theirs != {limit.name: limit.most for limit in limits}:
        set_here = ", ".join(map(str, limits)) or "none"
        raise Wrong(f"the workers were last started with others than LIMITS says here ({set_here})")
    told = [f"{n} of {limit} used" for limit, n in used]
    return ", ".join(told) or "none are set"


def _retention(settings: Settings) -> str:
    days = settings.retention_days
    return f"mail is deleted {days} {'days' if days > 1 else 'day'} after it ended" if days else "mail is kept for ever"


def _templates() -> str:
    templates = Templates(TEMPLATES)
    if broken := [*_broken(templates)]:
        raise Wrong("; ".join(broken))
    return ", ".join(templates.names())


def _broken(templates: Templates) -> Iterator[str]:
    for name in templates.names():
        try:
            templates.get(name)
        except Mistake as mistake:
            yield str(mistake)
    yield from (str(why) for _, why in templates.left_out())
