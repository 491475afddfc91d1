"""What an account changes about who may come in: its password, its sessions, and the programs' tokens."""

from sqlalchemy import update

from app.db import AsyncDatabase
from app.web.accounts import User, hashed


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
