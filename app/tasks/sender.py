"""The way out, as all workers know it: paused while the mail server is in trouble, slowed down when it asks."""

from sqlalchemy import Select, Update, case, func, or_, select, update

from app.db import now, prepared
from app.tasks.books import Sender

NAME = "default"
SLOW_FOR = 600
"""Seconds for which a request to slow down is heeded."""

GAPS = (0.1, 10.0)
"""Seconds between two messages: at the first request to slow down, and at most; doubled at each further one."""


@prepared
def state() -> Select[bool, float, int]:
    """Whether nothing may be handed over for now, the seconds to leave between two messages, and troubles in a row."""
    paused = func.coalesce(Sender.paused_until > now(), False)
    gap = case((Sender.gap_until > now(), Sender.gap), else_=0.0)
    return select(paused, gap, Sender.troubles).where(Sender.name == NAME)


def pause(reason: str, seconds: float) -> Update:
    """The server is in trouble: nothing is claimed for that long, unless somebody else has said so already."""
    return (
        update(Sender)
        .where(Sender.name == NAME, or_(Sender.paused_until.is_(None), Sender.paused_until <= now()))
        .values(troubles=Sender.troubles + 1, reason=reason, paused_until=now(seconds))
    )


@prepared
def well() -> Update:
    """The server works: whatever trouble there was is over."""
    return update(Sender).where(Sender.name == NAME, Sender.troubles > 0).values(troubles=0, paused_until=None)


def slow_down(reason: str) -> Update:
    """Leave more time between two messages."""
    least, most = GAPS
    doubled = case((Sender.gap * 2 > most, most), (Sender.gap * 2 < least, least), else_=Sender.gap * 2)
    slow = case((Sender.gap_until > now(), doubled), else_=least)
    return update(Sender).where(Sender.name == NAME).values(gap=slow, gap_until=now(SLOW_FOR), reason=reason)
