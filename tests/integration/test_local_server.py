"""The embedded server: private, durable, back after a crash, and gone with the one who started it."""

# ruff: noqa: ASYNC220, ASYNC240 - one test at a time may block its loop

import asyncio
import io
import os
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from app.config import socket_path
from app.local.console import Console
from app.local.server import start_server
from app.local.supervisor import CannotStart, Supervisor
from tests.parts import until

ROOT = Path(__file__).parents[2]
STARTER = """
import asyncio, os, sys
from pathlib import Path
from app.local.console import Console
from app.local.server import start_server
from app.local.supervisor import Supervisor

supervisor = Supervisor(Console(sys.stdout))
async def serve():
    await start_server(supervisor, Path(sys.argv[1]), dict(os.environ))
    supervisor.console.say("started")
asyncio.run(supervisor.run(serve))
"""


@asynccontextmanager
async def server(var: Path, printed: io.StringIO | None = None) -> AsyncIterator[Redis]:
    """A running server, stopped afterwards."""
    var.mkdir(exist_ok=True)
    supervisor, started = Supervisor(Console(printed or io.StringIO())), asyncio.Event()

    async def serve() -> None:
        await start_server(supervisor, var, os.environ)
        started.set()

    running = asyncio.create_task(supervisor.run(serve))
    await started.wait()
    with Redis(unix_socket_path=str(socket_path(var)), retry=Retry(NoBackoff(), 0)) as client:
        try:
            yield client
        finally:
            os.kill(os.getpid(), signal.SIGTERM)  # the supervisor listens for it
            await running


def pid_of(client: Redis) -> int:
    return int(client.info("server")["process_id"])


def answers(client: Redis) -> bool:
    with suppress(Exception):
        return bool(client.ping())
    return False


async def test_it_is_private_to_this_user_and_refuses_to_forget(tmp_path: Path) -> None:
    var = tmp_path / "our var, 변수"
    async with server(var) as client:
        socket = socket_path(var)
        assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
        assert stat.S_IMODE(socket.stat().st_mode) == 0o700
        settings = client.config_get("*")
        wanted = {"port": "0", "maxmemory-policy": "noeviction", "appendfsync": "everysec", "save": ""}
        assert {name: settings[name] for name in wanted} == wanted


async def test_it_runs_in_a_session_of_its_own_so_that_ctrl_c_does_not_reach_it(tmp_path: Path) -> None:
    async with server(tmp_path / "var") as client:
        assert os.getsid(pid_of(client)) == pid_of(client)


async def test_what_was_stored_is_there_after_a_stop_and_a_start(tmp_path: Path) -> None:
    async with server(tmp_path / "var") as client:
        client.set("kept", "yes")
    assert not answers(client)
    async with server(tmp_path / "var") as client:
        assert client.get("kept") == b"yes"


async def test_it_comes_back_by_itself_when_it_is_killed(tmp_path: Path) -> None:
    printed = io.StringIO()
    async with server(tmp_path / "var", printed) as client:
        first = pid_of(client)
        os.kill(first, signal.SIGKILL)
        await until(lambda: answers(client) and pid_of(client) != first)
    assert "valkey was ended by SIGKILL; it is started again in 0.2 s." in printed.getvalue()


async def test_a_stale_socket_is_removed(tmp_path: Path) -> None:
    var = tmp_path / "var"
    var.mkdir()
    socket_path(var).write_text("left by somebody")
    async with server(var) as client:
        assert answers(client)


async def test_a_file_that_cannot_be_read_is_set_aside(tmp_path: Path) -> None:
    printed = io.StringIO()
    async with server(tmp_path / "var", printed) as client:
        client.set("lost", "yes")
    manifest = tmp_path / "var/valkey/appendonlydir/appendonly.aof.manifest"
    manifest.write_text("this is no manifest\n")
    async with server(tmp_path / "var", printed) as client:
        assert client.get("lost") is None
    assert "was set aside" in printed.getvalue()
    assert len(list((tmp_path / "var/valkey").glob("unreadable-*"))) == 1


async def test_a_folder_that_is_not_ours_alone_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "var").symlink_to(tmp_path / "elsewhere")
    # `up` resolves its folder, so only the socket's own folder under /tmp can be such a link.
    with pytest.raises(CannotStart, match="belongs to somebody else, or is no folder"):
        await start_server(Supervisor(Console(io.StringIO())), tmp_path / "var", {})


async def test_a_long_path_moves_the_socket_to_a_private_temporary_folder(tmp_path: Path) -> None:
    var = tmp_path / ("long" * 20)
    async with server(var) as client:
        assert not (var / "valkey.sock").exists()
        assert stat.S_IMODE(socket_path(var).parent.stat().st_mode) == 0o700
        assert answers(client)
    socket_path(var).parent.rmdir()


async def test_it_does_not_outlive_a_killed_starter_and_the_next_one_starts(tmp_path: Path) -> None:
    var = tmp_path / "var"
    var.mkdir()
    command = [sys.executable, "-c", STARTER, str(var)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        assert starter.stdout.readline() == "started\n"
        starter.kill()
    async with server(var) as client:  # at once: it may find the old one on its way out
        assert answers(client)
    assert not answers(client)
