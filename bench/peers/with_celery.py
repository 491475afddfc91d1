"""celery with its prefork pool of one process, Redis as the broker, results in SQLite."""

import sqlite3
import sys

from celery import Celery
from race import deliver, given, singles

app = Celery("with_celery", broker="redis+socket://" + given["redis"].removeprefix("unix://"),
             backend="db+sqlite:///results.db", broker_connection_retry_on_startup=True)  # fmt: skip


@app.task
def send(address: str, name: str) -> str:
    return deliver(address, name)


def race() -> None:
    worker = [sys.executable, "-m", "celery", "-A", "with_celery", "worker", "--concurrency=1", "--loglevel=WARNING"]
    singles(send.delay, _recorded, worker)


def _recorded() -> int:
    results = sqlite3.connect("results.db", timeout=10)
    try:
        return results.execute("SELECT count(*) FROM celery_taskmeta WHERE status = 'SUCCESS'").fetchone()[0]
    except sqlite3.OperationalError:  # the table comes with the first result
        return 0
    finally:
        results.close()
