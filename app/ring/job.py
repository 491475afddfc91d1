"""A ring as an RQ job: its id, what it carries, and what it may call.

It carries a task's id and an attempt, nothing else, under the id `task-{id}-{attempt}`. It is JSON, and its class knows
our functions only: a payload that names another one (JSON can name `os.system`) fails.
"""

import json
import re
from collections.abc import Callable
from typing import Any

from rq import Callback, Queue
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer
from rq.utils import import_attribute

FUNCTION = "app.worker.run.ring"
ON_SUCCESS = "app.worker.run.rang"
ON_FAILURE = "app.worker.run.failed_to_ring"
KNOWN = frozenset({FUNCTION, ON_SUCCESS, ON_FAILURE})

QUEUES = ("high", "default", "low")
KEPT = 60
"""Seconds for which RQ keeps a job that ended. The history is in the database."""

TIMEOUT = 3600
"""Seconds a ring may take: a backstop, far above a worker's turn and the longest wait for a mail server's answer."""

Ringing = tuple[int, int, str]
"""A task's id, the attempt to ring for, and its queue."""


def ringing_of(task: Any) -> Ringing:
    """That of a task, or of what a move returned of it."""
    return task.id, task.attempt, task.queue


class RingJob(Job):
    """An RQ job that can call our functions and no others, whatever its payload says."""

    @property
    def func(self) -> Callable[..., Any] | None:
        return _known(self.func_name)

    @property
    def success_callback(self) -> Callable[..., Any] | None:
        return _known(self._success_callback_name) if self._success_callback_name else None

    @property
    def failure_callback(self) -> Callable[..., Any] | None:
        return _known(self._failure_callback_name) if self._failure_callback_name else None

    @property
    def stopped_callback(self) -> Callable[..., Any] | None:
        return None


def _known(name: str | None) -> Callable[..., Any]:
    if name not in KNOWN:
        raise ValueError(f"a ring does not call {name!r}")
    function: Callable[..., Any] = import_attribute(name)
    return function


ID = re.compile(rb"task-([0-9]{1,19})-([0-9]{1,9})")


def job_id(ringing: Ringing) -> str:
    """One id per attempt: a lost ring can be rung again, an old one is told from a new one."""
    return f"task-{ringing[0]}-{ringing[1]}"


def fields(queue: Queue) -> str:
    """What RQ writes into every job for a ring in this queue: names and values in turn, without what differs; JSON."""
    job = RingJob.create(
        FUNCTION, connection=queue.connection, serializer=JSONSerializer, origin=queue.name, status=JobStatus.QUEUED,
        timeout=TIMEOUT, **options((0, 0, queue.name)),
    )  # fmt: skip
    differs = "data", "description", "created_at", "enqueued_at"
    those = [part for name, value in job.to_dict().items() if name not in differs for part in (name, value)]
    return json.dumps(those)


def data(ringing: Ringing) -> bytes:
    """What RQ's jobs say is to be called, and with what: see Job.data. RQ compresses it, and reads it as it is too."""
    dumped: bytes = JSONSerializer.dumps([FUNCTION, None, ringing[:2], {}])  # type: ignore[no-untyped-call]
    return dumped


def options(ringing: Ringing) -> dict[str, Any]:
    return {
        "result_ttl": KEPT,
        "failure_ttl": KEPT,
        "description": job_id(ringing),
        "on_success": Callback(ON_SUCCESS),
        "on_failure": Callback(ON_FAILURE),
    }
