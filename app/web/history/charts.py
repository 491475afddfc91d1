"""What the charts show: hours gathered into the slots of a span, and slots as bars, in per cent and pixels."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

HOUR = timedelta(hours=1)
HEIGHT = 128.0
"""Pixels of the tallest bar."""

LEAST = 3.0
"""Pixels of the smallest bar that is not nothing."""

FILLED = 0.78
"""How much of its slot's width a bar takes."""

WIDEST_MARK = 78.0
"""Per cent; further to the right the words of a mark would not fit on a phone."""

STEPS = (10, 1000, 60_000, 3_600_000, 86_400_000)
"""Milliseconds at which the scale of lateness has a line."""


class Counted(Protocol):
    """What a row of `overview.hours` has."""

    hour: datetime
    sent: int
    failed: int
    unknown: int
    started: int
    late_ms: int
    latest_ms: int


@dataclass
class Slot:
    """An hour or a day, from `at` on; lateness in milliseconds."""

    at: datetime
    sent: int = 0
    failed: int = 0
    unknown: int = 0
    started: int = 0
    late_ms: int = 0
    latest_ms: int = 0

    def add(self, row: Counted) -> None:
        for name in ("sent", "failed", "unknown", "started", "late_ms"):
            setattr(self, name, getattr(self, name) + int(getattr(row, name)))
        self.latest_ms = max(self.latest_ms, int(row.latest_ms))

    @property
    def mean_ms(self) -> int:
        """How late a task began, on average."""
        return round(self.late_ms / self.started) if self.started else 0

    @property
    def ended(self) -> int:
        return self.sent + self.failed + self.unknown


def last_hours(now: datetime, zone: str, n: int = 48) -> list[Slot]:
    """The last `n` hours, this one included. They are hours of UTC, wherever one is: in zones half an hour off, they
    begin at half past.
    """
    this = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return [Slot((this - HOUR * back).astimezone(ZoneInfo(zone))) for back in reversed(range(n))]


def last_days(now: datetime, zone: str, n: int = 30) -> list[Slot]:
    """The last `n` days of the zone, today included, of 23, 24 or 25 hours each. An hour of UTC belongs to the day in
    which it begins; in zones half an hour off, half of one a day is counted a day too early.
    """
    today = now.astimezone(ZoneInfo(zone)).date()
    days = [today - timedelta(days=back) for back in reversed(range(n))]
    return [Slot(datetime.combine(day, time(), ZoneInfo(zone))) for day in days]


def fill(slots: list[Slot], rows: Iterable[Counted]) -> list[Slot]:
    """The slots, each with what was counted from its beginning to the next one's."""
    begins = [slot.at.astimezone(UTC) for slot in slots]
    for row in rows:
        if fitting := [slot for begin, slot in zip(begins, slots, strict=True) if begin <= row.hour]:
            fitting[-1].add(row)
    return slots


@dataclass(frozen=True)
class Bar:
    """A part of a column: `x` and `width` in per cent, `y` from the top and `height` in pixels."""

    kind: str
    x: float
    width: float
    y: float
    height: float


Drawn = tuple[list[Bar], list[tuple[int, float]]]
"""Bars, and the lines of their scale: what each stands for, and its y. No lines where there is nothing to see."""


def columns(slots: Sequence[Slot], kinds: Sequence[str]) -> Drawn:
    """For each slot its numbers, one upon the other."""
    top = max((sum(getattr(slot, kind) for kind in kinds) for slot in slots), default=0)
    bars = []
    for n, slot in enumerate(slots):
        base = HEIGHT
        for kind in kinds:
            if value := getattr(slot, kind):
                height = max(LEAST, HEIGHT * value / top)
                base -= height
                bars.append(_bar(kind, n, len(slots), base, height))
    return bars, [(top, 0.0)] if top else []


def lateness(slots: Sequence[Slot]) -> Drawn:
    """For each slot in which something began the worst and, before it, the mean, in milliseconds. The scale is
    logarithmic, from one on: what is usual is seen beside what was once very late.
    """
    worst = max((slot.latest_ms for slot in slots), default=0)
    top = next((step for step in STEPS[1:] if step >= worst), STEPS[-1])
    scale = _logarithmic(top)
    bars = []
    for n, slot in enumerate(slots):
        if slot.started:
            for kind, value in (("worst", slot.latest_ms), ("mean", slot.mean_ms)):
                height = scale(value)
                bars.append(_bar(kind, n, len(slots), HEIGHT - height, height))
    return bars, [(step, HEIGHT - scale(step)) for step in STEPS if bars and step <= top]


def _logarithmic(top: int) -> Callable[[int], float]:
    return lambda ms: min(HEIGHT, max(LEAST, HEIGHT * math.log10(max(1, ms)) / math.log10(top)))


def _bar(kind: str, n: int, of: int, y: float, height: float) -> Bar:
    slot = 100 / of
    return Bar(kind, round(slot * (n + (1 - FILLED) / 2), 3), round(slot * FILLED, 3), round(y, 1), round(height, 1))


def marks(slots: Sequence[Slot], is_marked: Callable[[datetime], bool]) -> list[tuple[float, datetime]]:
    """Where the axis says the time: x in per cent. Not at the right edge, where the words would not fit."""
    places = [(round(100 * n / len(slots), 3), slot.at) for n, slot in enumerate(slots) if is_marked(slot.at)]
    return [(x, at) for x, at in places if x <= WIDEST_MARK]
