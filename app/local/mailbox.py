"""The built-in mailbox: an SMTP server on this machine that keeps what it is given as files, for the page to show."""

import asyncio
import itertools
import time
from collections import deque
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

KEPT = 1000
LARGEST = 25 * 1024 * 1024  # bytes, as with most providers


class Mailbox:
    """Takes every message; `folder` holds the newest 1,000 as `{nanoseconds}-{counter}.eml`, so names sort by time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count(1)
        self._connections: set[SMTP] = set()

    async def start(self, port: int) -> int:
        """Listen on 127.0.0.1 at `port`, or at any free one if it is taken; the port."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for half_written in self._folder.glob("*.tmp"):
            half_written.unlink()
        self._kept = deque(sorted(self._folder.glob("*.eml")))
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(self._connection, "127.0.0.1", port)
        except OSError:
            self._server = await loop.create_server(self._connection, "127.0.0.1", 0)
        found: int = self._server.sockets[0].getsockname()[1]
        return found

    async def stop(self) -> None:
        """Close, with the connections that are open."""
        self._server.close()
        for connection in self._connections:
            if connection.transport is not None:
                connection.transport.close()
        await self._server.wait_closed()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - its name
        """Store one message and answer; a full disk is no reason to give it up for good, so that is a 4xx."""
        try:
            return f"250 OK {self._store(envelope)}"
        except OSError as error:
            return f"452 4.3.1 The message could not be stored: {error.strerror}"

    def _connection(self) -> SMTP:
        self._connections = {one for one in self._connections if one.transport is not None}
        connection = SMTP(
            self,
            hostname="localhost",  # else it asks the name service for ours
            ident="Postdate mailbox",
            data_size_limit=LARGEST,
            enable_SMTPUTF8=True,
            loop=asyncio.get_running_loop(),
        )
        self._connections.add(connection)
        return connection

    def _store(self, envelope: Envelope) -> str:
        path = self._folder / f"{time.time_ns():020d}-{next(self._numbers)}.eml"
        temporary = path.with_suffix(".tmp")
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary.write_bytes(_as_file(envelope))
        temporary.rename(path)  # a reader sees all of it or nothing
        self._kept.append(path)
        while len(self._kept) > KEPT:
            self._kept.popleft().unlink(missing_ok=True)
        return path.stem


def _as_file(envelope: Envelope) -> bytes:
    lines = [f"X-Envelope-From: {envelope.mail_from or ''}", *(f"X-Envelope-To: {to}" for to in envelope.rcpt_tos)]
    content = envelope.original_content or b""
    return "".join(f"{line}\r\n" for line in lines).encode("utf-8", "surrogateescape") + content
