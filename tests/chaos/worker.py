"""A worker that kills itself: `python -m tests.chaos.worker --at POINT --nth K` is the real one, until it gets there.

Its time limits towards the mail server are short, so that a stall is over soon.
"""

import argparse
import json
import os
import random
import signal
import smtplib
import sys
import time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Row, event
from sqlalchemy.orm import Session

from app import log
from app.config import TEMPLATES, Settings, read_settings
from app.db import Database
from app.mail.addresses import parse
from app.mail.templates import Templates
from app.mail.transport import Connection, parse_url
from app.ring import Rings, connect
from app.ring.job import Ringing
from app.worker.alone import Alone
from app.worker.sender import Sender
from app.worker.serve import serve_with
from app.worker.timekeeper import Timekeeper
from app.worker.together import Together

TIME_LIMIT = 1.5
"""Seconds for each step of the mail server, and for its last answer."""


class Doom:
    """Dies at `point`, the `nth` time it is reached, and notes where before: a line of JSON in `notes`."""

    def __init__(self, point: str, nth: int, notes: Path) -> None:
        self.point, self.left, self.notes = point, nth, notes

    def is_due(self, point: str) -> bool:
        if point == self.point:
            self.left -= 1
        return point == self.point and self.left == 0

    def reach(self, point: str, task: int | None = None) -> None:
        if self.is_due(point):
            self.die(task)

    def die(self, task: int | None) -> None:
        note = {"pid": os.getpid(), "at": time.time(), "point": self.point, "task": task}
        with self.notes.open("a") as file:
            file.write(json.dumps(note) + "\n")
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(60)


class DoomedConnection(Connection):
    """The real one, which may not live to hear the answer."""

    doom: Doom

    def _transact(self, smtp: smtplib.SMTP, *rest: Any) -> Any:
        self.doom.reach("before-data")
        return super()._transact(smtp, *rest)

    def _write(self, smtp: smtplib.SMTP, message: bytes) -> bytes:
        if self.doom.is_due("in-body"):
            smtp.send(message[: len(message) // 2])
            self.doom.die(None)
        return super()._write(smtp, message)

    def _hand_over(self, smtp: smtplib.SMTP, last: bytes) -> tuple[int, bytes]:
        if self.doom.is_due("after-last-byte"):
            smtp.send(last)
            time.sleep(random.choice((0, 0.002, 0.05)))  # before or after the server took it
            self.doom.die(None)
        return super()._hand_over(smtp, last)


class DoomedSender(Sender):
    """The real one, with a look at every step whether this is the end."""

    doom: Doom

    def work(self, ringing: Ringing) -> None:
        self.alone, self.together = DoomedAlone(self), DoomedTogether(self)
        self.doom.reach("before-claim", ringing[0])
        super().work(ringing)


class DoomedAlone(Alone):
    """The same for one task by itself."""

    process: DoomedSender

    def _claim(self, task_id: int, attempt: int) -> Any:
        claimed = super()._claim(task_id, attempt)
        if claimed[0]:
            self.process.doom.reach("after-claim", task_id)
        return claimed

    def _turn(self, held: Any, handed: Any) -> Any:
        self.process.doom.reach("after-reply", held.task.id)
        batch = super()._turn(held, handed)
        if not batch and held.wait is None:
            self.process.doom.reach("after-settle", held.task.id)
        return batch

    def _next(self, db: Session, held: Any, done: Any = None) -> Any:
        """Called inside the claim's transaction, and inside that of each turn, when `self.held` is set."""
        claiming = self.held is None
        if not claiming:
            self.process.doom.reach("in-record", held.task.id)
        batch: list[Row[Any]] = [*super()._next(db, held, done)]
        if held.wait is None:
            self.process.doom.reach("in-claim" if claiming else "in-mark" if batch else "in-settle", held.task.id)
        return batch


class DoomedTogether(Together):
    """The same for tasks of one recipient each."""

    process: DoomedSender
    in_hand = False  # whether some message may be in flight: it is recorded in the same transaction

    def _turn(self, done: Any, rung: Any) -> Any:
        doom = self.process.doom
        self.in_hand = bool(done)
        if done:
            doom.reach("after-reply", done[0].held.task.id)
        marked, left = super()._turn(done, rung)
        if marked:
            doom.reach("after-claim", marked[0].held.task.id)
        elif done:
            doom.reach("after-settle", done[0].held.task.id)
        return marked, left

    def _record(self, db: Session, done: Any) -> Any:
        settled = super()._record(db, done)
        self.process.doom.reach("in-record", done[0].held.task.id)
        self.process.doom.reach("in-settle", done[0].held.task.id)
        return settled

    def _claim(self, db: Session, task_ids: list[int]) -> Any:
        marked = super()._claim(db, task_ids)
        if marked:
            self.process.doom.reach("in-mark" if self.in_hand else "in-claim", marked[0].held.task.id)
        return marked


class DoomedTimekeeper(Timekeeper):
    """The real one; with `usurps` it works though somebody else holds the office."""

    doom: Doom
    usurps = False

    def _sign(self) -> bool:
        return super()._sign() or self.usurps

    def _due(self) -> list[Ringing]:
        ringings = super()._due()
        if ringings:
            self.doom.reach("promoted", ringings[0][0])
        return ringings


def doomed_sender(settings: Settings, doom: Doom) -> DoomedSender:
    server = parse_url(settings.smtp_url)
    connection = DoomedConnection(server, connect_timeout=TIME_LIMIT, timeout=TIME_LIMIT, reply_timeout=TIME_LIMIT)
    sender = DoomedSender(
        Database(settings.database_url), Templates(TEMPLATES), connection, parse(settings.mail_from),
        ZoneInfo(settings.timezone), Rings(connect(settings.redis_url)),
    )  # fmt: skip
    connection.doom = sender.doom = doom
    return sender


def fill_up(database: Database, while_there: Path) -> None:
    """Make SQLite say that the disk is full for as long as this file is there: it may use no page more than it has."""

    def limit(connection: Any) -> None:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar() if while_there.exists() else 2**31
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    if database.engine.dialect.name == "sqlite":
        event.listen(database.engine, "begin", limit)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--at", default="never")
    parser.add_argument("--nth", type=int, default=1)
    parser.add_argument("--usurps", action="store_true")
    options = parser.parse_args(arguments)
    settings = read_settings()
    log.setup(settings.log_level)
    doom = Doom(options.at, options.nth, Path("kills"))
    sender = doomed_sender(settings, doom)
    timekeeper = DoomedTimekeeper(Database(settings.database_url), Rings(connect(settings.redis_url)), sender.name)
    timekeeper.doom, timekeeper.usurps = doom, options.usurps
    for database in (sender.database, timekeeper.database):
        fill_up(database, Path("full"))
    serve_with(sender, timekeeper, settings.redis_url)


if __name__ == "__main__":
    main(sys.argv[1:])
