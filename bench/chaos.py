"""`python -m bench chaos --trials N`: kill anything at any moment, and count what is lost and what is doubled."""

import argparse
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from random import Random
from statistics import median

from tests.chaos.effects import Effect
from tests.chaos.page import page
from tests.chaos.points import AT_RANDOM, DISTURBANCES, FROM_OUTSIDE, POINTS, SELF, deal
from tests.chaos.round import Report, play
from tests.chaos.servers import Postgres, Sqlite
from tests.chaos.stage import faketime

PAGE = Path(__file__).parents[1] / "docs" / "reliability.md"
KILLS_PER_ROUND = 40
OUTSIDE, DISTURBED = 0.1, 0.3
"""Of all kills, those that the second hand does; and how many disturbances come with each kill."""


@dataclass
class Sums:
    """What all rounds together showed; `calm` holds the effects of rounds in which nothing but processes died."""

    effects: list[Effect] = field(default_factory=list)
    calm: list[Effect] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def kills(self) -> int:
        return sum(1 for effect in self.effects if effect.kill.point.kills)

    def rows(self) -> list[list[str]]:
        """A line of the table for each point that was reached: words, times, lost, doubled, unknown, recovery."""
        return [row for name in POINTS if (row := self._row(name))] + [self._total()]

    def _row(self, name: str) -> list[str]:
        here = [effect for effect in self.effects if effect.kill.point.name == name]
        calm = [effect for effect in self.calm if effect.kill.point.name == name]
        if not here:
            return []
        point = POINTS[name]
        tasks = {effect.task for effect in here}
        lost, doubled = (str(self.broken(kind, tasks)) for kind in ("lost", "doubled"))
        unknown = str(sum(effect.unknown for effect in here))
        kills = str(len(here)) if point.kills else "–"
        return [point.words, str(len(here)), kills, lost, doubled, unknown, *recoveries(calm)]

    def _total(self) -> list[str]:
        unknown = str(sum(report.unknown for report in self.reports))
        lost, doubled = (str(self.broken(kind)) for kind in ("lost", "doubled"))
        return ["all", str(len(self.effects)), str(self.kills), lost, doubled, unknown, *recoveries(self.calm)]

    def broken(self, kind: str, tasks: set[int | None] | None = None) -> int:
        every = [one for report in self.reports for one in report.broken if one.kind == kind]
        return len([one for one in every if tasks is None or one.task in tasks])


def recoveries(effects: Sequence[Effect]) -> tuple[str, str]:
    """Median and 99th percentile in seconds, where something had to recover."""
    seconds = sorted(effect.recovery for effect in effects if effect.recovery is not None)
    if not seconds:
        return "–", "–"
    return f"{median(seconds):.1f}", f"{seconds[ceil(len(seconds) * 0.99) - 1]:.1f}"


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench chaos", description=__doc__)
    parser.add_argument("--trials", type=int, default=60, help="kills in all; disturbances come on top")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", choices=("sqlite", "postgres", "both"), default="both")
    parser.add_argument("--write", action="store_true", help=f"write the table to docs/{PAGE.name}")
    options = parser.parse_args(arguments)
    kinds = ("sqlite", "postgres") if options.database == "both" else (options.database,)
    sums, began = Sums(), time.monotonic()
    with ThreadPoolExecutor(len(kinds)) as pool:
        each = ceil(options.trials / len(kinds))
        [*_] = pool.map(lambda kind: rounds(kind, each, options.seed, sums), kinds)
    sums.seconds = time.monotonic() - began
    text = page(sums, sys.argv[1:], faked=bool(faketime()))
    print(text)
    if options.write:
        PAGE.write_text(text)
    return int(any(report.broken or report.strange for report in sums.reports))


def rounds(kind: str, kills: int, seed: int, sums: Sums) -> None:
    """Deal `kills` over as many rounds as they need; every second round is disturbed as well."""
    chance = Random(f"{seed} {kind}")
    ends = SELF + (AT_RANDOM if faketime() else AT_RANDOM[:-1])
    plans = deal(ends, kills - int(kills * OUTSIDE), kind, chance)
    outside, disturbing = (deal(FROM_OUTSIDE, int(kills * OUTSIDE), kind, chance),
                           deal(DISTURBANCES, int(kills * DISTURBED), kind, chance))  # fmt: skip
    databases = Sqlite() if kind == "sqlite" else Postgres()
    n = 2 * ceil(kills / KILLS_PER_ROUND / 2)
    try:
        for number in range(n):
            calm, turn = number % 2 == 0, number // 2
            dealt = (outside if calm else disturbing)[turn :: n // 2]
            report = play(databases, plans[number::n], dealt, Random(f"{seed} {kind} {number}"))
            _add(sums, report, calm, f"{kind} {number + 1}/{n}")
    finally:
        databases.close()


def _add(sums: Sums, report: Report, calm: bool, name: str) -> None:
    sums.reports.append(report)
    sums.effects += report.effects
    sums.calm += report.effects if calm else []
    print(
        f"{name}: {len(report.effects)} blows, {report.tasks} tasks, {report.mails} mails, {report.unknown} unknown, "
        f"{report.seconds:.0f} s, settled in {report.settled_in:.1f} s; {sums.kills} kills so far",
        *(f"  BROKEN {one.kind}, task {one.task}: {one.words}" for one in report.broken),
        *(f"  STRANGE {one}" for one in report.strange),
        *([f"  the logs: {report.folder}"] if report.broken or report.strange else []),
        sep="\n", file=sys.stderr, flush=True,
    )  # fmt: skip
