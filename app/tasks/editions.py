"""Keeps each edition of a template once, so that what was sent can be shown as it was."""

from sqlalchemy import TextClause, bindparam, text


def enter(digest: str, source: str) -> TextClause:
    """See to it that there is a row for this edition."""
    # As in faults.py: nobody minds another worker that is faster.
    statement = text("INSERT INTO editions (digest, source) VALUES (:digest, :source) ON CONFLICT (digest) DO NOTHING")
    return statement.bindparams(bindparam("digest", digest), bindparam("source", source))
