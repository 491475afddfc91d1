"""Who may come in: accounts, one-time sign-in links, and tokens for programs. Secrets are kept as hashes only."""

import asyncio
import secrets
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import cache
from hashlib import sha256

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Integer, Select, String, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from app.config import Settings
from app.db import AsyncDatabase, Base, Database, now
from app.mail import Mistake
from app.mail.addresses import parse

FIRST_ACCOUNT = "admin@postdate.local"
LINK_HOLDS = 24 * 3600
"""Seconds for which a sign-in link is good, once."""

LONGEST_PASSWORD = 1000

_hasher = PasswordHasher()
# A hash takes 64 MiB and a tenth of a second: two at a time, and none of the threads that others wait for.
_hashing = ThreadPoolExecutor(2, "argon2")


class User(Base):
    """A person with an account. A higher `epoch` ends every session begun under a lower one."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    email: Mapped[str] = mapped_column(String(320), unique=True)
    password_hash: Mapped[str | None] = mapped_column(String(255))
    epoch: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime] = mapped_column(default=now())


class SignInLink(Base):
    """A link that signs in once, until `until`."""

    __tablename__ = "sign_in_links"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[int]
    until: Mapped[datetime]


def spelled(email: str) -> str:
    """The one spelling under which an account is kept and found: that of its mails."""
    try:
        return parse(email).key
    except Mistake:
        return email.strip().lower()


def digest(secret: str) -> str:
    """What is kept of a token. It is as random as a key, so that a plain hash is enough."""
    return sha256(secret.encode("utf-8", "replace")).hexdigest()


# People


async def keep_admin(database: AsyncDatabase, settings: Settings) -> None:
    """Make ADMIN_EMAIL's account and ADMIN_PASSWORD agree, where they are set; a new password ends all sessions."""
    if not settings.admin_email:
        return
    email = spelled(settings.admin_email)
    async with database.reading() as db:
        user = await db.scalar(_by_email(email))
    if user is not None and user.password_hash and await _fits(user.password_hash, settings.admin_password):
        return
    kept = await hashed(settings.admin_password)
    try:
        async with database.writing() as db:
            changed = update(User).where(User.email == email).values(password_hash=kept, epoch=User.epoch + 1)
            if (await db.execute(changed.returning(User.id))).first() is None:
                await db.execute(insert(User).values(email=email, password_hash=kept))
    except IntegrityError:
        pass  # another web process, started at the same moment, was faster


async def hashed(password: str) -> str:
    """What is kept of a password."""
    return await asyncio.get_running_loop().run_in_executor(_hashing, _hasher.hash, password)


async def with_password(database: AsyncDatabase, email: str, password: str) -> User | None:
    """The account with this e-mail and this password. It takes the same time for one that does not exist."""
    email = spelled(email)
    user = None
    if "\0" not in email and len(email) <= 320:
        async with database.reading() as db:
            user = await db.scalar(_by_email(email))
    known = user.password_hash if user is not None else None
    fits = await _fits(known, password[:LONGEST_PASSWORD])
    return user if fits and known else None


def _by_email(email: str) -> Select[User]:
    return select(User).where(User.email == email)


async def _fits(hashed: str | None, password: str) -> bool:
    return await asyncio.get_running_loop().run_in_executor(_hashing, _verify, hashed, password)


def _verify(hashed: str | None, password: str) -> bool:
    try:
        return _hasher.verify(hashed or _nobodys_hash(), password)
    except (VerificationError, InvalidHashError):
        return False


@cache
def _nobodys_hash() -> str:
    return _hasher.hash(secrets.token_hex(32))


# One-time links


def sign_in_link(database: Database, settings: Settings) -> str | None:
    """A new link that signs the first account in, which is created where there is none; None if ADMIN_EMAIL is set."""
    if settings.admin_email:
        return None
    token = secrets.token_urlsafe(32)
    with database.writing() as db:
        user_id = db.scalar(select(User.id).order_by(User.id).limit(1))
        if user_id is None:
            user_id = db.execute(insert(User).values(email=FIRST_ACCOUNT).returning(User.id)).scalar_one()
        db.execute(delete(SignInLink).where(SignInLink.until <= now()))
        db.execute(insert(SignInLink).values(digest=digest(token), user_id=user_id, until=now(LINK_HOLDS)))
    return f"{settings.public_url}/sign-in/{token}"


async def use_link(database: AsyncDatabase, token: str) -> User | None:
    """Whose link it is; it is good no more."""
    used = delete(SignInLink).where(SignInLink.digest == digest(token), SignInLink.until > now())
    async with database.writing() as db:
        user_id = await db.scalar(used.returning(SignInLink.user_id))
        return None if user_id is None else await db.get(User, user_id)


# Sessions


async def with_session(database: AsyncDatabase, user_id: object, epoch: object) -> User | None:
    """The account that a session names, unless it was ended since."""
    if not isinstance(user_id, int) or not isinstance(epoch, int):
        return None
    named = select(User).where(User.id == user_id, User.epoch == epoch)
    user: User | None = await database.glance(lambda db: db.scalar(named))
    return user
