"""Which mail server to use, and how to reach it safely."""

import ipaddress
import re
import smtplib
import socket
import ssl
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal
from urllib.parse import unquote, urlsplit

Security = Literal["tls", "starttls", "plain"]
_SCHEMES: dict[str, tuple[Security, int]] = {
    "smtps": ("tls", 465),
    "smtp+starttls": ("starttls", 587),
    "smtp": ("plain", 25),
}


@dataclass(frozen=True, slots=True)
class Server:
    """A mail server and how to sign in to it; `user` is None where no sign-in is needed."""

    host: str
    port: int
    security: Security
    user: str | None = None
    password: str | None = field(default=None, repr=False)


def parse_url(url: str) -> Server:
    """Read `smtps://user:password@host:465`, `smtp+starttls://…:587`, or `smtp://` to this machine.

    User and password are percent-decoded. Raises ValueError with a sentence that never contains the password.
    """
    parts = urlsplit(url)
    if parts.scheme not in _SCHEMES:
        raise ValueError("The mail server's URL must begin with smtps://, smtp+starttls:// or smtp://.")
    security, usual_port = _SCHEMES[parts.scheme]
    host, port = _host_and_port(url)
    if security == "plain" and not _is_loopback(host):
        raise ValueError("Plain smtp:// is for this machine only; please use smtps:// or smtp+starttls://.")
    user, password = unquote(parts.username or "") or None, unquote(parts.password or "") or None
    if (user is None) != (password is None):
        raise ValueError("The mail server's URL needs both a user and a password, or neither.")
    if not f"{user}{password}".isascii():
        raise ValueError("The mail server's user and password may have ASCII characters only.")
    return Server(host, port or usual_port, security, user, password)


def _host_and_port(url: str) -> tuple[str, int | None]:
    parts = urlsplit(url)
    try:
        host, port = parts.hostname, parts.port
        (host or "").encode("idna")  # what cannot be asked of the DNS is refused here, not in the middle of the work
    except ValueError:
        host, port = None, None
    if not host or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(
            "The mail server's URL must end with host:port; write / ? # @ in a password as %2F %3F %23 %40."
        )
    return host, port


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def connect(server: Server, connect_timeout: float, timeout: float, tls: ssl.SSLContext | None = None) -> smtplib.SMTP:
    """An open connection, greeted, encrypted and signed in. Raises OSError (smtplib's errors are OSErrors).

    Certificates are verified against `tls`, or else against those that the system trusts.
    """
    smtp = _dial(server, connect_timeout, tls)
    try:
        _enter(smtp, server, timeout, tls)
    except BaseException:
        smtp.close()
        raise
    return smtp


def _dial(server: Server, seconds: float, tls: ssl.SSLContext | None) -> smtplib.SMTP:
    name = _own_name()
    if server.security == "tls":
        context = tls or _verifying()
        return smtplib.SMTP_SSL(server.host, server.port, local_hostname=name, timeout=seconds, context=context)
    return smtplib.SMTP(server.host, server.port, local_hostname=name, timeout=seconds)


@lru_cache(maxsize=1)
def _own_name() -> str:
    # smtplib would ask the DNS, which can take seconds, at each connection. RFC 5321 4.1.3 has a form for the nameless.
    name = socket.gethostname()
    return name if re.fullmatch(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", name) else "[127.0.0.1]"


@lru_cache(maxsize=1)
def _verifying() -> ssl.SSLContext:
    # Without a context smtplib verifies nothing; to read the system's certificates takes 10 ms, so once.
    return ssl.create_default_context()


def _enter(smtp: smtplib.SMTP, server: Server, timeout: float, tls: ssl.SSLContext | None) -> None:
    sock = open_socket(smtp)
    # The end of a message is a small write after another one; Nagle's algorithm would hold it back for 40 ms.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    smtp.ehlo_or_helo_if_needed()
    if server.security == "starttls":
        smtp.starttls(context=tls or _verifying())  # raises where it is not offered: never a word in the clear
        smtp.ehlo_or_helo_if_needed()
    if server.user is not None and server.password is not None:
        smtp.login(server.user, server.password)
    sock = open_socket(smtp)  # STARTTLS has put another one there
    sock.settimeout(timeout)
    smtp.command_encoding = "utf-8"  # for SMTPUTF8; what needs it is checked before it is sent


def open_socket(smtp: smtplib.SMTP) -> socket.socket:
    """The connection's socket. Raises smtplib.SMTPServerDisconnected once it is closed."""
    if smtp.sock is None:
        raise smtplib.SMTPServerDisconnected("the connection is closed")
    return smtp.sock
