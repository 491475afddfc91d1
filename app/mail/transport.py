"""Hands messages to a mail server over one warm connection, and knows at each moment how far it has got."""

import smtplib
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress

from app.mail.addresses import Mailbox
from app.mail.envelope import needs_smtputf8, refuse_smuggling, unsuited
from app.mail.outcome import CUT_OFF, NO_REPLY, NOT_CONNECTED, NOT_TRUSTED, Kind, Outcome, Phase, answered, silent
from app.mail.server import Server, connect, open_socket, parse_url

__all__ = ["Connection", "Kind", "Outcome", "Server", "parse_url"]

CHUNK = 65_536
WHOLE = 16_384
"""Bytes of a message that goes out in one write, its end with it."""

END = b"\r\n.\r\n"
BEFORE_DATA = frozenset({Phase.mail, Phase.rcpt, Phase.data})


class Connection:
    """One connection to `server`: opened when first needed, kept warm, replaced when found dead. For one thread.

    Seconds: `connect_timeout` to be greeted, `timeout` for each step, `reply_timeout` for the last answer, where
    haste makes duplicates (RFC 5321 4.5.3.2.6). `tls` is for a certificate authority of one's own.
    """

    def __init__(
        self,
        server: Server,
        *,
        connect_timeout: float = 15,
        timeout: float = 60,
        reply_timeout: float = 600,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.server = server
        self._connect_timeout, self._timeout, self._reply_timeout = connect_timeout, timeout, reply_timeout
        self._tls = tls
        self._smtp: smtplib.SMTP | None = None
        self._phase = Phase.connect
        self._aborted = self._lost = self._at_once = False
        self._may_finish: Callable[[], bool] = lambda: True

    def send(
        self, envelope_from: str, to: Mailbox, message: bytes, may_finish: Callable[[], bool] = lambda: True
    ) -> Outcome:
        """Hand `message` (CRLF line ends) over for one recipient, and say what became of it.

        `may_finish` is asked right before the write that ends it, after which there is no way back; if not: `later`.
        Raises ValueError for what must never reach a server; whatever the network does is an outcome.
        """
        refuse_smuggling(envelope_from, to, message)
        self._may_finish = may_finish
        warm = self._smtp is not None
        outcome = self._attempt(envelope_from, to, message)
        dead = outcome.kind is Kind.trouble or self._lost
        untold = self._at_once and self._lost and self._phase is Phase.mail
        if dead and not self._aborted and (untold or (warm and self._phase in BEFORE_DATA)):
            # Servers hang up on idle connections, with a 421 or without a word; and who hears nothing after three
            # commands at once does not know which was too much: one by one tells the recipient's fault from the
            # server's. Nothing was handed over: begin anew.
            outcome = self._attempt(envelope_from, to, message, one_by_one=True)
        return outcome

    def _attempt(self, envelope_from: str, to: Mailbox, message: bytes, one_by_one: bool = False) -> Outcome:
        self._phase, self._lost, self._at_once = Phase.connect, False, False
        try:
            smtp = self._smtp = self._smtp or self._open()
            self._at_once = not one_by_one and smtp.has_extn("pipelining")
            outcome = unsuited(smtp, envelope_from, to) or self._transact(smtp, envelope_from, to, message)
        except OSError as error:
            self._lost = True
            outcome = silent(self._phase, self._sentence(error))
            self._drop()  # whatever it waits for now is not the next message
        except BaseException:
            # Stopped from outside in the middle of the talk: whatever the server says next is not for the next message.
            self._drop()
            raise
        self._tidy(outcome)
        return outcome

    def _open(self) -> smtplib.SMTP:
        return connect(self.server, self._connect_timeout, self._timeout, self._tls)

    def _transact(self, smtp: smtplib.SMTP, envelope_from: str, to: Mailbox, message: bytes) -> Outcome:
        if refused := self._announce(smtp, envelope_from, to, len(message)):
            return refused
        code, words = self._hand_over(smtp, self._write(smtp, message))
        return answered(self._phase, code, words)

    def _announce(self, smtp: smtplib.SMTP, envelope_from: str, to: Mailbox, size: int) -> Outcome | None:
        """Name both sides and ask for the message to begin; what the server has against it. Where it takes all three
        commands at once (RFC 2920), that is one round trip instead of three.
        """
        options = " SMTPUTF8 BODY=8BITMIME" if needs_smtputf8(envelope_from, to) else ""
        options += f" SIZE={size}" if smtp.has_extn("size") else ""
        commands = [
            (Phase.mail, f"MAIL FROM:<{envelope_from}>{options}\r\n", 2),
            (Phase.rcpt, f"RCPT TO:<{to.address}>\r\n", 2),
            (Phase.data, "DATA\r\n", 3),
        ]
        self._phase = Phase.mail
        if self._at_once:
            smtp.send("".join(command for _, command, _ in commands))
        for n, (phase, command, wanted) in enumerate(commands, start=1):
            self._phase = phase
            if not self._at_once:
                smtp.send(command)
            code, words = smtp.getreply()
            if code // 100 != wanted:
                refused = answered(phase, code, words)
                if self._at_once and refused.kind is not Kind.trouble:
                    self._skip(smtp, len(commands) - n)
                return refused
        return None

    def _skip(self, smtp: smtplib.SMTP, replies: int) -> None:
        """Hear the answers to what went out together with what was refused. A server that would take the message
        nevertheless gets none: without its end it must not be delivered (RFC 5321 4.1.1.4).
        """
        try:
            codes = [smtp.getreply()[0] for _ in range(replies)]
        except OSError:
            codes = [0]
        if not all(400 <= code < 600 or code // 100 == 2 for code in codes):
            self._drop()

    def _write(self, smtp: smtplib.SMTP, message: bytes) -> bytes:
        """A message that is large, but for its end. What is left to be written: of a small one all."""
        # RFC 5321 4.5.2: a line's first dot is doubled. The last line end is that of the end.
        stuffed = (b"\r\n" + message).replace(b"\r\n.", b"\r\n..")[2:].removesuffix(b"\r\n")
        self._phase = Phase.body
        if len(stuffed) <= WHOLE:
            return stuffed + END
        for start in range(0, len(stuffed), CHUNK):  # the time-out is per call: a slow line may take its time
            smtp.send(stuffed[start : start + CHUNK])
        return END

    def _hand_over(self, smtp: smtplib.SMTP, last: bytes) -> tuple[int, bytes]:
        if not self._may_finish():
            raise ConnectionAbortedError("not to be finished")
        # In one write, which takes half the time of two. Where it fails, its last byte is the last that was not taken:
        # without the end a message must not be delivered (RFC 5321 4.1.1.4).
        smtp.send(last)
        self._phase = Phase.handed_over
        sock = open_socket(smtp)
        sock.settimeout(self._reply_timeout)
        code, words = smtp.getreply()
        sock.settimeout(self._timeout)
        return code, words

    def _sentence(self, error: OSError) -> str:
        where = f"{self.server.host}:{self.server.port}"
        if self._phase is Phase.handed_over:
            return NO_REPLY
        if self._phase is not Phase.connect:
            return CUT_OFF.format(where=where)
        if isinstance(error, smtplib.SMTPResponseException):
            words = error.smtp_error
            return f"{error.smtp_code} {words.decode('utf-8', 'replace') if isinstance(words, bytes) else words}"
        if isinstance(error, ssl.SSLCertVerificationError):
            return NOT_TRUSTED.format(where=where, why=error.verify_message)
        return NOT_CONNECTED.format(where=where, why=error.strerror or error)

    def _tidy(self, outcome: Outcome) -> None:
        if outcome.kind in (Kind.trouble, Kind.unknown):
            self._drop()
        elif outcome.kind is not Kind.sent and self._phase in (Phase.rcpt, Phase.data):
            self._reset()

    def _reset(self) -> None:
        # A refused recipient leaves a transaction open; after a refused body there is none (RFC 5321 4.1.1.4).
        try:
            code, _ = self._smtp.rset() if self._smtp else (0, b"")
        except OSError:
            code = 0
        if code != 250:
            self._drop()

    def _drop(self) -> None:
        smtp, self._smtp = self._smtp, None
        if smtp is not None:
            smtp.close()

    def abort(self) -> None:
        """Cut the connection from another thread: whoever waits for an answer hears none. Nothing is opened again."""
        self._aborted = True
        smtp = self._smtp
        if smtp is not None and smtp.sock is not None:
            with suppress(OSError):
                socket.socket.shutdown(smtp.sock, socket.SHUT_RDWR)  # TLS's own would let a write out as it is

    def close(self) -> None:
        """Say QUIT, if there is anybody to say it to. Never raises."""
        if self._smtp is not None:
            with suppress(OSError):
                open_socket(self._smtp).settimeout(2)
                self._smtp.quit()
        self._drop()
