"""dramatiq over Redis, with one process of one thread. It keeps no record: what is acknowledged is gone."""

import sys

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from race import deliver, given, singles

broker = RedisBroker(url=given["redis"])
dramatiq.set_broker(broker)


@dramatiq.actor
def send(address: str, name: str) -> None:
    deliver(address, name)


def race() -> None:
    submitted = 0

    def submit(address: str, name: str) -> None:
        nonlocal submitted
        submitted += 1
        send.send(address, name)

    worker = [sys.executable, "-m", "dramatiq", "with_dramatiq", "--processes=1", "--threads=1"]
    singles(submit, lambda: submitted - broker.do_qsize("default"), worker)
