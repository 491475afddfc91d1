"""Why deliveries fail: each cause once, by the mail server's words without what is particular to one message."""

import re

from sqlalchemy import Select, TextClause, bindparam, select, text

from app.tasks.books import Fault

LONGEST = 500

_PARTICULAR = (
    (re.compile(r"https?://\S+"), "…"),
    (re.compile(r"<?[^\s<>@]+@[^\s<>@]+>?"), "…@…"),  # addresses, and Message-IDs
    (re.compile(r"\b(?=\w*\d)(?=\w*[A-Za-z])[\w-]{8,}\b|\b[0-9a-fA-F]{12,}\b"), "…"),  # ids of queues and messages
    (re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b"), "…"),  # addresses of machines
    (re.compile(r"(?<![\d.])\d{4,}(?![\d.])"), "…"),  # sizes, times, counters; replies and enhanced codes have three
)


def words(reply: str) -> str:
    """What a reply has in common with others like it."""
    for pattern, instead in _PARTICULAR:
        reply = pattern.sub(instead, reply)
    return " ".join(reply.split())[:LONGEST]


def enter(reply_words: str) -> TextClause:
    """See to it that there is a row for these words."""
    # The one spelling that both databases know, and that does not fail when another worker is faster.
    statement = text("INSERT INTO faults (words, n) VALUES (:words, 0) ON CONFLICT (words) DO NOTHING")
    return statement.bindparams(bindparam("words", reply_words))


def find(reply_words: str) -> Select[int]:
    """The id of the row with these words."""
    return select(Fault.id).where(Fault.words == reply_words)
