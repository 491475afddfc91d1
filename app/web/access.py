"""What an account changes about who may come in: its password, its sessions, and the programs' tokens."""

from sqlalchemy import delete, select, update

from app.db import AsyncDatabase
from app.web.accounts import ApiToken, User, hashed


async def set_password(database: AsyncDatabase, user: User, password: str) -> User | None:
    """Set it and end all sessions; the account as it is now. None where its sessions were ended meanwhile."""
    kept = await hashed(password)
    unchanged = (User.id == user.id) & (User.epoch == user.epoch)
    changed = update(User).where(unchanged).values(password_hash=kept, epoch=User.epoch + 1)
    async with database.writing() as db:
        if (await db.execute(changed.returning(User.id))).first() is None:
            return None
        return await db.get(User, user.id, populate_existing=True)


async def end_sessions(database: AsyncDatabase, user_id: int) -> None:
    """End all of this account's sessions, on every machine."""
    async with database.writing() as db:
        await db.execute(update(User).where(User.id == user_id).values(epoch=User.epoch + 1))


async def tokens(database: AsyncDatabase) -> list[ApiToken]:
    """All there are, by name."""
    async with database.reading() as db:
        return list((await db.scalars(select(ApiToken).order_by(ApiToken.name))).all())


async def revoke(database: AsyncDatabase, token_id: int) -> str | None:
    """The name of the token, which is good no more; None if there was none."""
    gone = delete(ApiToken).where(ApiToken.id == token_id).returning(ApiToken.name)
    async with database.writing() as db:
        name: str | None = await db.scalar(gone)
    return name
