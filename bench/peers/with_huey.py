"""huey with its SQLite storage and one worker thread. Results are kept in the same file."""

import sys

from huey import SqliteHuey
from race import deliver, singles

huey = SqliteHuey(filename="huey.db")


@huey.task()
def send(address: str, name: str) -> str:
    return deliver(address, name)


def race() -> None:
    consumer = "from huey.bin.huey_consumer import consumer_main; consumer_main()"
    worker = [sys.executable, "-c", consumer, "with_huey.huey", "--workers=1", "--quiet"]
    singles(send, huey.storage.result_store_size, worker)
