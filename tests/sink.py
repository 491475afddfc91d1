"""A mail server for tests: it takes every message and remembers when, or refuses, stalls and hangs up as told."""

import socket
import socketserver
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

HANG_UP = "hang up"
STEPS = ("connect", "ehlo", "mail", "rcpt", "data", "end", "taken")
"""Where it can be told to do something else; `end` is after the whole body, `taken` after it was remembered."""


@dataclass(frozen=True)
class Taken:
    """One message that the sink is responsible for: it was remembered before the reply was sent."""

    at: float  # time.time()
    address: str
    body: bytes


Script = Callable[[str, str], "str | float | None"]
"""From step and recipient ("" while there is none) to a reply, HANG_UP, seconds to stall first, or None: as usual."""


class Sink:
    """Listens on 127.0.0.1 at `port` for as long as the `with` block lasts."""

    def __init__(self, script: Script = lambda step, address: None, port: int = 0) -> None:
        self.script = script
        self.taken: list[Taken] = []
        self._open: set[socket.socket] = set()
        sink = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                sink._open.add(self.request)
                try:
                    _Talk(sink, self.request, self.rfile).run()
                except (OSError, EOFError):
                    pass
                finally:
                    sink._open.discard(self.request)

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True
            block_on_close = False
            request_queue_size = 64

        self._server = Server(("127.0.0.1", port), Handler)
        self.port: int = self._server.server_address[1]
        self.url = f"smtp://127.0.0.1:{self.port}"

    def __enter__(self) -> "Sink":
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        for connection in [*self._open]:
            connection.close()

    @property
    def addresses(self) -> Counter[str]:
        return Counter(taken.address for taken in self.taken)

    def wait_for(self, n: int, seconds: float = 30) -> None:
        """Until `n` messages were taken in all. Fails when they do not come."""
        until = time.monotonic() + seconds
        while len(self.taken) < n:
            assert time.monotonic() < until, f"{len(self.taken)} of {n} messages came within {seconds} s"
            time.sleep(0.01)


class _Talk:
    def __init__(self, sink: Sink, client: socket.socket, file: BinaryIO) -> None:
        self.sink, self.client, self.file = sink, client, file
        self.address = ""

    def run(self) -> None:
        client = self.client
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.say("connect", "220 sink ready")
        sender = recipient = False
        while line := self.file.readline():
            word = line[:4].upper()
            if word == b"EHLO":
                self.say("ehlo", "250-sink\r\n250-8BITMIME\r\n250-PIPELINING\r\n250 SMTPUTF8")
            elif word == b"MAIL":
                sender, recipient = self.took("mail", "250 2.1.0 ok"), False
            elif word == b"RCPT" and sender:
                self.address = line.split(b"<", 1)[1].split(b">", 1)[0].decode()
                recipient = self.took("rcpt", "250 2.1.5 ok")
            elif word == b"DATA" and recipient:
                if self.say("data", "354 go on").startswith("354"):
                    self.receive()
                sender = recipient = False
            elif word in (b"RCPT", b"DATA"):  # they came along with what was refused (RFC 2920)
                self.client.sendall(b"503 5.5.1 out of order\r\n")
            elif word == b"QUIT":
                self.client.sendall(b"221 bye\r\n")
                return
            else:
                self.client.sendall(b"250 ok\r\n")

    def receive(self) -> None:
        body = b""
        while not body.endswith(b"\r\n.\r\n"):
            line = self.file.readline()
            if not line:
                raise EOFError
            body += line
        reply = self.usual_or_told("end", "250 2.0.0 taken")
        if reply.startswith("250"):
            self.sink.taken.append(Taken(time.time(), self.address, body))
            reply = self.usual_or_told("taken", reply)
        self.client.sendall(reply.encode() + b"\r\n")

    def took(self, step: str, usual: str) -> bool:
        return self.say(step, usual).startswith("2")

    def say(self, step: str, usual: str) -> str:
        reply = self.usual_or_told(step, usual)
        self.client.sendall(reply.encode() + b"\r\n")
        if reply.startswith("421"):
            raise EOFError
        return reply

    def usual_or_told(self, step: str, usual: str) -> str:
        told = self.sink.script(step, self.address)
        if isinstance(told, int | float):
            time.sleep(told)
            told = None
        if told == HANG_UP:
            raise EOFError
        return usual if told is None else told
