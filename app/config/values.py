"""What a setting may look like: each check returns the value, or raises ValueError with the rest of a sentence."""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit
from zoneinfo import available_timezones


def _split(url: str, what: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ValueError(f"should look like {what}") from None
    return parts


def database_url(raw: str) -> str:
    what = "sqlite:////path/to/file.db or postgresql://user:password@host/name"
    parts = _split(raw, what)
    if parts.scheme == "sqlite":
        if not parts.path.strip("/"):
            raise ValueError("should name a file: " + what)
        return raw
    if parts.scheme not in ("postgres", "postgresql", "postgresql+psycopg") or not (parts.hostname or parts.query):
        raise ValueError("should look like " + what)
    return "postgresql+psycopg://" + raw.split("://", 1)[1]


def redis_url(raw: str) -> str:
    what = "redis://host:6379/0, rediss://host:6380/0 or unix:///path/to/socket"
    parts = _split(raw, what)
    if parts.scheme not in ("redis", "rediss", "unix") or not (
        parts.hostname or (parts.scheme == "unix" and parts.path)
    ):
        raise ValueError("should look like " + what)
    return raw


def smtp_url(raw: str) -> str:
    what = "smtps://user:password@host:465 or smtp+starttls://user:password@host:587"
    parts = _split(raw, what)
    if parts.scheme not in ("smtps", "smtp+starttls", "smtp") or not parts.hostname:
        raise ValueError("should look like " + what)
    if parts.scheme == "smtp" and not _is_loopback(parts.hostname):
        raise ValueError(f"may be plain smtp:// only to this machine (127.0.0.1); elsewhere it should look like {what}")
    return raw


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def mail_from(raw: str) -> str:
    named = re.search(r"<([^<>]*)>\s*$", raw)
    try:
        address(named.group(1) if named else raw)
    except ValueError:
        raise ValueError("should look like Your Name <you@your-domain.example>") from None
    return raw


def address(raw: str) -> str:
    if not re.fullmatch(r"[^@\s<>]+@[^@\s<>]+\.[^@\s<>]+", raw):
        raise ValueError("should be one mail address, like you@your-domain.example")
    return raw


SHORTEST_PASSWORD = 10


def password(raw: str) -> str:
    if len(raw) < SHORTEST_PASSWORD:
        raise ValueError(f"should have {SHORTEST_PASSWORD} or more characters")
    return raw


def secret_key(raw: str) -> str:
    if len(raw) < 16:
        raise ValueError("should have 16 or more random characters")
    return raw


def public_url(raw: str) -> str:
    parts = _split(raw, "https://mail.your-domain.example")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.query:
        raise ValueError("should look like https://mail.your-domain.example, without a path")
    return raw.rstrip("/")


def host(raw: str) -> str:
    if not re.fullmatch(r"[0-9A-Za-z.:_-]+", raw):
        raise ValueError("should be an address to listen on, like 127.0.0.1 or 0.0.0.0")
    return raw


def whole_number(least: int, most: int) -> Callable[[str], int]:
    def check(raw: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", raw) or not least <= int(raw) <= most:
            raise ValueError(f"should be a whole number from {least} to {most}, not {raw!r}")
        return int(raw)

    return check


UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}
LIMIT = re.compile(rf"(?:(?P<domain>[^=/]+)=)?(?P<most>[0-9]{{1,9}})/(?P<unit>{'|'.join(UNITS)})")
DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z0-9-]+")

Limits = tuple[tuple[str, int, int], ...]
"""Each: a domain, or nothing for all mail; how many messages at most, and in how many seconds."""


def limits(raw: str) -> Limits:
    """The domains in ASCII, as addresses have them."""
    what = "14/second, 50000/day or gmail.com=20/minute, with commas between them"
    found = []
    for each in raw.split(","):
        parts = LIMIT.fullmatch(each.strip().lower())
        if not parts or not int(parts["most"]):
            raise ValueError(f"should look like {what} (or /hour); {each.strip()!r} does not")
        found.append((_domain(parts["domain"] or ""), int(parts["most"]), UNITS[parts["unit"]]))
    if len({(domain, seconds) for domain, _, seconds in found}) < len(found):
        raise ValueError("should have one limit for each domain and unit, and has two")
    return tuple(found)


def _domain(raw: str) -> str:
    with suppress(UnicodeError):
        name = raw.encode("idna").decode() if raw else ""
        if not name or DOMAIN.fullmatch(name):
            return name
    raise ValueError(f"should name a domain, like gmail.com, not {raw!r}")


def timezone(raw: str) -> str:
    if raw not in available_timezones():
        raise ValueError(f"should be an IANA time zone, like Asia/Seoul or Europe/London, not {raw!r}")
    return raw


def machine_timezone(env: Mapping[str, str]) -> str:
    zone = env.get("TZ", "").strip().lstrip(":")
    return zone if zone in available_timezones() else ""


def log_level(raw: str) -> str:
    if raw.upper() not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise ValueError(f"should be DEBUG, INFO, WARNING or ERROR, not {raw!r}")
    return raw.upper()
