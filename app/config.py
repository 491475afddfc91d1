"""Settings: read once from the environment, checked all together, frozen afterwards."""

import os
import re
import secrets
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path
from typing import TypeVar
from urllib.parse import SplitResult, quote, urlsplit
from zoneinfo import available_timezones

T = TypeVar("T")

TEMPLATES = Path(__file__).resolve().parent.parent / "templates"
MAILBOX_PORT = 1025
LONGEST_SOCKET_PATH = 100  # sun_path holds 108 bytes on Linux, 104 on macOS


class SettingsError(Exception):
    """One or more settings are wrong; `mistakes` has a sentence for each, beginning with the variable's name."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


@dataclass(frozen=True)
class Settings:
    """What the environment said, checked. Where a variable is unset, the default of the README holds."""

    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    smtp_url: str = field(repr=False)
    mail_from: str
    secret_key: str = field(repr=False)
    public_url: str
    host: str
    port: int
    timezone: str
    workers: int
    admin_email: str
    admin_password: str = field(repr=False)
    undo_seconds: int
    log_level: str
    var: Path

    @property
    def mail_stays_here(self) -> bool:
        """Whether mail goes to the built-in mailbox, so that nothing leaves this machine."""
        return urlsplit(self.smtp_url).path == "/mailbox"


def read_settings(env: Mapping[str, str] = os.environ, var: Path = Path("var")) -> Settings:
    """Read every setting from `env`; `var` is the folder for this machine's own files.

    Raises SettingsError with all mistakes at once.
    """
    var = var.resolve()
    mistakes: list[str] = []

    def read(name: str, default: T, check: Callable[[str], T]) -> T:
        raw = env.get(name, "").strip()
        try:
            return check(raw) if raw else default
        except ValueError as wrong:
            mistakes.append(f"{name} {wrong}")
            return default

    host = read("HOST", "127.0.0.1", _host)
    port = read("PORT", 8000, _whole_number(1, 65535))
    settings = Settings(
        database_url=read("DATABASE_URL", f"sqlite:///{var / 'postdate.db'}", _database_url),
        redis_url=read("REDIS_URL", f"unix://{quote(str(socket_path(var)))}", _redis_url),
        smtp_url=read("SMTP_URL", mailbox_url(MAILBOX_PORT), _smtp_url),
        mail_from=read("MAIL_FROM", "Postdate <postdate@example.com>", _mail_from),
        secret_key=read("SECRET_KEY", "", _secret_key),
        public_url=read("PUBLIC_URL", f"http://{f'[{host}]' if ':' in host else host}:{port}", _public_url),
        host=host,
        port=port,
        timezone=read("APP_TIMEZONE", "", _timezone) or _machine_timezone(env),
        workers=read("WORKERS", 1, _whole_number(1, 64)),
        admin_email=read("ADMIN_EMAIL", "", _address),
        admin_password=read("ADMIN_PASSWORD", "", _password),
        undo_seconds=read("UNDO_SECONDS", 0, _whole_number(0, 120)),
        log_level=read("LOG_LEVEL", "INFO", _log_level),
        var=var,
    )
    mistakes += _contradictions(settings, env)
    if mistakes:
        raise SettingsError(mistakes)
    return settings if settings.secret_key else _with_kept_secret(settings)


def mailbox_url(port: int) -> str:
    """The SMTP_URL of the built-in mailbox; its path marks it as such, and means nothing else."""
    return f"smtp://127.0.0.1:{port}/mailbox"


def socket_path(var: Path) -> Path:
    """Where the embedded server listens: under `var`, or under the temporary folder where that path is too long."""
    path = var / "valkey.sock"
    if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH:
        return path
    name = f"postdate-{os.getuid()}-{sha256(os.fsencode(var)).hexdigest()[:12]}"
    return Path(tempfile.gettempdir()) / name / "valkey.sock"


def _contradictions(settings: Settings, env: Mapping[str, str]) -> list[str]:
    sqlite = settings.database_url.startswith("sqlite")
    given = {name for name, value in env.items() if value.strip()}
    found = []
    if sqlite and "DYNO" in given:
        found.append("DATABASE_URL should name a Postgres database: files on this platform are lost at every restart")
    if not sqlite and "SECRET_KEY" not in given:
        found.append("SECRET_KEY should be set where the database is shared: 32 or more random characters")
    if not settings.mail_stays_here and "MAIL_FROM" not in given:
        found.append("MAIL_FROM should be set where SMTP_URL is: Your Name <you@your-domain.example>")
    for missing in admin - given if (admin := {"ADMIN_EMAIL", "ADMIN_PASSWORD"}) & given else ():
        found.append(f"{missing} should be set as well: ADMIN_EMAIL and ADMIN_PASSWORD go together")
    return found


def _with_kept_secret(settings: Settings) -> Settings:
    path = settings.var / "secret_key"
    settings.var.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        _keep_secret(path, secrets.token_urlsafe(32))
    try:
        return replace(settings, secret_key=_secret_key(path.read_text().strip()))
    except ValueError:
        raise SettingsError([f"SECRET_KEY cannot be read from {path}: please remove that file, or set it"]) from None


def _keep_secret(path: Path, secret: str) -> None:
    """Write it whole or not at all: web and worker may start at the same moment, and an empty key would sign."""
    handle, temporary = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "w") as file:
        file.write(secret)
        file.flush()
        os.fsync(handle)
    with suppress(FileExistsError):  # the other one was first
        os.link(temporary, path)
    os.unlink(temporary)


def _split(url: str, what: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ValueError(f"should look like {what}") from None
    return parts


def _database_url(raw: str) -> str:
    what = "sqlite:////path/to/file.db or postgresql://user:password@host/name"
    parts = _split(raw, what)
    if parts.scheme == "sqlite":
        if not parts.path.strip("/"):
            raise ValueError("should name a file: " + what)
        return raw
    if parts.scheme not in ("postgres", "postgresql", "postgresql+psycopg") or not (parts.hostname or parts.query):
        raise ValueError("should look like " + what)
    return "postgresql+psycopg://" + raw.split("://", 1)[1]


def _redis_url(raw: str) -> str:
    what = "redis://host:6379/0, rediss://host:6380/0 or unix:///path/to/socket"
    parts = _split(raw, what)
    if parts.scheme not in ("redis", "rediss", "unix") or not (
        parts.hostname or (parts.scheme == "unix" and parts.path)
    ):
        raise ValueError("should look like " + what)
    return raw


def _smtp_url(raw: str) -> str:
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


def _mail_from(raw: str) -> str:
    address = re.search(r"<([^<>]*)>\s*$", raw)
    try:
        _address(address.group(1) if address else raw)
    except ValueError:
        raise ValueError("should look like Your Name <you@your-domain.example>") from None
    return raw


def _address(raw: str) -> str:
    if not re.fullmatch(r"[^@\s<>]+@[^@\s<>]+\.[^@\s<>]+", raw):
        raise ValueError("should be one mail address, like you@your-domain.example")
    return raw


def _password(raw: str) -> str:
    if len(raw) < 10:
        raise ValueError("should have 10 or more characters")
    return raw


def _secret_key(raw: str) -> str:
    if len(raw) < 16:
        raise ValueError("should have 16 or more random characters")
    return raw


def _public_url(raw: str) -> str:
    parts = _split(raw, "https://mail.your-domain.example")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.query:
        raise ValueError("should look like https://mail.your-domain.example, without a path")
    return raw.rstrip("/")


def _host(raw: str) -> str:
    if not re.fullmatch(r"[0-9A-Za-z.:_-]+", raw):
        raise ValueError("should be an address to listen on, like 127.0.0.1 or 0.0.0.0")
    return raw


def _whole_number(least: int, most: int) -> Callable[[str], int]:
    def check(raw: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", raw) or not least <= int(raw) <= most:
            raise ValueError(f"should be a whole number from {least} to {most}, not {raw!r}")
        return int(raw)

    return check


def _timezone(raw: str) -> str:
    if raw not in available_timezones():
        raise ValueError(f"should be an IANA time zone, like Asia/Seoul or Europe/London, not {raw!r}")
    return raw


def _machine_timezone(env: Mapping[str, str]) -> str:
    zone = env.get("TZ", "").strip().lstrip(":")
    return zone if zone in available_timezones() else "UTC"


def _log_level(raw: str) -> str:
    if raw.upper() not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise ValueError(f"should be DEBUG, INFO, WARNING or ERROR, not {raw!r}")
    return raw.upper()
