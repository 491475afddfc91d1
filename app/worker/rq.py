"""RQ's worker, bent as little as possible: it repairs before it begins, and stops only where no ring can be lost."""

import signal
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

from redis import Redis, RedisError
from rq import Queue, SimpleWorker
from rq.exceptions import StopRequested
from rq.serializers import JSONSerializer

from app.ring.job import QUEUES, RingJob

BLOCK = 1
"""Seconds for which a pop may block, and so how long an idle worker takes to see that it is to stop."""


class PatientQueue(Queue):
    """A queue that is left between two pops only. RQ's own leaves between a pop and its job too, which loses it."""

    stopping = False

    @classmethod
    def lpop(cls, queue_keys: Sequence[str], timeout: int | None, connection: Redis | None = None) -> Any:
        if PatientQueue.stopping:
            raise StopRequested
        return super().lpop(queue_keys, timeout and min(timeout, BLOCK), connection)


class SendingWorker(SimpleWorker):
    """Works in its own process, without forking, so that the connection to the mail server stays warm.

    `at_start` is called before the first ring is taken; `at_stop` when it is asked to stop, any number of times.
    """

    queue_class = PatientQueue
    job_class = RingJob
    max_connection_wait_time = 1.0  # seconds between tries while Redis is away; RQ's own grow to a minute

    def __init__(self, connection: Redis, at_start: Callable[[], object], at_stop: Callable[[], object]) -> None:
        super().__init__(list(QUEUES), connection=connection, serializer=JSONSerializer)
        self.at_start, self.at_stop = at_start, at_stop

    def bootstrap(self, *args: Any, **kwargs: Any) -> None:
        super().bootstrap(*args, **kwargs)
        self.at_start()

    def heartbeat(self, timeout: int | None = None, pipeline: Any = None) -> None:
        """RQ's own; but one that is to stop does not wait for a Redis that is away."""
        try:
            super().heartbeat(timeout, pipeline)
        except RedisError:
            if PatientQueue.stopping:
                raise StopRequested from None
            raise

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """SIGTERM and SIGINT, once or five times: what is in hand is finished and recorded, nothing new is taken."""
        self._stop_requested = PatientQueue.stopping = True
        self.at_stop()

    def _install_signal_handlers(self) -> None:
        signal.signal(signal.SIGINT, self.request_stop)
        signal.signal(signal.SIGTERM, self.request_stop)
