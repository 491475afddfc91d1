"""What an account changes about who may come in: its password and sessions, and other accounts."""

import secrets

from sqlalchemy import Delete, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.db import AsyncDatabase, now
from app.web.people.accounts import LINK_HOLDS, SignInLink, User, digest, hashed
from app.web.people.tokens import ApiToken


async def set_password(database: AsyncDatabase, user: User, password: str) -> User | None:
    """Set it and end all sessions; the account as it is now. None where its sessions were ended meanwhile."""
    kept = await hashed(password)
    unchanged = (User.id == user.id) & (User.epoch == user.epoch)
    changed = update(User).where(unchanged).values(password_hash=kept, epoch=User.epoch + 1)
    async with database.writing() as db:
        if (await db.execute(changed.returning(User.id))).first() is None:
            return None
        await db.execute(_no_links(user.id))
        return await db.get(User, user.id, populate_existing=True)


async def end_sessions(database: AsyncDatabase, user_id: int) -> None:
    """End all of this account's sessions, on every machine."""
    async with database.writing() as db:
        await db.execute(update(User).where(User.id == user_id).values(epoch=User.epoch + 1))
        await db.execute(_no_links(user_id))


def _no_links(user_id: int) -> Delete:
    """Links that were given out before are another way in."""
    return delete(SignInLink).where(SignInLink.user_id == user_id)


async def accounts(database: AsyncDatabase) -> list[User]:
    """All there are, by address."""
    async with database.reading() as db:
        return list((await db.scalars(select(User).order_by(User.email))).all())


async def invite(database: AsyncDatabase, email: str) -> str | None:
    """The secret of a link that signs this account in once; it is made where there is none. None: it has a password.

    Whoever was in an account without a password is signed out of it: no two people share one without noticing.
    """
    secret = secrets.token_urlsafe(32)
    known = update(User).where(User.email == email, User.password_hash.is_(None)).values(epoch=User.epoch + 1)
    try:
        async with database.writing() as db:
            user_id = await db.scalar(known.returning(User.id))
            if user_id is None:
                user_id = (await db.execute(insert(User).values(email=email).returning(User.id))).scalar_one()
            await db.execute(_no_links(user_id))
            await db.execute(insert(SignInLink).values(digest=digest(secret), user_id=user_id, until=now(LINK_HOLDS)))
    except IntegrityError:
        return None
    return secret


async def shut_out(database: AsyncDatabase, user_id: int, but: str) -> str | None:
    """End the account's sessions, and take its password and its links away; its address. None: no such account.

    Never that of the address `but`.
    """
    shut = update(User).where(User.id == user_id, User.email != but)
    shut = shut.values(password_hash=None, epoch=User.epoch + 1)
    async with database.writing() as db:
        email: str | None = await db.scalar(shut.returning(User.email))
        if email is not None:
            await db.execute(_no_links(user_id))
    return email


def writers(db: Session) -> list[str]:
    """Everybody who can write a mail, in the words that tasks keep."""
    people = db.scalars(select(User.email).order_by(User.email)).all()
    programs = db.scalars(select(ApiToken.name).order_by(ApiToken.name)).all()
    return [*people, *(f"token {name}" for name in programs)]
