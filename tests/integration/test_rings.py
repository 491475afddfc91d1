"""Rings in the queues of a real server: as RQ itself would have put them there."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rq import Callback, Queue
from rq.serializers import JSONSerializer

from app.ring import MOST_RUNG, Rings, connect
from app.ring.job import FUNCTION, KEPT, ON_FAILURE, ON_SUCCESS, TIMEOUT, RingJob
from tests.parts import valkey


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with valkey(Path(tmp_path_factory.mktemp("r"))) as url:
        yield url


@pytest.fixture
def rings(url: str) -> Iterator[Rings]:
    rings = Rings(connect(url))
    rings.redis.flushall()
    yield rings
    rings.redis.close()


def test_a_ring_carries_the_task_and_the_attempt_and_nothing_else(rings: Rings) -> None:
    rings.ring([(7, 2, "high")])
    job = RingJob.fetch("task-7-2", connection=rings.redis, serializer=JSONSerializer)
    assert (job.func_name, list(job.args), job.kwargs) == ("app.worker.run.ring", [7, 2], {})
    assert rings.present() == {"task-7-2"}
    assert rings.waiting() == {"high": 1, "default": 0, "low": 0}


def test_one_that_rings_again_lasts_as_do_those_that_ring_with_it(rings: Rings) -> None:
    """RQ keeps a job that has ended for a while only."""
    rings.redis.hset("rq:job:task-1-1", mapping={"status": "finished", "result": "old"})
    rings.redis.expire("rq:job:task-1-1", 500)
    rings.ring([(1, 1, "low"), (2, 1, "low")])
    for key in ("rq:job:task-1-1", "rq:job:task-2-1"):
        assert rings.redis.ttl(key) == -1
        assert rings.redis.hget(key, "result") is None


def test_what_is_to_go_first_keeps_its_order(rings: Rings) -> None:
    rings.ring([(1, 0, "low")])
    rings.ring([(2, 0, "low"), (3, 0, "low")], first=True)
    assert rings.redis.lrange("rq:queue:low", 0, -1) == [b"task-2-0", b"task-3-0", b"task-1-0"]


def test_what_goes_before_one_that_rings_is_first_if_that_was_taken(rings: Rings) -> None:
    rings.ring([(3, 0, "low"), (6, 0, "low")])
    rings.ring([(4, 0, "low"), (5, 0, "low")], before=(6, 0, "low"))
    rings.ring([(2, 0, "low")], before=(1, 0, "low"))
    assert [task for task, *_ in rings.take(10)] == [2, 3, 4, 5, 6]


def test_ringing_takes_the_scheduled_entry_out(rings: Rings) -> None:
    rings.enter([((7, 0, "default"), datetime.now(UTC) + timedelta(hours=1))])
    rings.ring([(7, 0, "default")])
    assert rings.redis.zcard("rq:scheduled:default") == 0
    assert rings.waiting()["default"] == 1


def test_what_is_taken_back_is_nowhere(rings: Rings) -> None:
    rings.ring([(7, 0, "low")])
    rings.enter([((8, 0, "low"), datetime.now(UTC) + timedelta(hours=1))])
    for task_id in (7, 8, 9):
        rings.take_back([(task_id, 0, "low")])
    assert rings.present() == set()
    assert rings.redis.zcard("rq:scheduled:low") == 0


def test_it_is_what_rq_itself_would_have_written(rings: Rings) -> None:
    rings.ring([(7, 2, "high")])
    ours, kept = everything(rings)
    rings.redis.flushall()
    Queue("high", connection=rings.redis, serializer=JSONSerializer, job_class=RingJob).enqueue(
        FUNCTION, args=(7, 2), job_id="task-7-2", job_timeout=TIMEOUT, result_ttl=KEPT, failure_ttl=KEPT,
        description="task-7-2", on_success=Callback(ON_SUCCESS), on_failure=Callback(ON_FAILURE),
    )  # fmt: skip
    assert (ours, kept) == everything(rings)


def everything(rings: Rings) -> tuple[dict[bytes, object], dict[bytes, int]]:
    """All keys with what they hold, and how long they are kept; but for the moment, and how well the data is packed."""
    held: dict[bytes, object] = {}
    for key in rings.redis.scan_iter():
        kind = rings.redis.type(key)
        if kind == b"hash":
            held[key] = {name: value for name, value in rings.redis.hgetall(key).items()
                         if name not in (b"data", b"created_at", b"enqueued_at")}  # fmt: skip
            job = RingJob.fetch(key.decode().removeprefix("rq:job:"), connection=rings.redis, serializer=JSONSerializer)
            held[key + b" data"] = job.data
            assert abs((datetime.now(UTC) - job.created_at).total_seconds()) < 60
            assert job.enqueued_at
            assert abs((datetime.now(UTC) - job.enqueued_at).total_seconds()) < 60
        else:
            held[key] = rings.redis.lrange(key, 0, -1) if kind == b"list" else rings.redis.smembers(key)
    return held, {key: rings.redis.ttl(key) for key in held if not key.endswith(b" data")}


@pytest.mark.parametrize("first", [False, True])
def test_very_many_are_put_in_their_order(rings: Rings, first: bool) -> None:
    many = [(n, 0, "low") for n in range(1, MOST_RUNG * 2 + 10)]
    rings.ring(many, first=first)
    assert rings.take(len(many)) == many
