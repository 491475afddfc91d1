"""A short attack on both databases at once: every window once, the fence, and FLUSHALL. For a long one: bench chaos."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from random import Random
from statistics import median

import pytest

from tests.chaos.points import POINTS, SELF
from tests.chaos.round import Report, play
from tests.chaos.servers import Databases, Postgres, Sqlite
from tests.parts import note_figure

HAND = ("web-ring", "flushall", "sink-silent", "stop-cont", "sink-refuses", "valkey-kill")
KINDS: dict[str, Callable[[], Databases]] = {"sqlite": Sqlite, "postgres": Postgres}


def attack(kind: str) -> Report:
    databases = KINDS[kind]()
    try:
        return play(databases, SELF, [POINTS[name] for name in HAND], Random(f"ci {kind}"))
    finally:
        databases.close()


@pytest.fixture(scope="module")
def reports() -> dict[str, Report]:
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(KINDS, pool.map(attack, KINDS), strict=True))


@pytest.fixture(params=KINDS)
def report(request: pytest.FixtureRequest, reports: dict[str, Report]) -> Report:
    return reports[str(request.param)]


def test_every_point_is_reached(report: Report) -> None:
    reached = {effect.kill.point.name for effect in report.effects}
    assert {point.name for point in SELF} | set(HAND) <= reached


def test_nothing_is_lost_doubled_or_early_and_the_books_are_right(report: Report) -> None:
    assert not report.broken, f"the logs are in {report.folder}"
    assert not report.strange, f"the logs are in {report.folder}"
    assert report.mails > 100


def test_what_a_killed_worker_had_in_hand_goes_on_by_itself(report: Report) -> None:
    """How soon is a matter of the machine, and of what else it does: `python -m bench chaos` measures that."""
    hit = [effect for effect in report.effects if effect.kill.point in SELF and effect.task]
    assert len(hit) >= 8
    took = [effect.recovery for effect in hit if effect.recovery is not None]
    note_figure(f"recovery after {len(took)} kills in a row: median {median(took):.1f} s, maximum {max(took):.1f}")
    assert max(took) < 60


def test_a_worker_that_was_stopped_beyond_its_lease_writes_nothing_any_more(report: Report) -> None:
    (fence,) = [effect for effect in report.effects if effect.kill.point.name == "stop-cont"]
    assert fence.unknown <= 10
