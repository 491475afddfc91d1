"""The supervisor: parts stop in order, and signals are answered in words."""

import asyncio
import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from app.local.child import Child
from app.local.console import Console
from app.local.supervisor import CannotStart, Supervisor
from tests.parts import until

ROOT = Path(__file__).parents[2]
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); signal.pause()"


async def test_parts_stop_in_the_reverse_order_also_when_a_later_one_cannot_start(printed: io.StringIO) -> None:
    supervisor, stopped = Supervisor(Console(printed)), []

    async def stop(name: str) -> None:
        stopped.append(name)

    async def serve() -> None:
        supervisor.add("first", lambda: stop("first"))
        supervisor.add("second", lambda: stop("second"))
        raise CannotStart("The third one is missing.")

    with pytest.raises(CannotStart, match="The third one is missing"):
        await supervisor.run(serve)
    assert stopped == ["second", "first"]


async def test_a_second_ctrl_c_says_what_is_waited_for_and_a_third_one_ends_everything(printed: io.StringIO) -> None:
    supervisor = Supervisor(Console(printed))
    child = Child("worker", [sys.executable, "-c", STUBBORN], os.environ, Console(printed))

    async def serve() -> None:
        supervisor.start(child, 60)

    running = asyncio.create_task(supervisor.run(serve))
    await until(lambda: "up" in printed.getvalue())
    for expected in ("Stopping: what is being sent is finished first.", "Still waiting for worker.", "at once.\n"):
        os.kill(os.getpid(), signal.SIGINT)
        await until(lambda expected=expected: expected in printed.getvalue())  # type: ignore[misc]
    await running
    assert await child.ended() == -signal.SIGKILL


async def test_a_repeated_sigterm_hurries_nobody(printed: io.StringIO) -> None:
    supervisor, going = Supervisor(Console(printed)), asyncio.Event()

    async def serve() -> None:
        supervisor.add("the mailbox", going.wait)

    running = asyncio.create_task(supervisor.run(serve))
    await asyncio.sleep(0)
    for _ in range(4):
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.to_thread(os.getpid)
    going.set()
    await running
    assert printed.getvalue() == "Stopping: what is being sent is finished first.\n"


def test_a_pool_tells_all_its_processes_at_once_to_finish() -> None:
    program = (
        "import os, signal; signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM]);"
        "print(os.getpid(), os.environ['WORKERS'], flush=True); signal.sigwait([signal.SIGTERM]);"
        "print('told', flush=True); signal.sigwait([signal.SIGTERM])"
    )
    starter = f"import sys; from app.local.pool import pool; sys.exit(pool(2, [sys.executable, '-c', {program!r}]))"
    with subprocess.Popen([sys.executable, "-c", starter], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        started = [process.stdout.readline().split() for _ in range(2)]
        process.terminate()
        assert process.stdout.readline().startswith("Stopping")
        assert [process.stdout.readline() for _ in range(2)] == ["told\n", "told\n"]  # none has ended yet
        for pid, _ in started:
            os.kill(int(pid), signal.SIGTERM)
    assert process.returncode == 0
    assert [workers for _, workers in started] == ["1", "1"]


@pytest.fixture
def printed() -> io.StringIO:
    return io.StringIO()
