"""RQ as its documentation shows it, with either of its workers. Results are kept in Redis."""

import sys
from pathlib import Path

from race import deliver, given, singles
from redis import Redis
from rq import Queue


def send(address: str, name: str) -> str:
    return deliver(address, name)


def simple() -> None:
    _race("rq.worker.SimpleWorker")


def forking() -> None:
    """Its worker forks for every job, and no connection is kept warm across that."""
    _race("rq.worker.Worker")


def _race(kind: str) -> None:
    queue = Queue(connection=Redis.from_url(given["redis"]))
    rq = str(Path(sys.executable).with_name("rq"))
    worker = [rq, "worker", "--url", given["redis"], "--worker-class", kind, "--quiet"]
    singles(lambda address, name: queue.enqueue(send, address, name), lambda: queue.finished_job_registry.count, worker)
