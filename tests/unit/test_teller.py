"""Redis is told of what was committed, and nobody waits for it, however slow it is."""

import asyncio
import threading
import time

from redis import RedisError

from app.web.teller import MOST, MOST_GATHERED, Gathered, Teller


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


async def test_what_comes_in_quick_succession_is_told_of_together() -> None:
    teller, trips = Teller(), list[list[int]]()
    gathered = Gathered(teller, trips.append, apart=0.5)
    for n in range(100):
        gathered.add([n])
    await teller.close()
    assert [n for trip in trips for n in trip] == [*range(100)]
    assert len(trips) <= 2


async def test_the_first_is_told_of_at_once() -> None:
    teller, told = Teller(last_words=0.1), threading.Event()
    Gathered[int](teller, lambda _: told.set(), apart=60).add([1])
    assert await asyncio.to_thread(told.wait, 5)
    await teller.close()


async def test_what_could_not_be_told_of_keeps_nobody_from_telling_what_comes_next() -> None:
    teller, trips, failed = Teller(), list[list[int]](), threading.Event()

    def tell(things: list[int]) -> None:
        if not failed.is_set():
            failed.set()
            raise RedisError("away")
        trips.append(things)

    gathered = Gathered(teller, tell)
    gathered.add([1])
    assert failed.wait(5)
    gathered.add([2])
    await teller.close()
    assert trips == [[2]]


async def test_while_redis_hangs_what_is_gathered_is_bounded() -> None:
    teller, hanging, trips = Teller(), threading.Event(), list[list[int]]()
    for _ in range(2):
        teller.tell(lambda: bool(hanging.wait(20)) or None)
    gathered = Gathered(teller, trips.append)
    for n in range(MOST_GATHERED + 50):
        gathered.add([n])
    hanging.set()
    await teller.close()
    assert [len(trip) for trip in trips] == [MOST_GATHERED]


async def test_what_the_teller_refuses_is_not_waited_for() -> None:
    teller, hanging, trips = Teller(), threading.Event(), list[list[int]]()
    for _ in range(MOST):
        teller.tell(lambda: bool(hanging.wait(20)) or None)
    gathered = Gathered(teller, trips.append)
    gathered.add([1])  # there is no room for it
    hanging.set()
    while not teller.tell(lambda: None):  # noqa: ASYNC110 (it sets no event)
        await asyncio.sleep(0.01)
    gathered.add([2])
    await teller.close()
    assert trips == [[2]]
