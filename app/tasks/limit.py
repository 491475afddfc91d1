"""A limit on how much is handed over: so many messages a second, minute, hour or day, in all or to one domain.

It means what it says: in no stretch of its length, wherever it begins, are more handed over. What was used is counted
in SLOTS of that length, each of which counts as a whole, and for one slot longer than the stretch, because to hand a
message over takes a moment: a thirtieth of a limit may stay unused. Moments are seconds since 1970.
"""

from collections.abc import Mapping
from math import floor
from typing import NamedTuple

SLOTS = 60


class Limit(NamedTuple):
    """At most `most` messages in any stretch of `seconds`: to this domain, or in all, where it is empty."""

    domain: str
    most: int
    seconds: int

    @property
    def name(self) -> str:
        """Of its row: another `most` goes on with what was used."""
        return f"{self.domain}/{self.seconds}"

    def is_for(self, address: str) -> bool:
        return self.domain in ("", domain_of(address))

    def __str__(self) -> str:
        units = {1: "second", 60: "minute", 3600: "hour", 86_400: "day"}
        return f"{self.domain}{'=' if self.domain else ''}{self.most}/{units[self.seconds]}"


def domain_of(address: str) -> str:
    return address.rpartition("@")[2].lower()


def turn(limit: Limit, uses: Mapping[str, int], moment: float) -> float:
    """When one more message may go: at this moment, or when enough of these uses count no more."""
    counting, at = in_stretch(limit, uses, moment), moment
    total = sum(counting.values())
    for slot in sorted(counting, key=int):
        if total < limit.most:
            break
        total -= counting[slot]
        at = _left_at(limit, slot)
    return at


def with_one(limit: Limit, uses: Mapping[str, int], moment: float) -> dict[str, int]:
    """These uses and one more at this moment, without those that count no more."""
    slot, counting = str(floor(moment * SLOTS / limit.seconds)), in_stretch(limit, uses, moment)
    return counting | {slot: counting.get(slot, 0) + 1}


def in_stretch(limit: Limit, uses: Mapping[str, int], moment: float) -> dict[str, int]:
    return {slot: n for slot, n in uses.items() if _left_at(limit, slot) > moment}


def _left_at(limit: Limit, slot: str) -> float:
    """When the slot counts no more."""
    return int(slot) * limit.seconds / SLOTS + lasts(limit)


def lasts(limit: Limit) -> float:
    """Seconds for which a use counts, at most."""
    return limit.seconds * (1 + 2 / SLOTS)
