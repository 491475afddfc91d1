"""The server: takes its port or says why not, finishes what it is answering, and stops."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import pytest

from app.config import read_settings
from app.db import Database
from app.web.people.accounts import sign_in_link
from app.web.serve import GRACE
from tests.parts import bare_environment

SERVE = """
import sys
from app.config import read_settings
from app.web.serve import serve
sys.exit(serve(read_settings()))
"""


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        number: int = free.getsockname()[1]
    return number


@contextmanager
def server(port: int, database_url: str, folder: Path, **settings: str) -> Iterator[subprocess.Popen[str]]:
    env = {"PORT": str(port), "DATABASE_URL": database_url, "REDIS_URL": f"unix://{folder}/nobody", **settings}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen([sys.executable, "-c", SERVE], env=bare_environment() | env, cwd=folder, **pipes) as process:
        try:
            yield process
        finally:
            process.kill()


def ask(port: int, path: str = "/healthz") -> int:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


def wait_for(port: int) -> None:
    for _ in range(200):
        try:
            assert ask(port) == 200
            return
        except (OSError, HTTPException):
            time.sleep(0.05)
    raise AssertionError("the server does not answer")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_at_once_when_nobody_waits_for_an_answer(
    port: int, database_url: str, tmp_path: Path, number: signal.Signals
) -> None:
    with server(port, database_url, tmp_path) as process:
        wait_for(port)
        idle = HTTPConnection("127.0.0.1", port, timeout=10)
        idle.request("GET", "/healthz")
        idle.getresponse().read()  # it stays open, as a browser's does
        began = time.monotonic()
        process.send_signal(number)
        output, _ = process.communicate(timeout=10)
        idle.close()
    assert (process.returncode, time.monotonic() - began < 3) == (0, True), output
    assert "Traceback" not in output


def test_open_streams_end_when_it_is_told_to_stop(port: int, database_url: str, tmp_path: Path) -> None:
    database, settings = Database(database_url), read_settings({}, tmp_path / "var")
    path = (sign_in_link(database, settings) or "").removeprefix(settings.public_url)
    database.close()
    with server(port, database_url, tmp_path) as process:
        wait_for(port)
        signing_in = HTTPConnection("127.0.0.1", port, timeout=10)
        signing_in.request("GET", path)
        with signing_in.getresponse() as answer:
            cookie = answer.headers["Set-Cookie"].partition(";")[0]
            answer.read()
        signing_in.close()
        streams = [HTTPConnection("127.0.0.1", port, timeout=10) for _ in range(3)]
        for stream in streams:
            stream.request("GET", "/live", headers={"Cookie": cookie})
        answers = [stream.getresponse() for stream in streams]
        assert [answer.readline() for answer in answers] == [b"retry: 200\n"] * 3
        process.terminate()
        assert [answer.read().count(b"id: ") for answer in answers] == [1] * 3, "each is ended, not cut off"
        output, _ = process.communicate(timeout=GRACE / 2)
        for each in (*answers, *streams):
            each.close()
    assert process.returncode == 0, output
    assert "Traceback" not in output


def test_it_answers_what_was_asked_before_it_stops(port: int, database_url: str, tmp_path: Path) -> None:
    body = b"email=a%40example.com&password=x"
    head = f"POST /sign-in HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\nContent-Length: {len(body)}\r\n"
    with server(port, database_url, tmp_path) as process:
        wait_for(port)
        with socket.create_connection(("127.0.0.1", port), timeout=10) as asking:
            asking.sendall(head.encode() + b"Content-Type: application/x-www-form-urlencoded\r\n\r\n" + body[:5])
            time.sleep(0.3)
            process.terminate()
            time.sleep(0.3)
            with pytest.raises(OSError, match="refused"):
                ask(port)
            asking.sendall(body[5:])
            assert asking.recv(1000).startswith(b"HTTP/1.1 422")
        output, _ = process.communicate(timeout=10)
    assert process.returncode == 0, output
    assert "Traceback" not in output


def test_a_port_in_use_is_named_in_one_sentence(database_url: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with server(port, database_url, tmp_path) as process:
            output, _ = process.communicate(timeout=20)
    assert process.returncode == 1
    assert output == f"PORT {port} is in use by another program: please choose another one.\n"


def test_a_host_that_is_not_here_is_named_in_one_sentence(port: int, database_url: str, tmp_path: Path) -> None:
    with server(port, database_url, tmp_path, HOST="192.0.2.1") as process:
        output, _ = process.communicate(timeout=20)
    assert process.returncode == 1
    assert output.startswith("HOST 192.0.2.1 is no address of this machine")


def test_a_database_that_was_not_migrated_is_named_in_one_sentence(port: int, tmp_path: Path) -> None:
    account = {"ADMIN_EMAIL": "me@example.com", "ADMIN_PASSWORD": "a long enough password"}
    with server(port, f"sqlite:///{tmp_path}/new.db", tmp_path, **account) as process:
        output, _ = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "python -m app migrate" in output
    assert "Traceback" not in output
