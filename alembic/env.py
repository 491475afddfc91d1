"""How Alembic reaches the database: the URL is handed over by `python -m app migrate`, else read from the settings."""

import app.tasks.books
import app.web.people.tokens  # noqa: F401 (its tables, and those of accounts, join the metadata)
from alembic import context
from app.config import read_settings
from app.db import Base, Database

database = Database(context.config.get_main_option("sqlalchemy.url") or read_settings().database_url)
with database.engine.execution_options(writes=True).connect() as connection:
    context.configure(connection=connection, target_metadata=Base.metadata, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
database.close()
