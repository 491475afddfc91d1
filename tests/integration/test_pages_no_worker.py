"""A worker that is killed without a word is missed on the pages within thirty seconds."""

import asyncio
import time
from pathlib import Path

from quart.typing import TestClientProtocol as Client
from sqlalchemy import update

from app.db import Database, now
from app.tasks.books import Worker
from app.tasks.queries import WORKER_ALIVE
from tests.integration.test_pages_history import page_of
from tests.parts import command, note_figure

ENGLISH, KOREAN = "No worker is running: mail will wait.", "발송 프로그램(worker)이 돌고 있지 않습니다."
PAGES = ("/history?lang=ko", "/charts?lang=ko", "/history?lang=en", "/charts?lang=en")


async def wait_until_said(client: Client, is_said: bool, seconds: float) -> None:
    until = time.monotonic() + seconds
    for path in PAGES:
        words = KOREAN if "lang=ko" in path else ENGLISH
        while (words in await page_of(client, path)) is not is_said:
            assert time.monotonic() < until, f"not within {seconds} s: {path} says {is_said}"
            await asyncio.sleep(0.1)


async def test_history_and_overview_say_that_no_worker_is_running_once_it_was_killed(
    person: Client, database: Database, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    await wait_until_said(person, True, 5)
    env = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "SECRET_KEY": "a key for tests only",
           "SMTP_URL": "smtp://127.0.0.1:9", "MAIL_FROM": "Postdate <postdate@example.com>"}  # fmt: skip
    with command("worker", env, tmp_path / "log") as worker:
        await wait_until_said(person, False, 30)
        worker.kill()
        worker.wait()
        began = time.monotonic()
        waited = WORKER_ALIVE - 5  # that long ago, as far as its last sign of life tells: nobody waits for it here
        with database.writing() as db:
            db.execute(update(Worker).values(seen_at=now(-waited)))
        await wait_until_said(person, True, 15)
    note_figure(f"a killed worker is missed on the pages after {time.monotonic() - began + waited:.0f} s")
