"""Handing over one message, and what became of those of a batch, as the rows will say it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from sqlalchemy import Row
from sqlalchemy.orm import Session

from app.mail import Mistake
from app.mail.addresses import Mailbox
from app.mail.outcome import Kind, Outcome
from app.mail.transport import Connection
from app.tasks import faults
from app.tasks.line import Wait
from app.tasks.model import DeliveryStatus, OnUnknown
from app.tasks.retries import LAST_ATTEMPT, wait_for_delivery
from app.worker.hold import Hold

Batch = Sequence[Row[Any]]
"""Deliveries that are marked as being sent."""


@dataclass(frozen=True)
class Handed:
    """A delivery that was marked, and what became of it; no outcome: it was not handed over after all.

    `digest` is the SHA-256 of the message, where there was one; `wait` is for its turn, where that has not come.
    """

    delivery: Row[Any]
    outcome: Outcome | None
    digest: bytes | None = None
    wait: Wait | None = None


def hand_over(held: Hold, delivery: Row[Any], connection: Connection, envelope_from: str) -> Handed:
    """Write its message, and give it to the mail server, unless the lease is lost by then."""
    to = Mailbox(delivery.address, delivery.name)
    variables = {**held.task.variables, **delivery.variables}
    try:
        if isinstance(held.edition, Mistake):
            raise held.edition
        message = held.edition.write(variables, held.task.subject, to, delivery.message_id, delivery.written_at)
    except Mistake as mistake:
        return Handed(delivery, Outcome(Kind.failed, str(mistake)))
    outcome = connection.send(envelope_from, to, message, may_finish=lambda: not held.lost)
    if outcome.kind is Kind.later and held.lost:
        return Handed(delivery, None)  # most likely it was for us not to finish it: that is no attempt
    return Handed(delivery, outcome, sha256(message).digest())


def record(held: Hold, handed: Handed) -> dict[str, Any]:
    """What lifecycle.record takes for it, but for the `fault`."""
    delivery, outcome = handed.delivery, handed.outcome
    assert outcome is not None  # noqa: S101 (only what was handed over is recorded)
    status, wait = _status(held, outcome), None
    if status is DeliveryStatus.QUEUED:
        wait = wait_for_delivery(delivery.attempt, outcome.wait)
        if delivery.attempt >= LAST_ATTEMPT:
            status = DeliveryStatus.FAILED if outcome.kind is Kind.later else DeliveryStatus.UNKNOWN
    return {"of": delivery.id, "to": status.value, "said": outcome.reply, "wait": wait, "digest": handed.digest}


def _status(held: Hold, outcome: Outcome) -> DeliveryStatus:
    if outcome.kind is Kind.later or (outcome.kind is Kind.unknown and held.task.on_unknown == OnUnknown.AGAIN):
        return DeliveryStatus.QUEUED
    return DeliveryStatus(outcome.kind.value)


def with_faults(db: Session, records: Sequence[Mapping[str, Any]], held: Hold) -> list[dict[str, Any]]:
    """The same, each with the id of what it failed for: None unless it did, and for tests, which are in no tally."""
    failed = [] if held.task.test else [each for each in records if each["to"] == DeliveryStatus.FAILED]
    ids = {}
    # In one order, so that two workers never wait for one another in a circle.
    for words in sorted({faults.words(each["said"]) for each in failed}):
        db.execute(faults.enter(words))
        ids[words] = db.scalars(faults.find(words)).one()
    return [{**each, "fault": ids[faults.words(each["said"])] if each in failed else None} for each in records]


def tallies(records: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """How many were sent, failed or are unknown."""
    became = [each["to"] for each in records]
    return {status: became.count(status) for status in ("sent", "failed", "unknown")}
