"""`up` from the first line to the last, with a small program in the place of the app's other commands."""

import os
import re
import signal
import smtplib
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

ROOT = Path(__file__).parents[2]
LINK = "http://127.0.0.1/sign-in/once"
DRIVER = """
import sys
from app.config import read_settings
from app.local.up import up
sys.exit(up(read_settings(), app=[sys.executable, sys.argv[1]]))
"""
STAND_IN = """
import http.server, os, signal, sys

class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/readyz" else 404)
        self.end_headers()
    def log_message(self, *_):
        pass

def wait():
    print(os.getpid(), "REDIS_URL=" + os.environ["REDIS_URL"], "SMTP_URL=" + os.environ["SMTP_URL"], flush=True)
    signal.sigwait([signal.SIGTERM])
    print(sys.argv[1], "has finished", flush=True)

match sys.argv[1]:
    case "web":
        server = http.server.ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Ready)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(print("web has finished", flush=True)))
        server.serve_forever()
    case "worker":
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        wait()
    case "migrate":
        sys.exit(os.environ.get("MIGRATE_FAILS"))
    case "sign-in-link":
        print("a word before it")
        if "ADMIN_EMAIL" not in os.environ:
            print("http://127.0.0.1/sign-in/once")
"""


@contextmanager
def running(folder: Path, **env: str) -> Iterator[subprocess.Popen[str]]:
    """`up` in `folder`, in a process group of its own as at a terminal; stopped at the end if it still runs."""
    (folder / "stand_in.py").write_text(STAND_IN)
    dropped = ("REDIS_URL", "SMTP_URL", "HOST", "PORT", "DATABASE_URL", "PUBLIC_URL", "ADMIN_EMAIL", "ADMIN_PASSWORD")
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    with subprocess.Popen(
        [sys.executable, "-c", DRIVER, "stand_in.py"],
        cwd=folder,
        env={**kept, "PYTHONPATH": str(ROOT), **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()


def read_until(stream: IO[str] | None, last: str) -> list[str]:
    """The lines up to and with the one that holds `last`."""
    assert stream is not None
    lines = []
    for line in stream:
        lines.append(line.rstrip("\n"))
        if last in line:
            return lines
    raise AssertionError(f"{last!r} is not among {lines}")


def read_to_end(process: subprocess.Popen[str]) -> list[str]:
    """The lines until it has ended."""
    assert process.stdout is not None
    lines = process.stdout.read().splitlines()
    process.wait(30)
    return lines


def free_port() -> str:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return str(found.getsockname()[1])


def test_from_nothing_to_the_address_and_back_in_order_after_one_ctrl_c(tmp_path: Path) -> None:
    port = free_port()
    with running(tmp_path, PORT=port) as process:
        lines = read_until(process.stdout, "Mail stays")
        assert lines[-3:] == [
            f"Postdate is ready: http://127.0.0.1:{port}",
            f"Sign in (once, valid 24 hours): {LINK}",
            f"Mail stays on this machine: http://127.0.0.1:{port}/mailbox",
        ]
        told = next(line for line in lines if line.startswith("worker |"))
        assert f"REDIS_URL=unix://{tmp_path}/var/valkey.sock" in told
        mailbox = re.search(r"SMTP_URL=smtp://\S*127\.0\.0\.1:(\d+)", told)
        assert mailbox is not None
        with smtplib.SMTP("127.0.0.1", int(mailbox[1])) as client:
            client.sendmail("a@example.com", ["b@example.com"], b"Subject: kept\r\n\r\n")
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of the group
        rest = read_to_end(process)
    assert process.returncode == 0
    assert rest == [
        "Stopping: what is being sent is finished first.",
        "web    | web has finished",
        "worker | worker has finished",
    ]
    assert len(list((tmp_path / "var/mailbox").iterdir())) == 1
    assert not (tmp_path / "var/valkey.sock").exists()


def test_given_servers_are_used_instead_of_the_built_in_ones(tmp_path: Path) -> None:
    env = {"REDIS_URL": "redis://127.0.0.1:1/0", "SMTP_URL": "smtp://127.0.0.1:2", "MAIL_FROM": "a@example.com"}
    admin = {"ADMIN_EMAIL": "a@example.com", "ADMIN_PASSWORD": "long enough"}
    with running(tmp_path, PORT=free_port(), HOST="0.0.0.0", **env, **admin) as process:
        lines = read_until(process.stdout, "Postdate is ready")
        process.terminate()
        rest = read_to_end(process)
    assert lines[0] == "HOST=0.0.0.0 is ignored: `up` serves this machine only, on 127.0.0.1."
    assert any("REDIS_URL=redis://127.0.0.1:1/0 SMTP_URL=smtp://127.0.0.1:2" in line for line in lines)
    assert not [line for line in rest if "Sign in" in line or "Mail stays" in line]
    assert not (tmp_path / "var/mailbox").exists()
    assert not (tmp_path / "var/valkey").exists()


def test_a_second_up_in_the_same_folder_says_that_the_first_one_runs(tmp_path: Path) -> None:
    with running(tmp_path, PORT=free_port()) as first:
        read_until(first.stdout, "Postdate is ready")
        with running(tmp_path, PORT=free_port()) as second:
            assert read_to_end(second) == [f"Postdate is already running here (pid {first.pid})."]
        assert second.returncode == 1


def test_a_port_that_was_chosen_and_is_taken_is_an_error(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with running(tmp_path, PORT=port) as process:
            said = read_to_end(process)
    assert said == [f"PORT {port} is in use by another program: please choose another one, or leave PORT unset."]
    assert process.returncode == 1


def test_the_usual_port_is_not_insisted_on(tmp_path: Path) -> None:
    from app.local.address import choose_port

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = int(taken.getsockname()[1])
        if port < 65000:
            assert port < choose_port(port, given=False) < port + 100


def test_a_failing_migration_ends_it_with_everything_stopped(tmp_path: Path) -> None:
    with running(tmp_path, PORT=free_port(), MIGRATE_FAILS="the disk is full") as process:
        said = read_to_end(process)
    assert said == [
        "migrate| the disk is full",
        "The database could not be brought up to date; the lines above say why.",
    ]
    assert process.returncode == 1
    assert not (tmp_path / "var/valkey.sock").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process of its parent's death")
def test_after_a_kill_nothing_is_left_and_the_next_up_starts(tmp_path: Path) -> None:
    with running(tmp_path, PORT=free_port()) as process:
        read_until(process.stdout, "Postdate is ready")
        process.kill()
    port = free_port()
    with running(tmp_path, PORT=port) as process:
        assert read_until(process.stdout, "Postdate is ready")[-1] == f"Postdate is ready: http://127.0.0.1:{port}"


def test_a_hang_up_of_the_terminal_stops_it_in_order(tmp_path: Path) -> None:
    with running(tmp_path, PORT=free_port()) as process:
        read_until(process.stdout, "Mail stays")
        process.send_signal(signal.SIGHUP)
        assert read_to_end(process)[-1] == "worker | worker has finished"
    assert process.returncode == 0
