"""Rings in RQ's queues: what is there, and what a forged payload cannot do. Redis is in process here."""

from datetime import UTC, datetime, timedelta

import pytest
from fakeredis import FakeRedis
from rq import Queue, SimpleWorker
from rq.job import Job
from rq.serializers import JSONSerializer

from app.ring import Rings
from app.ring.job import RingJob, job_id


@pytest.fixture(name="rings")
def _rings() -> Rings:
    return Rings(FakeRedis())


def test_a_scheduled_ring_is_rounded_up_so_that_rqs_own_scheduler_is_never_early(rings: Rings) -> None:
    due = datetime(2030, 1, 1, 9, 0, 0, 1, tzinfo=UTC)
    rings.enter([((7, 0, "default"), due)])
    score = rings.redis.zscore("rq:scheduled:default", "task-7-0")
    assert score == (due.replace(microsecond=0) + timedelta(seconds=1)).timestamp()


@pytest.mark.parametrize("function", ["os.system", "app.worker.run.use", "subprocess.check_output", "builtins.eval"])
def test_a_forged_payload_calls_nothing(rings: Rings, function: str, tmp_path: object) -> None:
    canary = f"{tmp_path}/canary"
    queue = Queue("default", connection=rings.redis, serializer=JSONSerializer)
    queue.enqueue(function, f"touch {canary}", job_id="forged")
    worker = SimpleWorker([queue], connection=rings.redis, serializer=JSONSerializer, job_class=RingJob)
    worker.log_result_lifespan = False
    worker.work(burst=True, logging_level="CRITICAL")
    forged = Job.fetch("forged", connection=rings.redis, serializer=JSONSerializer)
    assert forged.is_failed
    assert "a ring does not call" in (forged.latest_result().exc_string or "")
    from pathlib import Path

    assert not Path(canary).exists()


def test_an_id_is_one_per_attempt() -> None:
    assert job_id((7, 2, "high")) == "task-7-2"
