"""Start parts one after another, and stop them in the reverse order when a signal or an error says so."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from app.local.child import Child
from app.local.console import Console

Stop = Callable[[], Awaitable[object]]


class CannotStart(Exception):  # noqa: N818 - reads as what it is
    """A part cannot start; the message is a sentence for the person at the terminal."""


class Supervisor:
    """Keeps the parts that were added to it until it is told to stop."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._parts: list[tuple[str, Stop]] = []
        self._children: list[Child] = []
        self._stopping = False
        self._impatience = 0
        self._waiting_for = "what is being started"

    async def run(self, serve: Callable[[], Awaitable[None]]) -> None:
        """Run `serve`, which adds the parts, then wait for a signal; at the end all parts are stopped.

        Whatever `serve` raises is raised again when all parts are stopped.
        """
        main = asyncio.create_task(self._serve(serve))
        with self._signals(main), suppress(asyncio.CancelledError):
            await main

    def add(self, name: str, stop: Stop) -> None:
        """Have `stop` awaited at the end, before the parts that were added earlier."""
        self._parts.append((name, stop))

    def start(self, child: Child, patience: float) -> None:
        """Start `child`; at the end it has `patience` seconds to stop."""
        self.start_together(child.name, [child], patience)

    def start_together(self, name: str, children: Sequence[Child], patience: float) -> None:
        """Start `children`, which are told to stop at the same moment, as the part `name`."""
        self._children += children
        for child in children:
            child.start()
        self.add(name, lambda: asyncio.gather(*(child.stop(patience) for child in children)))

    async def _serve(self, serve: Callable[[], Awaitable[None]]) -> None:
        try:
            await serve()
            await asyncio.Event().wait()  # until a signal cancels us
        finally:
            self._stopping = True
            for name, stop in reversed(self._parts):
                self._waiting_for = name
                await stop()

    @contextmanager
    def _signals(self, main: asyncio.Task[None]) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        numbers = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # under nohup it stays ignored
            numbers.append(signal.SIGHUP)
        for number in numbers:
            loop.add_signal_handler(number, self._hear, number, main)
        try:
            yield
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)

    def _hear(self, number: signal.Signals, main: asyncio.Task[None]) -> None:
        if not self._stopping:
            self._stopping = True
            self.console.say("Stopping: what is being sent is finished first.")
            main.cancel()
        elif number == signal.SIGINT:  # platforms repeat SIGTERM, people repeat Ctrl-C
            self._impatience += 1
            self._answer_impatience()

    def _answer_impatience(self) -> None:
        if self._impatience == 1:
            self.console.say(f"Still waiting for {self._waiting_for}. Ctrl-C once more ends everything at once.")
            return
        self.console.say("Ending everything at once.")
        for child in self._children:
            child.kill()
