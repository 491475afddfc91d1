"""The one package that talks to RQ's queues. A ring wakes a worker and proves nothing: the rows are the truth."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.client import PubSub
from redis.retry import Retry
from rq import Queue
from rq.serializers import JSONSerializer
from rq.utils import utcformat

from app.ring.job import FUNCTION, ID, QUEUES, TIMEOUT, Ringing, RingJob, data, fields, job_id, options

MOST_RUNG = 1000
"""Rings that are put in one step, for as long as which Redis answers nobody else: some 10 ms."""

IN_HAND = 5
"""Seconds for which a ring that a worker took counts as being there: it comes to it, or gives it back."""

TAKEN = "postdate:taken"
"""A sorted set of the ids of those, by when they were taken (seconds of Redis's clock)."""


def connect(url: str) -> Redis:
    """A client that says at once when Redis is not there, instead of trying for seconds."""
    client: Redis = Redis.from_url(
        url, retry=Retry(NoBackoff(), 0), socket_connect_timeout=0.5, socket_timeout=2, health_check_interval=15
    )
    return client


class Rings:
    """What waits in RQ's queues: put there, taken out again, looked at. Every method may raise redis.RedisError."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self._queues = {
            name: Queue(name, connection=redis, serializer=JSONSerializer, job_class=RingJob) for name in QUEUES
        }
        self._fields = {name: fields(queue) for name, queue in self._queues.items()}
        self._ring, self._take = redis.register_script(_RING), redis.register_script(_TAKE)

    def ring(self, ringings: Iterable[Ringing], first: bool = False, before: Ringing | None = None) -> None:
        """Put rings into their queues; what was entered for later is taken out of there first. `first` goes before
        whatever rings already, and `before` before this one in its queue, or where that has been taken, `first`.
        """
        by_queue: dict[str, list[Ringing]] = {}
        for ringing in dict.fromkeys(ringings):  # a task may have been rung for twice
            by_queue.setdefault(ringing[2], []).append(ringing)
        for name, some in by_queue.items():
            queue = self._queues[name]
            in_turn = some[::-1] if first else some  # each goes before the one before it
            for at in range(0, len(in_turn), MOST_RUNG):
                self._put(queue, in_turn[at : at + MOST_RUNG], "LPUSH" if first else "RPUSH", before)

    def _put(self, queue: Queue, ringings: Sequence[Ringing], push: str, before: Ringing | None) -> None:
        """What Queue.enqueue_many does, at a tenth of its cost: what all these jobs have in common is written once."""
        args: list[Any] = [
            push,
            job_id(before) if before else "",
            RingJob.redis_job_namespace_prefix,
            self._fields[queue.name],
            utcformat(datetime.now(UTC)),
        ]
        for ringing in ringings:
            args += [job_id(ringing), data(ringing)]
        keys = [queue.key, queue.redis_queues_keys, queue.scheduled_job_registry.key]
        self._ring(keys=keys, args=args)

    def enter(self, entries: Iterable[tuple[Ringing, datetime]]) -> None:
        """Enter rings for later, or for another moment than before; rounded up to RQ's whole seconds, so that RQ's own
        scheduler is never early. What is due by now is not entered: the promoter rings for it.

        A ring that is in a list already stays there: it finds no row to move.
        """
        now = datetime.now(UTC)
        with self.redis.pipeline(transaction=False) as pipe:
            for ringing, due_at in entries:
                queue, whole = self._queues[ringing[2]], due_at.replace(microsecond=0)
                pipe.zrem(queue.scheduled_job_registry.key, job_id(ringing))
                if due_at > now:
                    queue.enqueue_at(
                        whole + timedelta(seconds=1 if due_at.microsecond else 0), FUNCTION, args=ringing[:2],
                        job_id=job_id(ringing), job_timeout=TIMEOUT, pipeline=pipe, **options(ringing),
                    )  # fmt: skip
            pipe.publish(News.CHANNEL, "entered")
            pipe.execute()

    def take_back(self, ringings: Iterable[Ringing]) -> None:
        """Remove rings for good, wherever they wait. One that is missed finds no row to move."""
        with self.redis.pipeline(transaction=False) as pipe:
            for ringing in ringings:
                queue = self._queues[ringing[2]]
                pipe.zrem(queue.scheduled_job_registry.key, job_id(ringing))
                queue.remove(job_id(ringing), pipeline=pipe)
                pipe.delete(RingJob.key_for(job_id(ringing)))
            pipe.execute()

    def take(self, most: int) -> list[Ringing]:
        """Take up to `most` rings out of their queues, the most urgent first, as RQ would do one by one. What is taken
        is gone: whoever does not come to it leaves a row that is rung for again.
        """
        keys = [queue.key for queue in self._queues.values()]
        taken: Any = self._take(keys=[*keys, TAKEN], args=[most, RingJob.redis_job_namespace_prefix, IN_HAND])
        found = [(ID.fullmatch(ring), QUEUES[queue - 1]) for queue, ring in taken]
        return [(int(known[1]), int(known[2]), name) for known, name in found if known]

    def present(self) -> set[str]:
        """The ids of all rings that wait in a list, or were taken out just now: by membership, never by a job's status.

        Those in a worker's hands for longer are not among them: a row that is still queued was not claimed, whatever
        RQ believes.
        """
        seconds, _ = self.redis.time()
        with self.redis.pipeline() as pipe:
            for queue in self._queues.values():
                pipe.lrange(queue.key, 0, -1)
            pipe.zrange(TAKEN, seconds - IN_HAND, "+inf", byscore=True)
            replies = pipe.execute()
        return {item.decode("utf-8", "replace") for reply in replies for item in reply}

    def is_there(self) -> bool:
        """Whether Redis answers."""
        return bool(self.redis.ping())

    def waiting(self) -> dict[str, int]:
        """How many rings wait in each queue."""
        return {name: queue.count for name, queue in self._queues.items()}


class News:
    """Wakes the timekeeper when something is entered for later, which may be earlier than what it waits for."""

    CHANNEL = "postdate:entered"

    def __init__(self, redis: Redis) -> None:
        self._subscription: PubSub = redis.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]

    def wait(self, seconds: float) -> None:
        """Until there are news, or `seconds` have passed. After a redis.RedisError it subscribes anew."""
        if not self._subscription.subscribed:
            self._subscription.subscribe(self.CHANNEL)
        self._subscription.get_message(timeout=seconds)


_RING = """
redis.call('SADD', KEYS[2], KEYS[1])
for n = 6, #ARGV, 2 do
    local job = ARGV[3] .. ARGV[n]
    if n == 6 then
        redis.call('DEL', job) -- one that ended goes in a while, and the others would be copies of it
        redis.call('HSET', job, 'created_at', ARGV[5], 'enqueued_at', ARGV[5], unpack(cjson.decode(ARGV[4])))
    else
        redis.call('COPY', ARGV[3] .. ARGV[6], job, 'REPLACE')
    end
    redis.call('HSET', job, 'data', ARGV[n + 1], 'description', ARGV[n])
    redis.call('ZREM', KEYS[3], ARGV[n])
    if ARGV[2] == '' then
        redis.call(ARGV[1], KEYS[1], ARGV[n])
    elseif redis.call('LINSERT', KEYS[1], 'BEFORE', ARGV[2], ARGV[n]) < 1 then
        redis.call('LPUSH', KEYS[1], ARGV[n])
    end
end
"""

# One trip, and no moment at which a ring is neither in its list nor among those that were taken.
_TAKE = """
local most, now, found = tonumber(ARGV[1]), tonumber(redis.call('TIME')[1]), {}
for n = 1, #KEYS - 1 do
    local rings = most > #found and redis.call('LPOP', KEYS[n], most - #found) or {}
    for _, ring in ipairs(rings) do
        found[#found + 1] = {n, ring}
        redis.call('ZADD', KEYS[#KEYS], now, ring)
        redis.call('DEL', ARGV[2] .. ring)
    end
end
redis.call('ZREMRANGEBYSCORE', KEYS[#KEYS], '-inf', now - ARGV[3] - 1)
return found
"""
