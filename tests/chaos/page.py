"""docs/reliability.md, from what a run showed."""

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HEAD = ("point", "times", "kills", "lost", "doubled", "unknown", "median s", "p99 s")

TEXT = """# Reliability

What happens to the mail when anything is killed at any moment. This page is written by the run that it
describes:

    {command}

on {date}, in {minutes:.0f} minutes, on {machine}.

{kills:,} kills and {disturbances:,} disturbances, while {tasks:,} tasks came in and {mails:,} mails went out:
**{lost} lost, {doubled} doubled**; of the {people:,} recipients, {unknown} ended as unknown, each of them in
hand when its worker died or its server fell silent. {condemned} tasks were given up after costing three workers
in a row.

{table}

*times*: how often the point was reached. *unknown*: messages that a person has to decide about; a kill can
leave no more than one batch, 10, and none where no message was in flight. The last line counts those too that
the mail server's own silence left. *median* and *p99*: seconds from the kill until the task in hand was taken
up again, in the rounds in which nothing but processes died; a lease holds for 8 s, and a ring may be on its way
for 5 s. In the other rounds, with servers stopped and disks full, it was {disturbed_median} s and
{disturbed_p99} s.

## How it is done

A round is an office of its own: a database ({databases}), a Valkey, a mail server that remembers every body it
accepted, and three workers, started again as soon as they die. Tasks of 1 to 240 recipients come in, at once or
for later, one ring in ten is lost on purpose. Meanwhile workers are killed one after another, each at the point
that was dealt to it or at a random instant, and a second hand kills or breaks the other parts. Then everything
is left alone until it has settled, and rows and mail server are compared from outside, with SQL of their own:

- every acknowledged task is there, with all its recipients; it ended, or waits for an instant to come;
- no address of a task got two bodies; what is `sent` was taken once, what is `failed` or `queued` never;
- `unknown` only where a message was in flight, and no more than a batch at each kill;
- nothing was taken before it was due;
- the events lead to each status without a gap, tallies and counts equal the rows, nothing is left `started` or
  `sending`.

## What it does not show

{gaps}"""

GAPS = (
    "Record and settle are one transaction, and so are claim and the first `sending`: between them there is no"
    " commit to be killed after, so these points lie inside the transaction.",
    "A power cut. SQLite runs with `synchronous=FULL`, Postgres with `fsync`; SIGKILL cannot show that disks keep"
    " their promises.",
    "A full disk under Postgres. Under SQLite it is SQLite's own error, brought about with `max_page_count`, not a"
    " full file system.",
    "Two machines: everything ran on one.",
)
NO_CLOCK = "A worker whose clock is off: this machine has no libfaketime."
CLOCK_ON_SQLITE = "A worker whose clock is off, on SQLite: there the host's clock is the database's."


def page(sums: Any, arguments: Sequence[str], faked: bool) -> str:
    """The page, for the sums of bench/chaos.py."""
    from bench.chaos import recoveries

    reports = sums.reports
    calm = {id(effect) for effect in sums.calm}
    median, p99 = recoveries([effect for effect in sums.effects if id(effect) not in calm])
    return TEXT.format(
        command=f"python -m bench {' '.join(arguments)}",
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        minutes=sums.seconds / 60,
        machine=machine(),
        kills=sums.kills,
        disturbances=len(sums.effects) - sums.kills,
        tasks=sum(report.tasks for report in reports),
        mails=sum(report.mails for report in reports),
        people=sum(report.people for report in reports),
        lost=sums.broken("lost"),
        doubled=sums.broken("doubled"),
        unknown=sum(report.unknown for report in reports),
        condemned=sum(report.condemned for report in reports),
        table=table([HEAD, *sums.rows()]),
        disturbed_median=median,
        disturbed_p99=p99,
        databases=" or ".join(sorted({report.database for report in reports})),
        gaps="\n".join(f"- {gap}" for gap in (*GAPS, CLOCK_ON_SQLITE if faked else NO_CLOCK)) + "\n",
    )


def table(rows: Sequence[Sequence[str]]) -> str:
    """As Markdown that can be read as it is: the first column to the left, the figures to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "| " + " | ".join(f"{cell:{'<' if i == 0 else '>'}{widths[i]}}" for i, cell in enumerate(row)) + " |"
        for row in rows
    ]
    rule = "|" + "|".join("-" * (width + 1) + (":" if i else "-") for i, width in enumerate(widths)) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def machine() -> str:
    """What it ran on, without its name."""
    cpu = "an unknown processor"
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if line[:10] == "model name"]
        cpu = names[0] if names else cpu
    return f"{os.cpu_count()} cores of {cpu}, {platform.system()}, Python {platform.python_version()}"
