"""Settings: read once from the environment, checked all together, frozen afterwards."""

import json
import os
import secrets
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from app.config import values

T = TypeVar("T")

TEMPLATES = Path(__file__).resolve().parents[2] / "templates"
MAILBOX_PORT = 1025
MAILBOX = "/mailbox"
PORTS = "ports.json"
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
    timezone_is_known: bool  # somebody said so; else it is UTC, and a browser knows better
    workers: int
    admin_email: str
    admin_password: str = field(repr=False)
    undo_seconds: int
    limits: values.Limits
    retention_days: int  # after which what ended is deleted; 0: never
    log_level: str
    mail_stays_here: bool  # in the built-in mailbox; nothing leaves this machine
    var: Path


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

    chosen = chosen_ports(var)
    smtp_url = read("SMTP_URL", mailbox_url(chosen.get("mailbox", MAILBOX_PORT)), values.smtp_url)
    host = read("HOST", "127.0.0.1", values.host)
    port = read("PORT", 8000, values.whole_number(1, 65535))
    settings = Settings(
        database_url=read("DATABASE_URL", f"sqlite:///{var / 'postdate.db'}", values.database_url),
        redis_url=read("REDIS_URL", f"unix://{quote(str(socket_path(var)))}", values.redis_url),
        smtp_url=smtp_url.removesuffix(MAILBOX),
        mail_stays_here=smtp_url.endswith(MAILBOX),
        mail_from=read("MAIL_FROM", "Postdate <postdate@example.com>", values.mail_from),
        secret_key=read("SECRET_KEY", "", values.secret_key),
        public_url=read(
            "PUBLIC_URL", _address(host, port if "PORT" in env else chosen.get("web", port)), values.public_url
        ),
        host=host,
        port=port,
        timezone=read("APP_TIMEZONE", "", values.timezone) or values.machine_timezone(env) or "UTC",
        timezone_is_known=bool(env.get("APP_TIMEZONE", "").strip() or values.machine_timezone(env)),
        workers=read("WORKERS", 1, values.whole_number(1, 64)),
        admin_email=read("ADMIN_EMAIL", "", values.address),
        admin_password=read("ADMIN_PASSWORD", "", values.password),
        undo_seconds=read("UNDO_SECONDS", 5, values.whole_number(0, 120)),
        limits=read("LIMITS", (), values.limits),
        retention_days=read("RETENTION_DAYS", 0, values.whole_number(1, 36_500)),
        log_level=read("LOG_LEVEL", "INFO", values.log_level),
        var=var,
    )
    mistakes += _contradictions(settings, env)
    if mistakes:
        raise SettingsError(mistakes)
    return settings if settings.secret_key else _with_kept_secret(settings)


def _address(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def chosen_ports(var: Path) -> dict[str, int]:
    """Which ports a running `up` took, so that other commands in the same folder find its web and mailbox."""
    try:
        ports: dict[str, int] = json.loads((var / PORTS).read_text())
    except (OSError, ValueError):
        return {}
    return ports


def mailbox_url(port: int) -> str:
    """The SMTP_URL of the built-in mailbox; its path marks it as such, and means nothing else."""
    return f"smtp://127.0.0.1:{port}{MAILBOX}"


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
    if not (env.get("SMTP_URL", "").strip() or MAILBOX).endswith(MAILBOX) and "MAIL_FROM" not in given:
        found.append("MAIL_FROM should be set where SMTP_URL is: Your Name <you@your-domain.example>")
    admin = {"ADMIN_EMAIL", "ADMIN_PASSWORD"}
    if len(missing := admin - given) == 1:
        found.append(f"{missing.pop()} should be set as well: ADMIN_EMAIL and ADMIN_PASSWORD go together")
    return found


def _with_kept_secret(settings: Settings) -> Settings:
    path = settings.var / "secret_key"
    settings.var.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        _keep_secret(path, secrets.token_urlsafe(32))
    try:
        return replace(settings, secret_key=values.secret_key(path.read_text().strip()))
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
