"""Rings in RQ's queues: what is there, and what a forged payload cannot do. Redis is in process here."""

from datetime import UTC, datetime, timedelta

import pytest
from fakeredis import FakeRedis
from rq import Queue, SimpleWorker
from rq.job import Job
from rq.serializers import JSONSerializer

from app.ring import RingJob, Rings, job_id


@pytest.fixture(name="rings")
def _rings() -> Rings:
    return Rings(FakeRedis())


def test_a_ring_carries_the_task_and_the_attempt_and_nothing_else(rings: Rings) -> None:
    rings.ring([(7, 2, "high")])
    job = RingJob.fetch("task-7-2", connection=rings.redis, serializer=JSONSerializer)
    assert (job.func_name, list(job.args), job.kwargs) == ("app.worker.run.ring", [7, 2], {})
    assert rings.present() == {"task-7-2"}
    assert rings.waiting() == {"high": 1, "default": 0, "low": 0}


def test_what_is_to_go_first_keeps_its_order(rings: Rings) -> None:
    rings.ring([(1, 0, "low")])
    rings.ring([(2, 0, "low"), (3, 0, "low")], first=True)
    assert rings.redis.lrange("rq:queue:low", 0, -1) == [b"task-2-0", b"task-3-0", b"task-1-0"]


def test_a_scheduled_ring_is_rounded_up_so_that_rqs_own_scheduler_is_never_early(rings: Rings) -> None:
    due = datetime(2030, 1, 1, 9, 0, 0, 1, tzinfo=UTC)
    rings.ring_at((7, 0, "default"), due)
    score = rings.redis.zscore("rq:scheduled:default", "task-7-0")
    assert score == (due.replace(microsecond=0) + timedelta(seconds=1)).timestamp()


def test_ringing_takes_the_scheduled_entry_out(rings: Rings) -> None:
    rings.ring_at((7, 0, "default"), datetime.now(UTC) + timedelta(hours=1))
    rings.ring([(7, 0, "default")])
    assert rings.redis.zcard("rq:scheduled:default") == 0
    assert rings.waiting()["default"] == 1


def test_what_is_taken_back_is_nowhere(rings: Rings) -> None:
    rings.ring([(7, 0, "low")])
    rings.ring_at((8, 0, "low"), datetime.now(UTC) + timedelta(hours=1))
    for task_id in (7, 8, 9):
        rings.take_back([(task_id, 0, "low")])
    assert rings.present() == set()
    assert rings.redis.zcard("rq:scheduled:low") == 0


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
