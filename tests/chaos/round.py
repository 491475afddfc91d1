"""One round: an office under attack until its plans are used up, then left alone until it has settled, then checked."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from tests.chaos.book import read
from tests.chaos.checks import Broken, broken
from tests.chaos.effects import Effect, effects
from tests.chaos.faults import Hand
from tests.chaos.points import Point
from tests.chaos.servers import Databases
from tests.chaos.stage import Stage

PACE = 0.12
"""Seconds between two tasks that come in."""

BACKLOG = 60
"""Tasks that may wait before no more come in."""


@dataclass(frozen=True)
class Report:
    """What a round showed. `folder` holds the logs, where something was broken."""

    effects: list[Effect]
    broken: list[Broken]
    strange: list[str]
    database: str
    tasks: int
    people: int
    mails: int
    unknown: int
    condemned: int
    seconds: float
    settled_in: float
    folder: str


def play(
    databases: Databases, plans: Sequence[Point], dealt: Sequence[Point], chance: Random, settle_within: float = 60
) -> Report:
    """`plans` end workers, `dealt` is for the second hand; both at once, while tasks come in."""
    began = time.monotonic()
    stage = Stage(databases, chance, [*plans])
    try:
        hand = Hand(stage)
        second = threading.Thread(target=_deal, args=(hand, dealt), daemon=True)
        second.start()
        while second.is_alive() or stage.plans or any(life.ends < time.time() + 1e6 for life in stage.lives):
            _turn(stage)
        calm = time.monotonic()
        while stage.moving() and time.monotonic() < calm + settle_within:
            stage.step()
            time.sleep(0.05)
        settled_in = time.monotonic() - calm
    finally:
        stage.close()
    return _report(stage, began, settled_in)


def _deal(hand: Hand, dealt: Sequence[Point]) -> None:
    for point in dealt:
        try:
            hand.do(point)
        except Exception as error:
            hand.stage.strange.append(f"{point.name} could not be done: {type(error).__name__} {error}")
        time.sleep(hand.stage.chance.uniform(0.2, 1))


def _turn(stage: Stage) -> None:
    """Look after the workers, and let a task come in."""
    until = time.monotonic() + PACE
    if stage.submitted % 5 or len(stage.moving()) < BACKLOG:
        stage.submit()
    else:
        time.sleep(PACE)
    while True:
        stage.step()
        if time.monotonic() > until:
            return
        time.sleep(0.02)


def _report(stage: Stage, began: float, settled_in: float) -> Report:
    book = read(stage)
    done, inexplicable = effects(book, stage.kills)
    wrong = [*broken(book, stage.acknowledged), *inexplicable]
    wrong = [each for each in wrong if not _was_the_sinks(each, stage)]
    if not wrong and not stage.strange:
        stage.clear()
    return Report(
        effects=done,
        broken=wrong,
        strange=stage.strange,
        database=stage.databases.kind,
        tasks=len(book.tasks),
        people=len(book.deliveries),
        mails=sum(book.bodies.values()),
        unknown=sum(1 for delivery in book.deliveries if delivery.status == "unknown"),
        condemned=sum(1 for events in book.moves.values() if events[-1].who == "reconciler"),
        seconds=time.monotonic() - began,
        settled_in=settled_in,
        folder=str(stage.folder),
    )


def _was_the_sinks(one: Broken, stage: Stage) -> bool:
    """A message that the sink itself left without an answer may be unknown without a kill."""
    return one.kind == "unexplained" and one.words.partition(" ")[0] in stage.wronged
