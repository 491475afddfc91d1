"""The tables beside the tasks: who leads, who lives, what was repaired, why mails fail, what ended when, and drafts."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, now
from app.tasks.model import Id, Word


class Fault(Base):
    """What mail servers say when they refuse, each once: what is particular to one message is taken out of `words`.

    `n` deliveries failed for it, and did not go anywhere else since; the triggers keep it.
    """

    __tablename__ = "faults"

    POISON = 1  # the first one, for what a condemned task leaves

    id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=True)
    words: Mapped[str] = mapped_column(String(500), unique=True)
    n: Mapped[int] = mapped_column(Id, default=0)
    first_at: Mapped[datetime | None]
    last_at: Mapped[datetime | None]


class Edition(Base):
    """A template as it was when messages were written from it, with their sender and zone: see app/mail/edition.py."""

    __tablename__ = "editions"

    id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)  # SHA-256 of its source
    source: Mapped[str] = mapped_column(Text)


class Hour(Base):
    """What ended in an hour (UTC), and how late tasks began, in milliseconds: the sum over its shards."""

    __tablename__ = "hours"

    hour: Mapped[datetime] = mapped_column(primary_key=True)
    shard: Mapped[int] = mapped_column(primary_key=True)
    sent: Mapped[int] = mapped_column(Id, default=0)
    failed: Mapped[int] = mapped_column(Id, default=0)
    unknown: Mapped[int] = mapped_column(Id, default=0)
    started: Mapped[int] = mapped_column(Id, default=0)  # tasks that began
    late_ms: Mapped[int] = mapped_column(Id, default=0)  # of all of them together
    latest_ms: Mapped[int] = mapped_column(Id, default=0)


class Bulk(Base):
    """One action on many tasks, which a worker carries out bit by bit; its count was frozen when it was asked for."""

    __tablename__ = "bulks"

    id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=True)
    action: Mapped[str] = mapped_column(Word)
    asked: Mapped[dict[str, Any]] = mapped_column(JSON)  # in whose words the tasks were chosen; BulkTask has them
    key: Mapped[str | None] = mapped_column(String(64))  # of the form; one that comes twice is one bulk
    who: Mapped[str] = mapped_column(String(320))
    created_at: Mapped[datetime] = mapped_column(default=now())
    ended_at: Mapped[datetime | None]
    cursor: Mapped[int] = mapped_column(Id, default=0)  # the id of the last task that was looked at
    total: Mapped[int]
    seen: Mapped[int] = mapped_column(default=0)
    moved: Mapped[int] = mapped_column(default=0)

    __table_args__ = (
        Index("ix_bulks_open", "id", sqlite_where=text("ended_at IS NULL"), postgresql_where=text("ended_at IS NULL")),
        Index("ix_bulks_key", "key", unique=True),
    )


class BulkTask(Base):
    """A task that a bulk still has to look at."""

    __tablename__ = "bulk_tasks"

    bulk_id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=False)
    task_id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=False)

    __table_args__ = ({"sqlite_with_rowid": False},)


class Draft(Base):
    """A form that a person has not sent yet, as it was typed."""

    __tablename__ = "drafts"

    key: Mapped[str] = mapped_column(String(36), primary_key=True)  # the form's
    user_id: Mapped[int] = mapped_column(index=True)
    content: Mapped[dict[str, Any]] = mapped_column(JSON)
    updated_at: Mapped[datetime] = mapped_column(default=now())


class Helper(Base):
    """A worker that helps the one which holds a large task; what it has in hand carries its token."""

    __tablename__ = "helpers"

    token: Mapped[str] = mapped_column(String(32), primary_key=True)
    task_id: Mapped[int] = mapped_column(Id, ForeignKey("tasks.id", ondelete="CASCADE"))
    worker: Mapped[str] = mapped_column(String(320))
    lease_until: Mapped[datetime]

    __table_args__ = (Index("ix_helpers_task", "task_id"),)


class Lease(Base):
    """Who leads: one row per office, held until `until`."""

    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    holder: Mapped[str] = mapped_column(String(128))
    until: Mapped[datetime]


class Sender(Base):
    """What all workers know about the way out: one row, named after nothing yet but `default`."""

    __tablename__ = "senders"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    paused_until: Mapped[datetime | None]  # the server is in trouble; nothing is claimed until then
    troubles: Mapped[int] = mapped_column(default=0)  # in a row
    gap: Mapped[float] = mapped_column(default=0)  # seconds between two messages, after the server asked to slow down
    gap_until: Mapped[datetime | None]
    reason: Mapped[str | None] = mapped_column(Text)  # the server's words


class Used(Base):
    """What was used of a limit on how much is handed over: see app/tasks/limits.py."""

    __tablename__ = "limits"

    name: Mapped[str] = mapped_column(String(320), primary_key=True)
    uses: Mapped[dict[str, int]] = mapped_column(JSON)  # by slot: how many messages
    line: Mapped[float]  # until when single mails wait in line for it: seconds since 1970
    again: Mapped[float]  # the same of those who came too early, beyond those that `early` has
    early: Mapped[dict[str, float]] = mapped_column(JSON)  # by task: the new places of who came too early
    most: Mapped[int | None]  # what it was when a worker last started; none has it now where this is NULL


class Repair(Base):
    """How often each kind of repair was necessary."""

    __tablename__ = "repairs"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    n: Mapped[int] = mapped_column(Id, default=0)
    last_at: Mapped[datetime | None]


class Worker(Base):
    """A sending process's sign of life."""

    __tablename__ = "workers"

    name: Mapped[str] = mapped_column(String(128), primary_key=True)
    started_at: Mapped[datetime] = mapped_column(default=now())
    seen_at: Mapped[datetime] = mapped_column(default=now())
