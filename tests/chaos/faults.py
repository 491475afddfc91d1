"""The second hand: it breaks everything but the workers, one thing after another, while they are being killed."""

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

from app.web.people.tokens import new_token
from tests.chaos.asked import Asked
from tests.chaos.points import Point
from tests.chaos.servers import Postgres
from tests.chaos.stage import Kill, Stage
from tests.chaos.worker import TIME_LIMIT
from tests.parts import wait_until
from tests.sink import HANG_UP

STEPS = ("connect", "ehlo", "mail", "rcpt", "data", "end")


class Hand:
    """Does what it is dealt; each fault's beginning and end go to the stage's kills. Give it a Stage that works."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.token = new_token(stage.office.database, "chaos")

    def do(self, point: Point) -> None:
        """Break it, mend it, and note when. A fault that could not be brought about is not noted."""
        began = time.time()
        pid, task = FAULTS[point.name](self)
        if pid != 0:
            note = self.stage.noted(pid) if pid else None
            at = note["at"] if note else began
            self.stage.kills.append(Kill(point, at, pid, task, time.time()))

    def flushall(self) -> tuple[None, None]:
        self.stage.valkey.flush()
        return None, None

    def valkey_kill(self) -> tuple[None, None]:
        self.stage.valkey.end(signal.SIGKILL)
        self.stage.valkey.start()
        return None, None

    def valkey_stop(self) -> tuple[None, None]:
        self.stage.valkey.end()
        time.sleep(15)
        self.stage.valkey.start()
        return None, None

    def valkey_old(self) -> tuple[None, None]:
        self.stage.valkey.keep_a_copy()
        time.sleep(3)
        self.stage.valkey.set_back()
        return None, None

    def locked(self) -> tuple[None, None]:
        self.stage.databases.lock(self.stage.url, 5)
        return None, None

    def full(self) -> tuple[None, None]:
        flag = self.stage.folder / "full"
        flag.touch()
        time.sleep(3)
        flag.unlink()
        return None, None

    def restart(self) -> tuple[None, None]:
        assert isinstance(self.stage.databases, Postgres)
        self.stage.databases.restart()
        return None, None

    def stop_cont(self) -> tuple[int | None, int | None]:
        """Stop a worker with a task in hand, until somebody else has that task; then let it go on."""
        found: list[tuple[int, int]] = []

        def catch() -> bool:
            life = self.stage.lives[0]
            life.process.send_signal(signal.SIGSTOP)
            mine = self.stage.rows(f"SELECT id FROM tasks WHERE status = 'started' AND who LIKE '%:{life.process.pid}'")
            if not mine:
                life.process.send_signal(signal.SIGCONT)
                time.sleep(0.02)
                return False
            found.append((life.process.pid, mine[0][0]))
            return True

        wait_until(catch, 20, "the worker has a task in hand")
        pid, task = found[0]
        time.sleep(13)
        os.kill(pid, signal.SIGCONT)
        return pid, task

    def parent(self) -> tuple[int, None]:
        """A worker command with two processes: its parent dies, and they have to end by themselves."""
        parent = self.stage.spawn("app", "worker", WORKERS="2")
        wait_until(lambda: len(children(parent.pid)) == 2, 20, "the parent has two children")
        time.sleep(self.stage.chance.uniform(0.7, 1.5))
        orphans = children(parent.pid)
        parent.kill()
        parent.wait()
        try:
            wait_until(lambda: not any(map(is_alive, orphans)), 25, "the orphans end")
        except AssertionError:
            self.stage.strange.append(f"orphans of {parent.pid} live on: {[*filter(is_alive, orphans)]}")
        return parent.pid, None

    def web_ring(self) -> tuple[int, int | None]:
        with Asked(self.stage, self.token, "--dies") as web:
            web.post()
            web.process.wait(10)
            stored = self.stage.rows(f"SELECT task_id FROM deliveries WHERE address LIKE 'w{web.port}n1r0@%'")
            if not stored:
                self.stage.strange.append("lost: the web committed a task, and it is not there")
            return web.process.pid, stored[0][0] if stored else None

    def web_random(self) -> tuple[int, None]:
        with Asked(self.stage, self.token) as web:
            asking = [threading.Thread(target=web.post) for _ in range(8)]
            for thread in asking:
                thread.start()
            time.sleep(self.stage.chance.uniform(0, 0.15))
            web.process.kill()
            for thread in asking:
                thread.join()
            return web.process.pid, None

    def sink(self, replies: tuple[str | float, ...], steps: tuple[str, ...]) -> tuple[int | None, None]:
        """One message, connection or step meets with this; noted only if it came to that."""
        self.stage.mischief = (self.stage.chance.choice(steps), self.stage.chance.choice(replies))
        until = time.monotonic() + 20
        while self.stage.mischief and time.monotonic() < until:
            time.sleep(0.05)
        met, self.stage.mischief = self.stage.mischief is None, None
        return (None if met else 0), None


FAULTS: dict[str, Callable[[Hand], tuple[int | None, int | None]]] = {
    "flushall": Hand.flushall,
    "valkey-kill": Hand.valkey_kill,
    "valkey-stop": Hand.valkey_stop,
    "valkey-old": Hand.valkey_old,
    "locked": Hand.locked,
    "full": Hand.full,
    "restart": Hand.restart,
    "stop-cont": Hand.stop_cont,
    "parent": Hand.parent,
    "web-ring": Hand.web_ring,
    "web-random": Hand.web_random,
    "sink-refuses": lambda hand: hand.sink(("550 5.1.1 no", "552 5.2.2 no", "554 5.7.1 no"), ("rcpt", "data", "end")),
    "sink-defers": lambda hand: hand.sink(("450 4.2.1 later", "452 4.3.1 later"), ("mail", "rcpt", "data", "end")),
    "sink-421": lambda hand: hand.sink(("421 4.3.2 going down",), STEPS),
    "sink-hangs-up": lambda hand: hand.sink((HANG_UP,), STEPS[:5]),
    "sink-silent": lambda hand: hand.sink((HANG_UP,), ("end", "taken")),
    "sink-stalls": lambda hand: hand.sink((2 * TIME_LIMIT,), (*STEPS, "taken")),
}


def children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(each) for each in listed]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
