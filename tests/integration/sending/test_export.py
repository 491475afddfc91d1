"""An export of a hundred thousand recipients by a real server, on both databases: flat, out of the way, never half."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException, HTTPResponse, IncompleteRead
from pathlib import Path

import pytest
from sqlalchemy import text

from app.config import read_settings
from app.web.people.accounts import sign_in_link
from tests.parts import Office, command, note_figure, wait_until

LARGE, SMALL, EACH = 40_000, 300, 200
RECIPIENTS = LARGE + SMALL * EACH
MOST = {"postgresql": 24_000_000, "sqlite": 24_000_000 + 3 * 16_000_000}
"""Bytes by which the server may grow, with SQLite's caches (app/db.py); holding all the rows would take far more."""


@pytest.fixture
def much(office: Office) -> Office:
    """One large task and many small ones."""
    with office.database.writing() as db:
        if office.database.engine.dialect.name == "postgresql":
            db.execute(text("SET LOCAL session_replication_role = replica"))  # no events: quicker, and nobody looks
        db.execute(text(f"""
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i <= {SMALL})
            INSERT INTO tasks (status, template, title, variables, queue, due_at, created_at, recipients, who,
                               created_by, held, on_unknown, attempt, crashes, sent, failed, unknown, test, attention,
                               title_key)
            SELECT 'finished', 'email/welcome', '봄 소식', '{{}}', 'default', '2026-12-08 00:00:00.000000',
                   '2026-12-08 00:00:00.000000', CASE WHEN i = 150 THEN {LARGE} ELSE {EACH} END, 'tester', 'tester',
                   false, 'hold', 1, 0, 0, 0, 0, false, false, '' FROM n"""))  # fmt: skip
        db.execute(text(f"""
            WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {LARGE - 1})
            INSERT INTO deliveries (task_id, address, name, variables, status, attempt, message_id, reply, updated_at)
            SELECT tasks.id, 'somebody' || i || '@postdate.example', '홍길동', '{{}}', 'sent', 1,
                   '<0123456789.' || tasks.id || '.' || i || '@postdate.example>',
                   '250 2.0.0 Ok: queued as 4F2A81C0B3', '2026-12-08 00:00:00.000000'
            FROM tasks JOIN n ON i < tasks.recipients"""))  # fmt: skip
    return office


@contextmanager
def web(office: Office) -> Iterator[tuple[int, int, dict[str, str]]]:
    """The server: its process, its port, and the headers of somebody who is signed in."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    env = office.env | {"PORT": str(port)}
    with command("web", env, office.log) as process:
        wait_until(lambda: get(port, "/healthz").status == 200, 30, "the server answers")
        settings = read_settings(env, var=office.log.parent)
        link = sign_in_link(office.database, settings) or ""
        cookie = get(port, link.removeprefix(settings.public_url)).headers["Set-Cookie"].partition(";")[0]
        yield process.pid, port, {"Cookie": cookie}


def get(port: int, path: str, headers: dict[str, str] | None = None) -> HTTPResponse:
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.connect()
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        connection.request("GET", path, headers={"Connection": "close", **(headers or {})})
        return connection.getresponse()  # it has the socket from here on
    except HTTPException as error:
        raise ConnectionError from error


def memory(pid: int, what: str) -> int:
    """`VmRSS`, what a process holds, or `VmHWM`, the most it ever did, in bytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(what))


def nothing_is_held_open(office: Office) -> bool:
    """Whether no transaction of anybody's keeps the database from tidying up."""
    with office.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as db:
        if office.database.engine.dialect.name == "sqlite":
            busy, left, _ = db.execute(text("PRAGMA wal_checkpoint(TRUNCATE)")).one()
            return (busy, left) == (0, 0)
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in %'"
        return db.scalar(text(waiting)) == 0


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc to read a process's memory from")
def test_a_long_export_and_its_slow_reader_are_in_nobodys_way(much: Office) -> None:
    with web(much) as (pid, port, headers):
        for path in ("/history", "/export.ndjson?q=nobody", "/export.ndjson?q=somebody1@"):
            assert get(port, path, headers).read() is not None
        before = memory(pid, "VmRSS")
        export = get(port, "/export.ndjson", headers)
        body = [export.read(100_000)]
        # Nobody reads on, and the others go about their work.
        much.submit(2)
        for _ in range(30):
            assert get(port, "/history", headers).status == 200
        wait_until(lambda: nothing_is_held_open(much), 10, "the database can tidy up")
        body.append(export.read())
        grown = memory(pid, "VmHWM") - before
    lines = b"".join(body).splitlines()
    assert len(lines) == RECIPIENTS, "what was stored meanwhile is not among them"
    assert len({(one["task_id"], one["address"]) for one in map(json.loads, lines)}) == RECIPIENTS
    size, kind = sum(map(len, body)), much.database.engine.dialect.name
    note_figure(f"export ({kind}): {RECIPIENTS} recipients, {size / 1e6:.0f} MB, "
                f"the server grew by {grown / 1e6:.0f} MB")  # fmt: skip
    assert grown < MOST[kind]


def test_an_export_that_breaks_off_does_not_look_complete(much: Office) -> None:
    with web(much) as (_, port, headers):
        export = get(port, "/export.csv", headers)
        assert export.status == 200
        assert export.read(1000).startswith(b"\xef\xbb\xbftask_id,")
        with much.database.writing() as db:
            db.execute(text("ALTER TABLE deliveries RENAME TO gone"))
        with pytest.raises(IncompleteRead):
            export.read()
