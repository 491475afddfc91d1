"""The tables of the core: tasks, their deliveries, the events of both, and the exact counts per status."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, Integer, LargeBinary, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, now

QUEUES = ("high", "default", "low")
"""In the order in which workers empty them."""

Id = BigInteger().with_variant(Integer, "sqlite")
Word = String(16)
BYTEWISE_64 = String(64, collation="C")
Address = String(320).with_variant(String(320, collation="C"), "postgresql")  # bytewise: prefixes use the index


class TaskStatus(StrEnum):
    """What became of a task. The arrows between these are in lifecycle/, and nowhere else."""

    SCHEDULED = "scheduled"  # due later; nobody was rung yet
    QUEUED = "queued"  # due, or given back: waits for a worker, or for the earliest of its waits
    STARTED = "started"  # a worker holds it under a lease
    FINISHED = "finished"  # ended: every delivery was sent
    FAILED = "failed"  # ended: one or more deliveries failed or are unknown
    CANCELLED = "cancelled"  # ended by a person; what had not been sent never will be


class DeliveryStatus(StrEnum):
    """What became of one recipient's message."""

    QUEUED = "queued"
    SENDING = "sending"  # committed before the message is handed over
    SENT = "sent"  # the server said 250
    FAILED = "failed"  # the server refused for good, or there were too many attempts
    UNKNOWN = "unknown"  # handed over, no answer heard: a person decides
    CANCELLED = "cancelled"


MISSED = (DeliveryStatus.FAILED, DeliveryStatus.CANCELLED)
"""Who did not get it, and will not by itself."""


class OnUnknown(StrEnum):
    """What is to happen to a message that may have arrived, and may not."""

    HOLD = "hold"  # a person decides
    AGAIN = "again"  # it is sent again by itself, and may arrive twice: this person's decision for the whole task


class Task(Base):
    """What a person asked for: this template, to these people, at this moment.

    `who` and `why` say who moved it last and for what reason; the database's triggers copy them into task_events
    whenever `status` changes, and keep task_counts, in the same statement. No move can forget its event.
    """

    __tablename__ = "tasks"

    id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=True)
    status: Mapped[str] = mapped_column(Word)
    template: Mapped[str] = mapped_column(String(128))
    subject: Mapped[str | None] = mapped_column(String(255))  # None: the template's own
    variables: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    queue: Mapped[str] = mapped_column(Word)
    scheduled_at: Mapped[datetime | None]  # what was asked for; None: at once
    zone: Mapped[str | None] = mapped_column(String(64))  # in which the person chose it
    due_at: Mapped[datetime]
    rung_at: Mapped[datetime | None]  # None: the promoter still has to ring for it
    created_at: Mapped[datetime] = mapped_column(default=now())
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    late_limit: Mapped[int | None]  # seconds; a task that starts later than this after it was due is held
    hold_after: Mapped[datetime | None]  # the same as an instant; None: it is sent however late
    held: Mapped[bool] = mapped_column(default=False)  # came due too late: a person decides
    on_unknown: Mapped[str] = mapped_column(Word, default=OnUnknown.HOLD)
    attempt: Mapped[int] = mapped_column(default=0)  # claims so far
    crashes: Mapped[int] = mapped_column(default=0)  # workers lost over it since a message of it was last sent
    token: Mapped[str | None] = mapped_column(String(32))  # of the lease; every move of its holder names it
    lease_until: Mapped[datetime | None]
    recipients: Mapped[int]
    first_address: Mapped[str | None] = mapped_column(Address)  # of whom was given first; None: of an older version
    sent: Mapped[int] = mapped_column(default=0)
    failed: Mapped[int] = mapped_column(default=0)
    unknown: Mapped[int] = mapped_column(default=0)
    error: Mapped[str | None] = mapped_column(Text)
    who: Mapped[str] = mapped_column(String(320))
    why: Mapped[str | None] = mapped_column(Text)
    idempotency_key: Mapped[str | None] = mapped_column(String(255), unique=True)
    request_hash: Mapped[str | None] = mapped_column(String(64))  # sha256 of what came with the key
    test: Mapped[bool] = mapped_column(default=False)  # in no list and no tally
    attention: Mapped[bool] = mapped_column(default=False)  # held, unknown or out of attempts: a person should look
    title: Mapped[str] = mapped_column(String(255), default="")  # the subject, as far as the task alone fills it in
    title_key: Mapped[str] = mapped_column(String(64).with_variant(BYTEWISE_64, "postgresql"), default="")
    created_by: Mapped[str] = mapped_column(String(320), default="")
    bulk_id: Mapped[int | None] = mapped_column(Id)  # of the bulk that moved it, if nobody did since
    edit_key: Mapped[str | None] = mapped_column(String(128))  # of the edit that it is as it is by
    instead_of: Mapped[int | None] = mapped_column(Id)  # the first of the mails that it was written instead of

    __table_args__ = (
        # What nobody has rung for: only waiting tasks. Chosen by `rung_at` alone, or SQLite does not see that it fits.
        Index("ix_tasks_unrung", "due_at", sqlite_where=text("rung_at IS NULL"),
              postgresql_where=text("rung_at IS NULL")),
        Index("ix_tasks_hold", "hold_after", sqlite_where=text("hold_after IS NOT NULL"),
              postgresql_where=text("hold_after IS NOT NULL")),
        Index("ix_tasks_status", "status", "id"),
        Index("ix_tasks_template", "template", "id"),
        Index("ix_tasks_created_by", "created_by", "id"),
        Index("ix_tasks_title", "title_key"),
        Index("ix_tasks_created", "created_at"),
        Index("ix_tasks_attention", "id", sqlite_where=text("attention"), postgresql_where=text("attention")),
        Index("ix_tasks_bulk", "bulk_id", sqlite_where=text("bulk_id IS NOT NULL"),
              postgresql_where=text("bulk_id IS NOT NULL")),
        Index("ix_tasks_instead", "instead_of", sqlite_where=text("instead_of IS NOT NULL"),
              postgresql_where=text("instead_of IS NOT NULL")),
        {"sqlite_autoincrement": True},  # an id is never used twice, though its task be deleted
    )  # fmt: skip


