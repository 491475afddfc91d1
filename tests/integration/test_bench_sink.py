"""The mail server of the races counts every message, whoever it is for and in whatever pieces it comes."""

import smtplib
import socket
from shutil import which

import pytest

from bench.sink import FastSink

pytestmark = pytest.mark.skipif(not which("cc"), reason="needs a C compiler: please install one, such as gcc")

ENVELOPE = b"MAIL FROM:<a@example.com>\r\nRCPT TO:<r%d@example.com>\r\nDATA\r\n"


def test_it_tells_messages_people_and_others_apart() -> None:
    with FastSink() as sink, smtplib.SMTP("127.0.0.1", sink.port) as smtp:
        for address in ("r1@example.com", "r2@example.com", "r2@example.com", "warm@example.com"):
            smtp.sendmail("a@example.com", [address], "Subject: one\r\n\r\n.a dot\r\n..\r\nand more\r\n")
    assert (sink.taken, sink.people, sink.others) == (3, 2, 1)


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 1000, 100_000])
def test_pieces_and_pipelines_make_no_difference(piece: int) -> None:
    bodies = [b"\r\n.\r\n", b"a\r\n..\r\nb\r\n\r.\r\n\r\n\r\n.\r\n", b"x" * 5000 + b"\r\n.\r\n", b".\r\n"]
    talk = b"EHLO me\r\n" + b"".join(ENVELOPE % n + body for n, body in enumerate(bodies)) + b"QUIT\r\n"
    with FastSink() as sink, socket.create_connection(("127.0.0.1", sink.port), timeout=10) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(0, len(talk), piece):
            client.sendall(talk[at : at + piece])
        heard = b"".join(iter(lambda: client.recv(4096), b""))
    assert heard.endswith(b"221 bye\r\n")
    assert heard.count(b"250 2.0.0 taken") == len(bodies)
    assert (sink.taken, sink.people) == (len(bodies), len(bodies))


def test_a_message_that_breaks_off_is_not_counted() -> None:
    with FastSink() as sink, socket.create_connection(("127.0.0.1", sink.port), timeout=10) as client:
        client.sendall(ENVELOPE % 1 + b"half a mess")
        client.shutdown(socket.SHUT_WR)
        while client.recv(4096):
            pass
    assert (sink.taken, sink.people) == (0, 0)
