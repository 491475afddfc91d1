"""procrastinate on Postgres, one job at a time. Its jobs stay in their table, with what became of them."""

import sys

import psycopg
from procrastinate import App, PsycopgConnector, SyncPsycopgConnector
from race import deliver, given, singles

app = App(connector=PsycopgConnector(conninfo=given["postgres"]), import_paths=["with_procrastinate"])


@app.task(name="send")
def send(address: str, name: str) -> None:
    deliver(address, name)


def race() -> None:
    with app.replace_connector(SyncPsycopgConnector(conninfo=given["postgres"])) as here, here.open():
        here.schema_manager.apply_schema()
        worker = [sys.executable, "-m", "procrastinate", "--app=with_procrastinate.app", "worker", "--concurrency=1"]
        with psycopg.connect(given["postgres"], autocommit=True) as database:
            query = "SELECT count(*) FROM procrastinate_jobs WHERE status = 'succeeded'"
            singles(
                lambda address, name: send.defer(address=address, name=name),
                lambda: database.execute(query).fetchone()[0],
                worker,
            )
