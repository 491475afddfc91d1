"""Where and how things are killed or broken: every point by name, and the deck of them that a seed deals."""

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True)
class Point:
    """`window`: whether a message may be in flight there, so that up to one batch may end as unknown.

    `kills`: whether something dies; what else breaks is a disturbance. `weight`: how often it is dealt.
    `only`: the one database that it exists on.
    """

    name: str
    words: str
    window: bool = False
    kills: bool = True
    weight: float = 1
    only: str = ""


SELF = (
    Point("before-claim", "worker: before the claim"),
    Point("in-claim", "worker: claimed and `sending` marked, before the commit of both"),
    Point("after-claim", "worker: after that commit, before handing over", window=True),
    Point("before-data", "worker: after `sending`, before DATA", window=True),
    Point("in-body", "worker: in the middle of a body", window=True),
    Point("after-last-byte", "worker: after the last byte, before the reply", window=True),
    Point("after-reply", "worker: after the replies, before the record", window=True),
    Point(
        "in-record", "worker: after the record, before settle or the next `sending`, in their transaction", window=True
    ),
    Point("in-mark", "worker: recorded and the next `sending` marked, before the commit of both", window=True),
    Point("in-settle", "worker: during settle, before its commit", window=True),
    Point("after-settle", "worker: after settle's commit, before RQ hears of it"),
    Point("promoted", "timekeeper: between promote's commit and the ring (its worker may be sending)", window=True),
)
"""Reached by a worker that kills itself there (worker.py)."""

AT_RANDOM = (
    Point("random", "worker: SIGKILL at a random instant", window=True, weight=8),
    Point("two-timekeepers", "worker with a second timekeeper that ignores the office: SIGKILL", window=True),
    Point("clock", "worker whose clock is 100 s off: SIGKILL", window=True, weight=2, only="postgres"),
)
"""Killed from outside, after a while."""

FROM_OUTSIDE = (
    Point("web-ring", "web: between commit and ring"),
    Point("web-random", "web: SIGKILL at a random instant, while it is asked"),
    Point("parent", "parent of two workers (`WORKERS=2`): SIGKILL; no orphan may remain"),
    Point("valkey-kill", "embedded server: SIGKILL, started again from its file"),
)
"""Kills that the round's second hand does, one after another (faults.py)."""

DISTURBANCES = (
    Point("flushall", "embedded server: FLUSHALL", kills=False),
    Point("valkey-stop", "embedded server: stopped for 15 s", kills=False),
    Point("valkey-old", "embedded server: started again from an older copy of its folder", kills=False),
    Point("stop-cont", "worker: SIGSTOP beyond its lease, then SIGCONT (the fence)", window=True, kills=False),
    Point("locked", "database: locked for 5 s by somebody else", window=True, kills=False),
    Point("full", "database: full for 3 s (SQLITE_FULL)", window=True, kills=False, weight=2, only="sqlite"),
    Point("restart", "Postgres: `pg_ctl restart -m immediate`", window=True, kills=False, weight=2, only="postgres"),
    Point("sink-refuses", "mail server: answers 550, 552, 554", kills=False),
    Point("sink-defers", "mail server: answers 450, 452", kills=False),
    Point("sink-421", "mail server: answers 421 and hangs up", kills=False),
    Point("sink-hangs-up", "mail server: hangs up, at each step up to DATA", kills=False),
    Point("sink-silent", "mail server: hangs up after the body, before or after it took it", window=True, kills=False),
    Point("sink-stalls", "mail server: stalls for longer than the time limit, at each step", window=True, kills=False),
)

POINTS = {point.name: point for point in (*SELF, *AT_RANDOM, *FROM_OUTSIDE, *DISTURBANCES)}


def deal(points: tuple[Point, ...], n: int, database: str, chance: Random) -> list[Point]:
    """`n` points for this kind of database, each as often as its weight says, in an order that `chance` decides."""
    chosen = [point for point in points if point.only in ("", database)]
    total = sum(point.weight for point in chosen)
    dealt = [point for point in chosen for _ in range(int(n * point.weight / total))]
    dealt += chance.choices(chosen, [point.weight for point in chosen], k=n - len(dealt))
    chance.shuffle(dealt)
    return dealt
