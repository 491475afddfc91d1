"""Redis is told of what was committed, and nobody waits for it, however slow it is."""

import threading
import time

from redis import RedisError

from app.web.teller import MOST, Teller


async def test_what_is_told_is_told_before_the_end() -> None:
    teller, told = Teller(), list[int]()
    for n in range(10):
        teller.tell(lambda n=n: told.append(n))  # type: ignore[misc]
    await teller.close()
    assert sorted(told) == [*range(10)]


async def test_a_redis_that_is_away_disturbs_nobody() -> None:
    teller, told = Teller(), list[int]()

    def away() -> None:
        raise RedisError("away")

    teller.tell(away)
    teller.tell(lambda: told.append(1))
    await teller.close()
    assert told == [1]


async def test_while_redis_hangs_what_waits_is_bounded() -> None:
    teller, hanging, told = Teller(), threading.Event(), list[int]()
    for _ in range(2):
        teller.tell(lambda: bool(hanging.wait(20)) or None)
    for n in range(MOST + 50):
        teller.tell(lambda n=n: told.append(n))  # type: ignore[misc]
    hanging.set()
    await teller.close()
    assert len(told) == MOST - 2


async def test_the_end_does_not_wait_for_a_redis_that_hangs() -> None:
    teller, hanging = Teller(last_words=0.2), threading.Event()
    teller.tell(lambda: bool(hanging.wait(20)) or None)
    began = time.monotonic()
    await teller.close()
    assert time.monotonic() - began < 5
    hanging.set()
