"""One writes after the other, in threads, coroutines and processes alike; and nobody waits for the dead."""

import asyncio
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread

import pytest

from app.db.turns import Turns

HOLD = """
import sys, time
from app.db.turns import Turns
with Turns(sys.argv[1]).wait():
    print("mine", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/postdate.db"


def test_a_thread_waits_until_the_other_is_done(url: str) -> None:
    order: list[str] = []

    def other() -> None:
        with Turns(url).wait():
            order.append("other")

    with Turns(url).wait():
        thread = Thread(target=other)
        thread.start()
        time.sleep(0.1)
        order.append("one")
    thread.join()
    assert order == ["one", "other"]


async def test_coroutines_take_turns_and_let_others_run_meanwhile(url: str) -> None:
    inside, most = 0, 0

    async def write(turns: Turns) -> None:
        nonlocal inside, most
        async with turns.awaited():
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.002)
            inside -= 1

    turns = Turns(url)
    await asyncio.gather(*(write(turns) for _ in range(20)))
    assert most == 1


def test_one_that_dies_holds_up_nobody(url: str) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, url], stdout=subprocess.PIPE)
    assert holder.stdout
    holder.stdout.readline()
    holder.kill()
    holder.wait()
    holder.stdout.close()
    began = time.monotonic()
    with Turns(url).wait():
        assert time.monotonic() - began < Turns.PATIENCE / 2


class Impatient(Turns):
    PATIENCE = 0.05


def test_one_that_hangs_is_left_to_the_database_in_the_end(url: str) -> None:
    with Turns(url).wait(), Impatient(url).wait():
        pass


def test_without_the_file_there_is_no_turn_and_no_error(tmp_path: Path) -> None:
    (tmp_path / "postdate.db-turn").mkdir()
    with Turns(f"sqlite:///{tmp_path}/postdate.db").wait():
        pass
    with Turns("postgresql://host/name").wait(), Turns("sqlite://").wait():
        pass