class Delivery(Base):
    """One recipient of a task: the unit of sending."""

    __tablename__ = "deliveries"

    id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=True)
    task_id: Mapped[int] = mapped_column(Id, ForeignKey("tasks.id", ondelete="CASCADE"))
    address: Mapped[str] = mapped_column(Address)
    name: Mapped[str] = mapped_column(String(128), default="")
    variables: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)  # over the task's
    status: Mapped[str] = mapped_column(Word, default=DeliveryStatus.QUEUED)
    attempt: Mapped[int] = mapped_column(default=0)  # times it was marked as sending
    token: Mapped[str | None] = mapped_column(String(32))  # of the lease under which it was marked
    due_at: Mapped[datetime | None]  # None: with its task; else deferred until then
    message_id: Mapped[str] = mapped_column(String(255))  # the same on every attempt
    reply: Mapped[str | None] = mapped_column(Text)  # the server's own words, or what happened instead
    fault_id: Mapped[int | None] = mapped_column(Id)  # why it failed; None unless it did, and for tests
    edition_id: Mapped[int | None] = mapped_column(Id)  # of its template, as it was at the last attempt
    written_at: Mapped[datetime | None]  # the Date of the message of the last attempt
    digest: Mapped[bytes | None] = mapped_column(LargeBinary(32))  # SHA-256 of its bytes, once the outcome is known
    updated_at: Mapped[datetime] = mapped_column(default=now())

    __table_args__ = (
        UniqueConstraint("task_id", "address"),
        Index("ix_deliveries_status", "task_id", "status", "id"),
        Index("ix_deliveries_lower", text("lower(address)"), "task_id"),
        Index("ix_deliveries_fault", "fault_id", "task_id", sqlite_where=text("fault_id IS NOT NULL"),
              postgresql_where=text("fault_id IS NOT NULL")),
        {"sqlite_autoincrement": True},
    )  # fmt: skip


class TaskEvent(Base):
    """The record of a move. `address` is None where the task moved, else the recipient whose delivery did."""

    __tablename__ = "task_events"

    id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=True)
    task_id: Mapped[int] = mapped_column(Id, ForeignKey("tasks.id", ondelete="CASCADE"))
    at: Mapped[datetime]
    from_status: Mapped[str | None] = mapped_column(Word)
    to_status: Mapped[str] = mapped_column(Word)
    who: Mapped[str] = mapped_column(String(320))
    why: Mapped[str | None] = mapped_column(Text)
    address: Mapped[str | None] = mapped_column(Address)

    __table_args__ = (Index("ix_task_events_task", "task_id", "id"),)


class TaskCount(Base):
    """How many tasks have a status: the sum of `n` over its shards, of which a task has the one that its id says.

    `attention` counts among them, though it is no status.
    """

    __tablename__ = "task_counts"

    status: Mapped[str] = mapped_column(Word, primary_key=True)
    shard: Mapped[int] = mapped_column(primary_key=True)
    n: Mapped[int] = mapped_column(Id, default=0)
