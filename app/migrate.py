"""Brings the database's tables up to date, and knows whether they are."""

from functools import cache
from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory

from alembic import command

ALEMBIC = Path(__file__).resolve().parent.parent / "alembic.ini"


def migrate(database_url: str) -> None:
    """Run every migration that is missing, each in a transaction of its own."""
    command.upgrade(_config(database_url), "head")


@cache
def head() -> str:
    """The revision that the tables should have."""
    return ScriptDirectory.from_config(_config("")).get_current_head() or ""


def _config(database_url: str) -> Config:
    config = Config(ALEMBIC)
    config.set_main_option("sqlalchemy.url", database_url.replace("%", "%%"))
    return config
