"""One command kept running: its lines printed, restarted when it dies, stopped with patience."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

from app.local.console import Console

SHORTEST_WAIT, LONGEST_WAIT = 0.2, 10.0  # seconds before a restart; the wait doubles with every early death
STEADY = 30.0  # who lived this long, in seconds, begins anew with the shortest wait
LEFTOVERS_PATIENCE = 25.0  # for what a dead child's own children are still doing, in seconds
LONGEST_LINE = 64 * 1024
LEASH = str(Path(__file__).with_name("leash.py"))


class Child:
    """A process in a session of its own, so that the terminal's Ctrl-C does not reach it, on a leash (see leash.py)."""

    def __init__(
        self, name: str, command: Sequence[str], env: Mapping[str, str], console: Console, restart: bool = True
    ) -> None:
        self.name = name
        self.ends = 0
        self._command = [sys.executable, "-I", "-S", LEASH, str(os.getpid()), *command]
        self._env = dict(env)
        self._console = console
        self._restart = restart
        self._told_to_stop = asyncio.Event()
        self._group: int | None = None
        self._process: asyncio.subprocess.Process | None = None

    def start(self) -> None:
        """Begin; returns at once."""
        self._life = asyncio.create_task(self._live(), name=self.name)

    async def ended(self) -> int:
        """Wait until it is not started any more; its last exit code, negative for a signal."""
        return await asyncio.shield(self._life)

    async def stop(self, patience: float) -> None:
        """Send SIGTERM; after `patience` seconds end the whole group. Nothing of it is left afterwards."""
        self._told_to_stop.set()
        self._terminate()
        if not await self._over_within(patience):
            self._console.say(f"{self.name} did not stop within {patience:g} s and is ended now.")
            self.kill()
            await self._over_within(None)

    def kill(self) -> None:
        """End the whole group at once, for good."""
        self._told_to_stop.set()
        self._signal_group(signal.SIGKILL)

    async def _over_within(self, patience: float | None) -> bool:
        done, _ = await asyncio.wait({self._life}, timeout=patience)
        return bool(done)

    async def _live(self) -> int:
        wait = SHORTEST_WAIT
        while True:
            began = time.monotonic()
            code = await self._run()
            self.ends += 1
            if self._told_to_stop.is_set() or not self._restart:
                return code
            if time.monotonic() - began > STEADY:
                wait = SHORTEST_WAIT
            self._console.say(f"{self.name} {_in_words(code)}; it is started again in {wait:g} s.")
            if await self._told_within(wait):
                return code
            wait = min(wait * 2, LONGEST_WAIT)

    async def _told_within(self, wait: float) -> bool:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._told_to_stop.wait(), wait)
        return self._told_to_stop.is_set()

    async def _run(self) -> int:
        reading, writing = os.pipe()
        try:  # a pipe of our own: with asyncio's, wait() would wait for the grandchildren too
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                env=self._env,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=writing,
                stderr=writing,
                start_new_session=True,
            )
        finally:
            os.close(writing)
        self._group = self._process.pid
        printing = asyncio.create_task(self._print_lines(reading))
        if self._told_to_stop.is_set():
            self._terminate()
        code = await self._process.wait()
        self._process = None
        await self._end_leftovers(printing)
        return code

    async def _print_lines(self, reading: int) -> None:
        async for line in _lines(reading):
            self._console.line(self.name, line)

    async def _end_leftovers(self, printing: asyncio.Task[None]) -> None:
        """End what the child left behind: the pipe is open for as long as something of it lives."""
        for number, patience in ((signal.SIGTERM, LEFTOVERS_PATIENCE), (signal.SIGKILL, 1.0)):
            self._signal_group(number)
            await asyncio.wait({printing}, timeout=patience)
            if printing.done():
                break
        printing.cancel()  # something left the group and lives on elsewhere, on purpose
        self._group = None

    def _terminate(self) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()

    def _signal_group(self, number: signal.Signals) -> None:
        if self._group is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: EPERM for a group of zombies
                os.killpg(self._group, number)


async def _lines(reading: int) -> AsyncIterator[str]:
    stream = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(reading, "rb", buffering=0)
    )
    rest = b""
    try:
        while chunk := await stream.read(LONGEST_LINE):
            *whole, rest = (rest + chunk).split(b"\n")
            if len(rest) > LONGEST_LINE:
                whole, rest = [*whole, rest], b""
            for line in whole:
                yield line.decode("utf-8", "replace").rstrip("\r")
        if rest:
            yield rest.decode("utf-8", "replace")
    finally:
        transport.close()


def _in_words(code: int) -> str:
    if code == 0:
        return "ended by itself"
    if code > 0:
        return f"failed (exit code {code})"
    return f"was ended by {signal.Signals(-code).name}"
