"""The message exactly as it was sent: the bytes that the server took, also after the template has changed."""

import shutil
from collections.abc import AsyncIterator, Iterator
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote
from zoneinfo import ZoneInfo

import pytest
from quart.typing import TestClientProtocol as Client
from sqlalchemy import func, select

from app.config import TEMPLATES, read_settings
from app.db import Database
from app.mail.addresses import parse
from app.mail.templates import Templates
from app.mail.transport import Connection, parse_url
from app.ring import Rings, connect
from app.tasks import lifecycle
from app.tasks.books import Edition
from app.tasks.model import Delivery
from app.web import create_app
from app.web.people.accounts import keep_admin, sign_in_link
from app.worker.sender import Sender
from tests.parts import Office
from tests.sink import HANG_UP


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Templates of this test's own, that it may change."""
    return Path(shutil.copytree(TEMPLATES / "email", tmp_path / "templates" / "email")).parent


@pytest.fixture
def worker(office: Office, folder: Path) -> Iterator[Sender]:
    """What a worker is made of, in this process, with those templates."""
    database = Database(office.env["DATABASE_URL"])
    sender = Sender(
        database, Templates(folder), Connection(parse_url(office.sink.url)),
        parse("우체국 <postdate@example.com>"), ZoneInfo("Asia/Seoul"),
    )  # fmt: skip
    yield sender
    sender.close()


def taken(office: Office, address: str) -> bytes:
    """The message as the last one that came for this address was written, before a dot was doubled (RFC 5321 4.5.2)."""
    body = [each.body for each in office.sink.taken if each.address == address][-1]
    return (b"\r\n" + body.removesuffix(b".\r\n")).replace(b"\r\n..", b"\r\n.")[2:]


@pytest.fixture
async def person(office: Office, tmp_path: Path) -> AsyncIterator[Client]:
    """A browser that has signed in to pages on the same database."""
    settings = read_settings(office.env | {"REDIS_URL": "redis://127.0.0.1:1", "TZ": "UTC"}, var=tmp_path / "var")
    app = create_app(settings, rings=Rings(connect(settings.redis_url)))
    async with app.test_app():
        await keep_admin(app.config["POSTDATE"].database, settings)
        client = app.test_client()
        link = sign_in_link(office.database, settings)
        assert link is not None
        await client.get(link.removeprefix(settings.public_url))
        yield client


def change(folder: Path) -> None:
    """Write another text into the template."""
    (folder / "email" / "welcome.txt").write_text("Subject: Another\n\nAnother text for {{ name }}.\n")
    (folder / "email" / "welcome.html").write_text("<p>Another text for {{ name }}.</p>")


def at(task_id: int, address: str, part: str = "") -> str:
    return f"/tasks/{task_id}/message{part}?address={quote(address)}"


async def test_the_download_is_what_the_server_took_though_the_template_has_changed(
    office: Office, worker: Sender, folder: Path, person: Client
) -> None:
    people = ["홍길동 <hong@example.com>", "anna@example.com"]
    task_id = office.submit(people, rings=False)
    worker.work((task_id, 0, "default"))
    assert office.status(task_id) == "finished"
    change(folder)
    again = office.submit(people, rings=False)
    worker.work((again, 0, "default"))
    assert office.status(again) == "finished"
    later = {address: taken(office, address) for address in ("hong@example.com", "anna@example.com")}
    office.sink.taken[2:] = []
    for address, changed in later.items():
        answer = await person.get(at(task_id, address, "/eml"))
        assert await answer.get_data() == taken(office, address)
        assert answer.content_type == "message/rfc822"
        assert b"Another text for" not in taken(office, address)
        assert await (await person.get(at(again, address, "/eml"))).get_data() == changed
        assert b"Another text for" in changed
        page = await (await person.get(at(task_id, address))).get_data(as_text=True)
        assert 'data-proof="exact"' in page
        assert "This is, byte for byte, what the mail server took." in page
        assert sha256(taken(office, address)).hexdigest() in page
    korean = await (await person.get(at(task_id, "hong@example.com") + "&lang=ko")).get_data(as_text=True)
    assert "메일 서버가 받은 것과 한 바이트도 다르지 않습니다." in korean
    assert office.one(select(func.count()).select_from(Edition))[0] == 2


async def test_what_nobody_knows_about_is_shown_and_not_called_proven_unless_it_is(
    office: Office, worker: Sender, person: Client
) -> None:
    office.sink.script = lambda step, address: HANG_UP if step == "taken" else None
    heard_nothing = office.submit(1, rings=False)
    worker.work((heard_nothing, 0, "default"))
    assert office.status(heard_nothing) == "failed"
    lost = office.submit(["lost@example.com"], rings=False)
    with office.database.writing() as db:
        held = db.execute(lifecycle.claim(lost, 0, "gone", "worker gone:1")).one()
        assert held.id == lost
        digest = db.scalars(select(Edition.digest)).one()
        db.execute(lifecycle.mark(lost, "gone", 1, digest)).one()
        db.execute(lifecycle.lose(lost, "gone"))
    known = await (await person.get(at(heard_nothing, "r0@example.com"))).get_data(as_text=True)
    assert "This is, byte for byte, the message of the last attempt." in known
    assert "Nobody knows whether it arrived" in known
    assert await (await person.get(at(heard_nothing, "r0@example.com", "/eml"))).get_data() == taken(
        office, "r0@example.com"
    )
    unproven = await (await person.get(at(lost, "lost@example.com"))).get_data(as_text=True)
    assert 'data-proof="not sure"' in unproven


async def test_bytes_that_differ_from_those_on_record_are_not_called_exact(
    office: Office, worker: Sender, person: Client
) -> None:
    task_id = office.submit(1, rings=False)
    worker.work((task_id, 0, "default"))
    assert office.status(task_id) == "finished"
    with office.database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE editions SET source = replace(source, 'Welcome', 'Farewell')")
    page = await (await person.get(at(task_id, "r0@example.com"))).get_data(as_text=True)
    assert 'data-proof="changed"' in page
    assert "byte for byte, what" not in page


def test_every_attempt_is_written_at_its_own_instant_and_what_was_put_back_was_not_written(
    office: Office, worker: Sender
) -> None:
    office.sink.script = lambda step, address: "450 4.2.1 later" if step == "end" else None
    task_id = office.submit(1, rings=False)
    worker.work((task_id, 0, "default"))
    assert office.status(task_id) == "queued"
    first = office.one(select(Delivery.written_at, Delivery.digest, Delivery.attempt))
    assert first.digest is not None
    assert first.attempt == 1
    worker.stopping.set()
    other = office.submit(["put@example.com"], rings=False)
    worker.work((other, 0, "default"))
    back = office.one(select(Delivery.written_at, Delivery.digest).where(Delivery.task_id == other))
    assert tuple(back) == (None, None)
