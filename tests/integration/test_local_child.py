"""Children under the supervisor: printed, restarted, stopped in order, and never left behind."""

# ruff: noqa: ASYNC220 - one test at a time may block its loop
import io
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from app.local.child import Child
from app.local.console import Console
from tests.parts import until

ROOT = Path(__file__).parents[2]
WAITS = """
import signal
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])  # so that sigwait takes it
print('up', flush=True)
signal.sigwait([signal.SIGTERM])
print('finished', flush=True)
"""
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); signal.pause()"
PARENT = """
import signal, subprocess, sys, os
child = subprocess.Popen([sys.executable, '-c', sys.argv[1]])
print(child.pid, flush=True)
signal.pause()
"""
STARTER = """
import asyncio, os, sys
from app.local.child import Child
from app.local.console import Console
from app.local.supervisor import Supervisor

supervisor = Supervisor(Console(sys.stdout))
async def serve():
    supervisor.start(Child("child", [sys.executable, "-c", sys.argv[1]], os.environ, supervisor.console), 20)
asyncio.run(supervisor.run(serve))
"""


def python(program: str, printed: io.StringIO, *arguments: str, restart: bool = True, name: str = "child") -> Child:
    return Child(name, [sys.executable, "-c", program, *arguments], os.environ, Console(printed), restart)


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that ended and was not yet waited for by its parent does not."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    return False


async def test_its_lines_carry_its_name_also_the_long_and_the_unfinished_ones(printed: io.StringIO) -> None:
    child = python("print('안녕'); print('x' * 100_000); print('end', end='')", printed, name="web", restart=False)
    child.start()
    assert await child.ended() == 0
    lines = printed.getvalue().splitlines()
    assert [lines[0], lines[-1]] == ["web    | 안녕", "web    | end"]
    assert sum(line.count("x") for line in lines) == 100_000


async def test_one_that_dies_is_restarted_with_growing_waits(printed: io.StringIO) -> None:
    child = python("raise SystemExit(3)", printed)
    child.start()
    await until(lambda: child.ends >= 3)
    await child.stop(5)
    assert printed.getvalue().splitlines()[:2] == [
        "child failed (exit code 3); it is started again in 0.2 s.",
        "child failed (exit code 3); it is started again in 0.4 s.",
    ]


async def test_one_that_ends_without_an_error_is_restarted_as_well(printed: io.StringIO) -> None:
    child = python("", printed)
    child.start()
    await until(lambda: child.ends >= 2)
    await child.stop(5)
    assert "child ended by itself; it is started again in 0.2 s." in printed.getvalue()


async def test_stop_lets_it_finish(printed: io.StringIO) -> None:
    child = python(WAITS, printed)
    child.start()
    await until(lambda: "up" in printed.getvalue())
    await child.stop(20)
    assert await child.ended() == 0
    assert printed.getvalue().splitlines() == ["child  | up", "child  | finished"]


async def test_stop_right_after_start_leaves_nothing(printed: io.StringIO) -> None:
    child = python(WAITS, printed)
    child.start()
    await child.stop(20)
    assert "started again" not in printed.getvalue()


async def test_one_that_does_not_stop_is_ended_and_that_is_said(printed: io.StringIO) -> None:
    child = python(STUBBORN, printed)
    child.start()
    await until(lambda: "up" in printed.getvalue())
    await child.stop(0.1)
    assert await child.ended() == -signal.SIGKILL
    assert "child did not stop within 0.1 s and is ended now." in printed.getvalue()


async def test_what_a_killed_child_leaves_behind_is_ended_before_it_is_started_again(printed: io.StringIO) -> None:
    child = python(PARENT, printed, "import signal; signal.pause()")
    child.start()
    await until(lambda: printed.getvalue().endswith("\n"))
    grandchild = int(printed.getvalue().split("|")[1])
    assert child._group is not None
    os.kill(child._group, signal.SIGKILL)
    await until(lambda: child.ends == 1)
    assert not is_alive(grandchild)
    await child.stop(5)


async def test_a_command_that_does_not_exist_is_named(printed: io.StringIO) -> None:
    child = Child("child", ["/nowhere/at-all"], os.environ, Console(printed), restart=False)
    child.start()
    assert await child.ended() == 1
    assert printed.getvalue() == "child  | /nowhere/at-all could not be started: No such file or directory\n"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process of its parent's death")
async def test_a_child_does_not_outlive_a_killed_supervisor() -> None:
    program = "import os, signal; print(os.getpid(), flush=True); signal.pause()"
    with subprocess.Popen([sys.executable, "-c", STARTER, program], cwd=ROOT, stdout=subprocess.PIPE) as starter:
        assert starter.stdout is not None
        pid = int(starter.stdout.readline().split(b"|")[1])
        starter.kill()
    await until(lambda: not is_alive(pid))


async def test_a_terminal_that_is_gone_disturbs_nothing() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    stream = os.fdopen(writing, "w")
    Console(stream).say("nobody hears this")
    with suppress(BrokenPipeError):  # what it still holds
        stream.close()


@pytest.fixture
def printed() -> io.StringIO:
    return io.StringIO()
