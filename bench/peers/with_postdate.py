"""Postdate as it is shipped: `python -m app worker`, and submitted through what the pages and the JSON calls use."""

import asyncio
import os
import sys
import time
from collections.abc import Sequence

from race import given, people, report, running, wait_for
from sqlalchemy import func, select

from app.config import TEMPLATES, read_settings
from app.db import AsyncDatabase, Database
from app.mail.addresses import parse
from app.mail.templates import Templates
from app.ring import Rings, connect
from app.tasks.model import Delivery, DeliveryStatus, Task, TaskStatus
from app.tasks.request import Recipient, Request
from app.web.actions import Actions

WORKER = [sys.executable, "-m", "app", "worker"]
PIECE = 10_000
"""Recipients that one task may have."""


def bulk() -> None:
    """As few tasks as there may be: from the first one started to the last one settled, as the rows say."""
    asyncio.run(_bulk())


async def _bulk() -> None:
    postdate, everybody = Postdate(), people()
    piece = min(PIECE, len(everybody) // given.get("tasks", 1))
    with running(WORKER):
        await postdate.submit([("warm@example.com", "Warm")])
        await postdate.wait_for(1)
        tasks = [await postdate.submit(everybody[at : at + piece]) for at in range(0, len(everybody), piece)]
        await postdate.wait_for(1 + len(tasks))
        began, ended = postdate.span()
        report((ended - began).total_seconds(), postdate.sent() - 1)
    await postdate.close()


def singles() -> None:
    """The same race as race.singles; here to submit is to await."""
    asyncio.run(_singles())


async def _singles() -> None:
    postdate = Postdate()
    with running(WORKER):
        await postdate.submit([("warm@example.com", "Warm")])
        await postdate.wait_for(1)
        began = time.time()
        for person in people():
            await postdate.submit([person])
        submitted = time.time()
        await postdate.wait_for(1 + given["mails"])
        report(time.time() - began, postdate.sent() - 1, submitting=submitted - began)
    await postdate.close()


class Postdate:
    """What web has of it, and a look at its rows."""

    def __init__(self) -> None:
        settings = read_settings(os.environ)
        self._rows = Database(settings.database_url)
        self._database = AsyncDatabase(settings.database_url)
        self._actions = Actions(self._database, Rings(connect(settings.redis_url)), Templates(TEMPLATES), "example.com")

    async def submit(self, to: Sequence[tuple[str, str]]) -> int:
        recipients = [Recipient(parse(address), {"name": name}) for address, name in to]
        return (await self._actions.submit(Request("email/letter", recipients, "bench"))).id

    async def wait_for(self, tasks: int) -> None:
        """Until so many are finished; beside the event loop, which still has rings to give."""
        await asyncio.to_thread(wait_for, self._ended, tasks)

    def _ended(self) -> int:
        return self._one(select(func.count()).where(Task.status == TaskStatus.FINISHED))[0]

    def sent(self) -> int:
        return self._one(select(func.count()).where(Delivery.status == DeliveryStatus.SENT))[0]

    def span(self):
        return self._one(select(func.min(Task.started_at), func.max(Task.ended_at)).where(Task.id > 1))

    def _one(self, statement):
        with self._rows.reading() as db:
            return db.execute(statement).one()

    async def close(self) -> None:
        await self._actions.close()
        await self._database.close()
        self._rows.close()
