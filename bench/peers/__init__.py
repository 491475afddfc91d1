"""`python -m bench peers`: Postdate beside what one would pick instead, in turns, on this machine.

`--race bulk`: from the worker's start of work to the last recorded reply. `--race singles`: as many tasks of one
recipient each, submitted in-process one after another while one worker runs, from the first submit to the last
recorded reply. The same mail goes to the same mail server, which counts what it takes.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from statistics import median

from bench.peers.course import Course, Turn
from bench.peers.racers import RACES, Racer
from tests.chaos.page import machine, table


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench peers", description=__doc__)
    parser.add_argument("--race", choices=(*RACES, "all"), default="all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--mails", type=int, help="in each turn; 10,000 in bulk and 1,000 singles if not given")
    parser.add_argument("--only", default="", help="these alone, by name, with commas; Postdate is always among them")
    options = parser.parse_args(arguments)
    print(f"On {machine()}:\n", flush=True)
    fine = True
    for race in RACES if options.race == "all" else [options.race]:
        racers = chosen(race, options.only)
        mails = options.mails or {"bulk": 10_000, "singles": 1_000}[race]
        turns = rounds(racers, mails, options.rounds)
        print(f"{race}, {mails:,} mails, {options.rounds} rounds in turns:\n\n{standings(racers, turns)}\n", flush=True)
        fine = fine and not any(turn.wrong for some in turns.values() for turn in some)
    return int(not fine)


def chosen(race: str, only: str) -> dict[str, Racer]:
    wanted = {"postdate", *only.split(",")} if only else {*RACES[race]}
    return {name: racer for name, racer in RACES[race].items() if name in wanted}


def rounds(racers: Mapping[str, Racer], mails: int, n: int) -> dict[str, list[Turn]]:
    """Everybody's turns. Each round begins with another racer, so that nobody always follows the same one."""
    turns: dict[str, list[Turn]] = {name: [] for name in racers}
    course, names = Course(), [*racers]
    try:
        for number in range(n):
            for name in names[number % len(names) :] + names[: number % len(names)]:
                turn = course.turn(racers[name], mails)
                turns[name].append(turn)
                print(f"round {number + 1}: {name} {turn.rate:,.0f}/s {turn.wrong}", file=sys.stderr, flush=True)
    finally:
        course.close()
    return turns


def standings(racers: Mapping[str, Racer], turns: Mapping[str, Sequence[Turn]]) -> str:
    """As Markdown, the fastest first. Postdate is held against each within one round, as what else the machine does
    changes; of these ratios, the median.
    """
    medians = {name: median(turn.rate for turn in some) for name, some in turns.items()}
    rows = [("", "mails/s", "slowest–fastest", "Postdate on SQLite is", "wrong")]
    for name in sorted(medians, key=lambda name: -medians[name]):
        rates = [turn.rate for turn in turns[name]]
        wrong = "; ".join(turn.wrong for turn in turns[name] if turn.wrong)
        ratios = [ours.rate / turn.rate for ours, turn in zip(turns["postdate"], turns[name], strict=True) if turn.rate]
        ratio = f"{median(ratios):.2f} ×" if ratios else "–"
        rows.append((racers[name].words, f"{medians[name]:,.0f}", f"{min(rates):,.0f}–{max(rates):,.0f}", ratio,
                     wrong or "–"))  # fmt: skip
    return table(rows)
