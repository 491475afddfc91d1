"""Tokens for programs: made at the terminal, shown once, kept as hashes, revoked on the account page."""

import secrets
from datetime import datetime

from sqlalchemy import Integer, Select, String, delete, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from app.db import AsyncDatabase, Base, Database, now, prepared
from app.web.people.accounts import digest

LONGEST_TOKEN_NAME = 64


class ApiToken(Base):
    """A program's key. `name` says whose it is, in every event that it causes."""

    __tablename__ = "api_tokens"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(default=now())


def new_token(database: Database, name: str) -> str:
    """A new token, `pd_` and 43 characters. Only its hash is kept. Raises ValueError, with a sentence, for `name`."""
    if not name.isprintable() or not 1 <= len(name.strip()) <= LONGEST_TOKEN_NAME:
        raise ValueError(f"A token's name has 1 to {LONGEST_TOKEN_NAME} printable characters.")
    token = "pd_" + secrets.token_urlsafe(32)
    try:
        with database.writing() as db:
            db.execute(insert(ApiToken).values(name=name.strip(), digest=digest(token)))
    except IntegrityError:
        raise ValueError(f"There is a token named {name.strip()} already: please choose another name.") from None
    return token


async def token_name(database: AsyncDatabase, token: str) -> str | None:
    """Whose token it is."""
    found: str | None = await database.glance(lambda db: db.scalar(_named(digest(token))))
    return found


@prepared
def _named(digest: str) -> Select[str]:
    return select(ApiToken.name).where(ApiToken.digest == digest)


async def all_tokens(database: AsyncDatabase) -> list[ApiToken]:
    """All there are, by name."""
    async with database.reading() as db:
        return list((await db.scalars(select(ApiToken).order_by(ApiToken.name))).all())


async def revoke(database: AsyncDatabase, token_id: int) -> str | None:
    """The name of the token, which is good no more; None if there was none."""
    gone = delete(ApiToken).where(ApiToken.id == token_id).returning(ApiToken.name)
    async with database.writing() as db:
        name: str | None = await db.scalar(gone)
    return name
