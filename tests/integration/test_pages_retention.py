"""Pages after old mail was deleted."""

from quart import Quart
from sqlalchemy import text

from app.db import Database
from app.worker.retention import Retention
from tests.integration.test_pages_history import store
from tests.parts import answer


async def test_open_pages_are_told_of_what_moves_after_everything_was_deleted(app: Quart, database: Database) -> None:
    """SQLite gives the ids of the newest events again."""
    for _ in range(3):
        answer(database, store(database), {})
    async with app.config["POSTDATE"].watch.listening("0") as listener:
        while await listener.take(1.0):
            pass
        with database.writing() as db:
            long_ago = "strftime('%Y-%m-%d %H:%M:%f000', 'now', '-31 days')"
            db.execute(text(f"UPDATE tasks SET created_at = {long_ago}, ended_at = {long_ago}"))
        assert Retention(database, 30, lambda: True).bite()
        assert await listener.take(10.0), "that they are gone"
        while await listener.take(1.0):
            pass
        store(database)
        assert "4" in await listener.take(10.0)
