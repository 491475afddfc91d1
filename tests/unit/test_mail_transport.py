"""The talk with a mail server, against one that refuses, stalls or hangs up at a chosen step."""

import select
import shutil
import socket
import ssl
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import pytest

from app.mail.addresses import Mailbox
from app.mail.outcome import Kind, Phase, kind_of
from app.mail.server import open_socket
from app.mail.transport import CHUNK, WHOLE, Connection, Outcome, Server, parse_url

SENDER = "news@example.com"
TO = Mailbox("kim@example.com")
LINE = b"Sixty-four bytes of a line, which is as long as many others are\r\n"
MESSAGE = b"Subject: a\r\n\r\n.dot\r\ntext\r\n..\r\n"

HANG_UP, STALL, RESET = "hang up", "stall", "reset"
HELD = "held"  # until the next answer, as servers do while more commands wait
Step = str  # greeting, EHLO, AUTH, MAIL, RCPT, DATA, body (a part of it), end, RSET, QUIT


class ScriptedServer:
    """An SMTP server that does as told: `script[step]` is a reply, or a list of them for one time after another."""

    def __init__(
        self, script: dict[Step, str | list[str]], extensions: str = "SIZE 1000", tls: ssl.SSLContext | None = None
    ):
        self.script = script
        self.extensions = extensions
        self.tls = tls
        self.heard: list[str] = []
        self.messages: list[bytes] = []
        self.unfinished: list[bytes] = []
        self.held = b""
        self.connections = 0
        self.stop = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def close(self) -> None:
        self.stop.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.listener.close()

    def run(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            with client, suppress(OSError, EOFError):
                self.talk(client)

    def talk(self, client: socket.socket, greeting: bool = True) -> None:
        client.settimeout(5)
        if greeting:
            self.answer(client, "greeting", "220 ready")
        refused = False
        with client.makefile("rb") as file:
            while line := file.readline():
                command = line[:4].decode("utf-8", "replace").upper()
                self.heard.append(command + line[4:].decode("utf-8", "replace").rstrip())
                usual = "503 out of order" if refused and command in ("RCPT", "DATA") else self.usual(command)
                reply = self.answer(client, command, usual)
                if command in ("MAIL", "RCPT"):
                    refused = reply[:1] in "45" or (refused and command == "RCPT")
                if command == "STAR" and self.tls:
                    with self.tls.wrap_socket(client, server_side=True) as secure:
                        return self.talk(secure, greeting=False)
                if reply.startswith("354"):
                    self.receive(client, file)

    def usual(self, command: str) -> str:
        if command == "EHLO":
            return "\r\n".join(["250-here", *(f"250-{each}" for each in self.extensions.split(",")), "250 HELP"])
        return {"AUTH": "235 ok", "DATA": "354 go on", "QUIT": "221 bye", "STAR": "220 go on"}.get(command, "250 ok")

    def receive(self, client: socket.socket, file: BinaryIO) -> None:
        if "body" in self.script:
            client.recv(1)
            self.answer(client, "body", "")
        message = b""
        while not message.endswith(b"\r\n.\r\n"):
            line = file.readline()
            if not line:
                self.unfinished.append(message)
                raise EOFError
            message += line
        self.messages.append(message)
        self.answer(client, "end", "250 2.0.0 queued as 42")

    def answer(self, client: socket.socket, step: Step, usual: str) -> str:
        reply = self.script.get(step, usual)
        if isinstance(reply, list):
            reply = reply.pop(0) if reply else usual
        if reply in (HANG_UP, STALL, RESET):
            self.held = b""
        if reply == RESET or (reply.startswith("354") and reply.endswith("closing")):
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if reply == STALL:
            self.stop.wait(5)
        if reply in (HANG_UP, STALL, RESET):
            raise EOFError
        if reply == HELD:
            self.held += usual.encode() + b"\r\n"
            return usual
        client.sendall(self.held + reply.encode() + b"\r\n")
        self.held = b""
        if reply.endswith("closing"):
            raise EOFError
        return reply


Start = Callable[..., tuple[ScriptedServer, Connection]]


@pytest.fixture
def start() -> Iterator[Start]:
    opened: list[tuple[ScriptedServer, Connection]] = []

    def begin(
        script: dict[Step, str | list[str]] | None = None, **options: object
    ) -> tuple[ScriptedServer, Connection]:
        target = options.pop("target", {})
        tls = options.pop("trust", None)
        server = ScriptedServer(script or {}, **options)  # type: ignore[arg-type]
        where = Server(**{"host": "127.0.0.1", "port": server.port, "security": "plain"} | target)  # type: ignore
        connection = Connection(where, connect_timeout=0.15, timeout=0.15, reply_timeout=0.15, tls=tls)  # type: ignore
        opened.append((server, connection))
        return opened[-1]

    yield begin
    for server, connection in opened:
        connection.close()
        server.close()


def test_a_message_is_handed_over_dots_doubled(start: Start) -> None:
    server, connection = start()
    assert connection.send(SENDER, TO, MESSAGE) == Outcome(Kind.sent, "250 2.0.0 queued as 42")
    assert server.messages == [b"Subject: a\r\n\r\n..dot\r\ntext\r\n...\r\n.\r\n"]
    assert server.heard[1:] == [f"MAIL FROM:<{SENDER}> SIZE={len(MESSAGE)}", "RCPT TO:<kim@example.com>", "DATA"]


def test_the_connection_is_kept_and_closed_politely(start: Start) -> None:
    server, connection = start()
    assert [connection.send(SENDER, TO, MESSAGE).kind for _ in range(3)] == ["sent"] * 3
    connection.close()
    connection.close()
    assert server.connections == 1
    assert "RSET" not in server.heard


AT_ONCE = "SIZE 1000,PIPELINING"
WAYS = ["SIZE 1000", AT_ONCE]

TABLE = [
    *[("greeting", reply, Kind.trouble) for reply in ("421 busy", "554 no", "nonsense", HANG_UP, STALL, RESET)],
    *[("EHLO", reply, Kind.trouble) for reply in ("421 busy", HANG_UP, STALL)],
    *[(step, "450 4.2.0 busy", Kind.later) for step in ("MAIL", "RCPT", "DATA", "end")],
    *[(step, "550 5.1.1 no such user", Kind.failed) for step in ("MAIL", "RCPT", "DATA", "end")],
    *[(step, "421 4.7.0 closing", Kind.trouble) for step in ("MAIL", "RCPT", "DATA", "end")],
    *[(step, "530 5.7.0 sign in first", Kind.trouble) for step in ("MAIL", "RCPT")],
    *[("MAIL", reply, Kind.trouble) for reply in (HANG_UP, STALL, RESET, "nonsense")],
    # It may be due to this recipient, or this message: the others do not wait for it.
    *[(step, reply, Kind.later) for step in ("RCPT", "DATA") for reply in (HANG_UP, STALL, RESET)],
    *[(step, "nonsense", Kind.trouble) for step in ("RCPT", "DATA")],
    ("MAIL", "552 5.3.4 too large", Kind.failed),
    ("RCPT", "452 4.5.3 too many", Kind.later),
    ("RCPT", "552 5.5.3 too many", Kind.later),
    ("RCPT", "251 forwarded", Kind.sent),
    ("DATA", "250 what?", Kind.trouble),
    ("DATA", "5" * 9000, Kind.later),
    ("body", RESET, Kind.later),
    *[("end", reply, Kind.unknown) for reply in (HANG_UP, STALL, RESET, "nonsense", "354 more?", "2" * 9000)],
    ("end", "250-2.0.0\r\n250 fine", Kind.sent),
]


@pytest.mark.parametrize(
    ("step", "reply", "kind", "extensions"),
    [(*each, way) for way in WAYS for each in TABLE],
    ids=lambda value: str(value)[:24],
)
def test_each_behaviour_at_each_step_has_its_kind(
    start: Start, step: Step, reply: str, kind: Kind, extensions: str
) -> None:
    server, connection = start({step: reply, **({"HELO": reply} if step == "EHLO" else {})}, extensions=extensions)
    message = MESSAGE + b"x" * 8_000_000 + b"\r\n" if step == "body" else MESSAGE
    outcome = connection.send(SENDER, TO, message)
    assert outcome.kind == kind
    assert 0 < len(outcome.reply) <= 1000
    if reply[:3].isdigit() and len(reply) < 99 and kind is not Kind.sent and "\r" not in reply:
        assert outcome.reply == reply
    # After three commands at once, and a reset that throws away what was said, it is asked once more, one by one.
    untold = extensions == AT_ONCE and (reply == RESET or step == "MAIL") and step in ("MAIL", "RCPT", "DATA")
    assert server.connections == 1 or untold


@pytest.mark.parametrize("step", ["RCPT", "DATA"])
def test_a_reset_that_throws_away_what_was_said_is_the_recipients_all_the_same(start: Start, step: Step) -> None:
    """A filter may reset the connection over one recipient: that must not stop the mail of everybody."""
    held = {"MAIL": [HELD], "RCPT": [HELD]} if step == "DATA" else {"MAIL": [HELD]}
    server, connection = start(held | {step: [RESET, RESET]}, extensions=AT_ONCE)
    outcome = connection.send(SENDER, TO, MESSAGE)
    assert (outcome.kind, server.connections) == (Kind.later, 2)


@pytest.mark.parametrize("extensions", WAYS)
@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA", "end"])
@pytest.mark.parametrize("reply", ["550 no", "450 later"])
def test_after_a_refusal_the_next_one_is_sent_over_the_same_connection(
    start: Start, step: Step, reply: str, extensions: str
) -> None:
    server, connection = start({step: [reply]}, extensions=extensions)
    assert connection.send(SENDER, TO, MESSAGE).kind in (Kind.failed, Kind.later)
    assert connection.send(SENDER, TO, MESSAGE).kind is Kind.sent
    assert server.connections == 1
    assert ("RSET" in server.heard) == (step in ("RCPT", "DATA"))


@pytest.mark.parametrize("step", ["MAIL", "RCPT"])
def test_a_server_that_would_take_what_it_refused_gets_none_of_it(start: Start, step: Step) -> None:
    server, connection = start({step: ["550 no"], "RCPT": ["250 ok"], "DATA": "354 go on"} | {step: ["550 no"]},
                               extensions=AT_ONCE)  # fmt: skip
    assert connection.send(SENDER, TO, MESSAGE) == Outcome(Kind.failed, "550 no")
    assert server.messages == []
    assert connection.send(SENDER, TO, MESSAGE).kind is Kind.sent
    assert (server.connections, len(server.messages), server.unfinished) == (2, 1, [b""])


def test_a_server_that_hangs_up_after_a_refusal_has_refused(start: Start) -> None:
    server, connection = start({"RCPT": ["550 no such user"], "DATA": [HANG_UP]}, extensions=AT_ONCE)
    assert connection.send(SENDER, TO, MESSAGE) == Outcome(Kind.failed, "550 no such user")
    assert connection.send(SENDER, TO, MESSAGE).kind is Kind.sent
    assert server.connections == 2


@pytest.mark.parametrize("extensions", WAYS)
@pytest.mark.parametrize("farewell", [HANG_UP, RESET, "421 4.4.2 idle too long, closing"])
@pytest.mark.parametrize("step", ["MAIL", "RCPT"])
def test_a_warm_connection_found_dead_is_replaced(start: Start, step: Step, farewell: str, extensions: str) -> None:
    server, connection = start({step: ["250 ok", farewell]}, extensions=extensions)
    assert connection.send(SENDER, TO, MESSAGE).kind is Kind.sent
    assert connection.send(SENDER, TO, MESSAGE).kind is Kind.sent
    assert (server.connections, len(server.messages)) == (2, 2)


def test_a_warm_connection_is_replaced_once_only(start: Start) -> None:
    server, connection = start({"MAIL": ["250 ok", HANG_UP, HANG_UP]})
    assert connection.send(SENDER, TO, MESSAGE).kind is Kind.sent
    assert connection.send(SENDER, TO, MESSAGE).kind is Kind.trouble
    assert server.connections == 2


def test_a_warm_connection_that_dies_after_the_end_is_not_tried_again(start: Start) -> None:
    server, connection = start({"end": ["250 ok", HANG_UP]})
    assert connection.send(SENDER, TO, MESSAGE).kind is Kind.sent
    assert connection.send(SENDER, TO, MESSAGE).kind is Kind.unknown
    assert len(server.messages) == 2


def test_nobody_listening_is_trouble() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    outcome = Connection(Server("127.0.0.1", port, "plain")).send(SENDER, TO, MESSAGE)
    assert outcome == Outcome(Kind.trouble, f"Could not connect to 127.0.0.1:{port}: Connection refused.")


@pytest.mark.parametrize(
    ("reply", "wait"),
    [
        ("450 4.7.1 greylisted, try again in 5 minutes", 300),
        ("451 Try again in 30 seconds", 30),
        ("450 retry after 300", 300),
        ("421 4.7.0 Please try again in 1 hour", 3600),
        ("450 wait 2h please", 7200),
        ("450 please wait for at least 90 secs.", 90),
        ("450 4.2.2 mailbox full", None),
        ("450 try again later. 421 4.7.0 busy", None),
        ("450 4.3.0 try again later 12345-abc", None),
        ("450 please retry after 4.7.1 is solved", None),
        ("450 retry after 999999 hours", 86400),
        ("550 try again in 5 minutes", None),
    ],
)
def test_the_wait_that_the_server_asks_for_is_read(start: Start, reply: str, wait: float | None) -> None:
    _, connection = start({"RCPT": reply})
    assert connection.send(SENDER, TO, MESSAGE).wait == wait


def test_a_reply_is_kept_on_one_line_and_short(start: Start) -> None:
    _, connection = start({"RCPT": "550-5.1.1 no\0 such\r\n550 user " + "x" * 2000})
    outcome = connection.send(SENDER, TO, MESSAGE)
    assert outcome.reply.startswith("550 5.1.1 no  such user xxx")
    assert len(outcome.reply) == 1000


def test_smtputf8_is_used_where_needed_and_offered(start: Start) -> None:
    server, connection = start(extensions="SMTPUTF8,8BITMIME")
    assert connection.send(SENDER, Mailbox("홍@xn--vv4b11d.kr"), MESSAGE).kind is Kind.sent
    assert server.heard[1:3] == [f"MAIL FROM:<{SENDER}> SMTPUTF8 BODY=8BITMIME", "RCPT TO:<홍@xn--vv4b11d.kr>"]


def test_without_smtputf8_that_recipient_fails_and_the_next_is_sent(start: Start) -> None:
    server, connection = start()
    outcome = connection.send(SENDER, Mailbox("홍@example.com"), MESSAGE)
    assert (outcome.kind, outcome.reply[:27]) == (Kind.failed, "The mail server cannot send")
    assert connection.send("홍@example.com", TO, MESSAGE).kind is Kind.trouble
    assert connection.send(SENDER, TO, MESSAGE).kind is Kind.sent
    assert "MAIL" not in server.heard[1]


@pytest.mark.parametrize("message", [b"a\n", b"a\r", b"a\n.\n\r\n", b"a\r\n.\r\r\n"])
def test_bare_line_ends_are_refused(message: bytes) -> None:
    with pytest.raises(ValueError, match="not CRLF"):
        Connection(Server("127.0.0.1", 9, "plain")).send(SENDER, TO, message)


@pytest.mark.parametrize("address", ["a@b>\r\nRCPT TO:<c@d", "a@b> SIZE=1", "a\0@b", "<a@b>"])
def test_addresses_cannot_carry_commands(address: str) -> None:
    connection = Connection(Server("127.0.0.1", 9, "plain"))
    for sender, to in ((address, TO), (SENDER, Mailbox(address))):
        with pytest.raises(ValueError, match="no address has"):
            connection.send(sender, to, MESSAGE)


@pytest.mark.parametrize("message", [MESSAGE, MESSAGE + LINE * 1000], ids=["small", "large"])
def test_a_message_that_may_not_be_finished_never_is(start: Start, message: bytes) -> None:
    server, connection = start()
    assert connection.send(SENDER, TO, message, may_finish=lambda: False).kind is Kind.later
    assert server.messages == []
    assert connection.send(SENDER, TO, MESSAGE).kind is Kind.sent
    assert not [part for part in server.unfinished if b"MAIL" in part], "nothing is said to who waits for the rest"
    assert len(server.messages) == 1


def test_a_message_that_could_not_be_written_to_its_end_is_tried_again(start: Start) -> None:
    server, connection = start({"DATA": "354 go on, and then closing"})

    def once_it_is_gone() -> bool:
        gone, smtp = select.poll(), connection._smtp
        assert smtp
        gone.register(open_socket(smtp), select.POLLHUP)
        assert gone.poll(5000)
        return True

    assert connection.send(SENDER, TO, MESSAGE, may_finish=once_it_is_gone).kind is Kind.later
    assert server.messages == []


@pytest.mark.parametrize("size", [*range(WHOLE - 3, WHOLE + 4), *range(CHUNK - 3, CHUNK + 4), 2 * CHUNK])
def test_messages_of_any_size_arrive_whole(start: Start, size: int) -> None:
    server, connection = start()
    message = (LINE * (size // len(LINE) + 1))[: size - 2].rstrip(b"\r\n").ljust(size - 2, b"x") + b"\r\n"
    assert len(message) == size
    assert connection.send(SENDER, TO, message).kind is Kind.sent
    assert server.messages == [message + b".\r\n"]


def test_signing_in(start: Start) -> None:
    server, connection = start(extensions="AUTH PLAIN", target={"user": "me", "password": "secret"})
    assert connection.send(SENDER, TO, MESSAGE).kind is Kind.sent
    assert server.heard[1] == "AUTH PLAIN AG1lAHNlY3JldA=="


@pytest.mark.parametrize("reply", ["535 5.7.8 wrong password", "454 4.7.0 busy", HANG_UP])
def test_a_refused_sign_in_is_trouble(start: Start, reply: str) -> None:
    _, connection = start({"AUTH": reply}, extensions="AUTH PLAIN", target={"user": "me", "password": "secret"})
    outcome = connection.send(SENDER, TO, MESSAGE)
    assert outcome.kind is Kind.trouble
    assert "secret" not in outcome.reply
    assert reply == HANG_UP or outcome.reply == reply


def test_no_way_to_sign_in_is_trouble(start: Start) -> None:
    server, connection = start(target={"user": "me", "password": "secret"})
    assert connection.send(SENDER, TO, MESSAGE).kind is Kind.trouble
    assert not any(line.startswith("MAIL") for line in server.heard)


def test_starttls_that_is_not_offered_is_trouble_before_any_secret(start: Start) -> None:
    server, connection = start(target={"security": "starttls", "user": "me", "password": "secret"})
    assert connection.send(SENDER, TO, MESSAGE).kind is Kind.trouble
    assert [line[:4] for line in server.heard] == ["EHLO"]


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.fail("The TLS tests need `openssl` on PATH; it makes their certificate.")
    file = tmp_path_factory.mktemp("tls") / "self-signed.pem"
    options = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(file), "-out", f"{file}.crt"]
    subprocess.run([openssl, *options.split(), *names], check=True, capture_output=True)
    file.write_bytes(file.read_bytes() + Path(f"{file}.crt").read_bytes())
    return file


@pytest.fixture
def server_side(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def test_a_self_signed_certificate_is_refused(start: Start, server_side: ssl.SSLContext) -> None:
    server, connection = start(extensions="STARTTLS", tls=server_side, target={"security": "starttls"})
    outcome = connection.send(SENDER, TO, MESSAGE)
    assert outcome.kind is Kind.trouble
    assert outcome.reply.startswith(f"The certificate of 127.0.0.1:{server.port} cannot be trusted: self")
    assert server.messages == []


def test_an_own_authority_can_be_trusted(start: Start, server_side: ssl.SSLContext, certificate: Path) -> None:
    trust = ssl.create_default_context(cafile=f"{certificate}.crt")
    script: dict[Step, str | list[str]] = {"DATA": "550 as far as this"}
    server, connection = start(
        script, extensions="STARTTLS", tls=server_side, target={"security": "starttls"}, trust=trust
    )
    assert connection.send(SENDER, TO, MESSAGE) == Outcome(Kind.failed, "550 as far as this")
    assert [line[:4] for line in server.heard] == ["EHLO", "STAR", "EHLO", "MAIL", "RCPT", "DATA", "RSET"]


def test_tls_from_the_first_byte_does_not_talk_to_a_plain_server(start: Start) -> None:
    _, connection = start(target={"security": "tls"})
    assert connection.send(SENDER, TO, MESSAGE).kind is Kind.trouble


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtps://user:p%40ss%2F@mail.example.com", Server("mail.example.com", 465, "tls", "user", "p@ss/")),
        ("smtps://mail.example.com:4650", Server("mail.example.com", 4650, "tls")),
        (
            "smtp+starttls://a%40b.com:pw@mail.example.com/",
            Server("mail.example.com", 587, "starttls", "a@b.com", "pw"),
        ),
        ("smtp://127.0.0.1:1025", Server("127.0.0.1", 1025, "plain")),
        ("smtp://localhost", Server("localhost", 25, "plain")),
        ("smtp://[::1]:1025", Server("::1", 1025, "plain")),
        ("smtp://127.8.8.8", Server("127.8.8.8", 25, "plain")),
    ],
)
def test_a_url_is_read(url: str, server: Server) -> None:
    assert parse_url(url) == server


@pytest.mark.parametrize(
    "url",
    [
        *("", "mail.example.com", "http://mail.example.com", "smtp://mail.example.com", "smtp://10.0.0.1", "smtps://"),
        *(
            "smtps://host:port",
            "smtps://host:99999",
            "smtps://user@host",
            "smtps://:secret@host",
            "smtps://u:sec#ret@host",
        ),
        *(
            "smtps://u:sec/ret@host",
            "smtps://u:sec?ret@host",
            "smtps://u:비밀@host",
            "smtps://a..b",
            "smtp://localhost.evil.example",
        ),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ValueError, match=r"^(The|Plain) .*\.$") as caught:
        parse_url(url)
    assert not any(secret in str(caught.value) for secret in ("sec", "ret@", "비밀"))


def test_a_server_hides_its_password() -> None:
    assert "secret" not in repr(parse_url("smtps://me:secret@mail.example.com"))


@pytest.mark.parametrize("phase", Phase)
def test_only_a_server_that_may_have_the_message_makes_it_unknown(phase: Phase) -> None:
    for code in (None, -1, 100, 250, 354, 421, 450, 530, 550):
        kind = kind_of(phase, code)
        assert (kind is Kind.unknown) <= (phase is Phase.handed_over)
        assert (kind is Kind.sent) == (phase is Phase.handed_over and code == 250)
        lost = code is None and phase in (Phase.rcpt, Phase.data, Phase.body)
        assert (kind in (Kind.failed, Kind.later)) <= (code in (450, 550) or lost)
