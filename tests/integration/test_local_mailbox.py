"""The built-in mailbox: what a program sends to it is a file, unharmed, with its envelope."""

# ruff: noqa: ASYNC240 - one test at a time may block its loop

import asyncio
import smtplib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import policy
from email.parser import BytesParser
from pathlib import Path

import pytest

from app.local.mailbox import KEPT, LARGEST, Mailbox

MESSAGE = b"Subject: =?utf-8?b?7JWI64WV?=\r\nFrom: a@example.com\r\n\r\n.one dot\r\nbody\r\n"


@asynccontextmanager
async def mailbox(folder: Path, port: int = 0) -> AsyncIterator[int]:
    """A mailbox that listens; its port."""
    box = Mailbox(folder)
    yield await box.start(port)
    await box.stop()


def send(port: int, message: bytes = MESSAGE, to: tuple[str, ...] = ("b@example.com",), times: int = 1) -> bytes:
    """Send over one connection; the last reply."""
    with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
        for _ in range(times):
            client.ehlo_or_helo_if_needed()
            client.mail("보낸이@example.com", ["SMTPUTF8", "BODY=8BITMIME"])
            for address in to:
                client.rcpt(address)
            code, reply = client.data(message)
            assert code == 250, reply
    return reply


async def test_a_message_is_kept_as_it_came_with_its_envelope_first(tmp_path: Path) -> None:
    async with mailbox(tmp_path) as port:
        reply = await asyncio.to_thread(send, port, MESSAGE, ("b@example.com", "홍길동@example.com"))
    (path,) = tmp_path.iterdir()
    assert reply.decode() == f"OK {path.stem}"
    envelope = (
        "X-Envelope-From: 보낸이@example.com\r\nX-Envelope-To: b@example.com\r\nX-Envelope-To: 홍길동@example.com\r\n"
    )
    assert path.read_bytes() == envelope.encode() + MESSAGE
    parsed = BytesParser(policy=policy.SMTPUTF8).parsebytes(path.read_bytes())
    assert parsed["Subject"] == "안녕"


async def test_names_sort_by_time_and_the_newest_thousand_stay(tmp_path: Path) -> None:
    for number in range(KEPT):
        (tmp_path / f"{number:020d}-1.eml").write_bytes(b"")
    async with mailbox(tmp_path) as port:
        await asyncio.to_thread(send, port, MESSAGE, ("b@example.com",), 12)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert len(names) == KEPT
    assert names[0] == f"{12:020d}-1.eml"
    assert [path.read_bytes().endswith(MESSAGE) for path in sorted(tmp_path.iterdir())[-12:]] == [True] * 12


async def test_a_taken_port_is_no_obstacle(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        async with mailbox(tmp_path, number) as port:
            assert port != number
            await asyncio.to_thread(send, port)
    assert len(list(tmp_path.iterdir())) == 1


async def test_a_message_above_the_size_limit_is_refused_for_good(tmp_path: Path) -> None:
    async with mailbox(tmp_path) as port:

        def send_large() -> None:
            with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
                client.sendmail("a@example.com", "b@example.com", b"x" * 70 + b"\r\n" * (LARGEST // 2))

        with pytest.raises(smtplib.SMTPResponseException) as refused:
            await asyncio.to_thread(send_large)
    assert refused.value.smtp_code == 552
    assert list(tmp_path.iterdir()) == []


async def test_a_message_that_cannot_be_stored_may_be_tried_again(tmp_path: Path) -> None:
    folder = tmp_path / "mailbox"
    async with mailbox(folder) as port:
        folder.rmdir()
        folder.write_text("in the way")
        with pytest.raises(AssertionError, match="could not be stored"):
            await asyncio.to_thread(send, port)


async def test_it_stops_while_a_client_is_connected(tmp_path: Path) -> None:
    async with mailbox(tmp_path) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert (await reader.readline()).startswith(b"220 ")
    assert await reader.read() == b""
    writer.close()


async def test_what_an_earlier_run_left_half_written_is_removed(tmp_path: Path) -> None:
    (tmp_path / "00000000000000000001-1.tmp").write_bytes(b"half")
    async with mailbox(tmp_path):
        assert list(tmp_path.iterdir()) == []
