"""Settings: every default, every mistake with its sentence, all at once, and no secret where it could be read."""

import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import pytest

from app.config import LONGEST_SOCKET_PATH, Settings, SettingsError, mailbox_url, read_settings, socket_path

SECRET = "correct-horse-battery-staple"
POSTGRES = f"postgresql://postdate:{SECRET}@db.example.com/postdate"
SMTP = f"smtp+starttls://user:{SECRET}@mail.example.com:587"

MISTAKES = [
    ("DATABASE_URL", "mysql://host/name", "should look like sqlite:////path/to/file.db or postgresql://user:passwor"),
    ("DATABASE_URL", "sqlite://", "should name a file: sqlite:////path/to/file.db"),
    ("DATABASE_URL", f"postgresql://user:{SECRET}@host:port/name", "should look like sqlite:////"),
    ("REDIS_URL", f"http://:{SECRET}@host", "should look like redis://host:6379/0"),
    ("REDIS_URL", "redis://", "should look like redis://host:6379/0"),
    ("REDIS_URL", "unix://", "should look like redis://host:6379/0"),
    ("SMTP_URL", f"user:{SECRET}@mail.example.com", "should look like smtps://user:password@host:465"),
    ("SMTP_URL", f"smtp://user:{SECRET}@mail.example.com", "may be plain smtp:// only to this machine (127.0.0.1)"),
    ("SMTP_URL", f"smtps://user:{SECRET}@host:99999", "should look like smtps://user:password@host:465"),
    ("MAIL_FROM", "Postdate", "should look like Your Name <you@your-domain.example>"),
    ("MAIL_FROM", "Postdate <postdate@localhost>", "should look like Your Name <you@your-domain.example>"),
    ("SECRET_KEY", "short", "should have 16 or more random characters"),
    ("PUBLIC_URL", "mail.example.com", "should look like https://mail.your-domain.example, without a path"),
    ("PUBLIC_URL", "https://example.com/mail", "should look like https://mail.your-domain.example, without a path"),
    ("HOST", "http://127.0.0.1", "should be an address to listen on, like 127.0.0.1 or 0.0.0.0"),
    ("PORT", "0", "should be a whole number from 1 to 65535, not '0'"),
    ("PORT", "8000.5", "should be a whole number from 1 to 65535, not '8000.5'"),
    ("PORT", "٨٠", "should be a whole number from 1 to 65535, not '٨٠'"),
    ("APP_TIMEZONE", "Seoul", "should be an IANA time zone, like Asia/Seoul or Europe/London, not 'Seoul'"),
    ("APP_TIMEZONE", "../../etc/passwd", "should be an IANA time zone"),
    ("WORKERS", "many", "should be a whole number from 1 to 64, not 'many'"),
    ("WORKERS", "65", "should be a whole number from 1 to 64, not '65'"),
    ("ADMIN_EMAIL", "admin", "should be one mail address, like you@your-domain.example"),
    ("ADMIN_PASSWORD", "too-short", "should have 10 or more characters"),
    ("UNDO_SECONDS", "-1", "should be a whole number from 0 to 120, not '-1'"),
    ("LIMITS", "14", "should look like 14/second, 50000/day or gmail.com=20/minute, with commas between them"),
    ("LIMITS", "14/second 9/day", "should look like 14/second"),
    ("LIMITS", "0/day", "should look like 14/second"),
    ("LIMITS", "14/week", "should look like 14/second"),
    ("LIMITS", "-1/day", "should look like 14/second"),
    ("LIMITS", "14/second,", "should look like 14/second"),
    ("LIMITS", "gmail=14/second", "should name a domain, like gmail.com, not 'gmail'"),
    ("LIMITS", "a@gmail.com=14/second", "should name a domain, like gmail.com, not 'a@gmail.com'"),
    ("LIMITS", "14/second, 15/second", "should have one limit for each domain and unit, and has two"),
    ("LOG_LEVEL", "LOUD", "should be DEBUG, INFO, WARNING or ERROR, not 'LOUD'"),
]


def mistakes(env: Mapping[str, str], var: Path) -> list[str]:
    """The sentences for `env`."""
    with pytest.raises(SettingsError) as wrong:
        read_settings(env, var)
    return wrong.value.mistakes


def settings(var: Path, **env: str) -> Settings:
    return read_settings(env, var)


def test_with_nothing_set_everything_is_on_this_machine(tmp_path: Path) -> None:
    found = asdict(settings(tmp_path))
    assert len(found.pop("secret_key")) >= 32
    assert found == {
        "database_url": f"sqlite:///{tmp_path}/postdate.db",
        "redis_url": f"unix://{tmp_path}/valkey.sock",
        "smtp_url": "smtp://127.0.0.1:1025",
        "mail_stays_here": True,
        "mail_from": "Postdate <postdate@example.com>",
        "public_url": "http://127.0.0.1:8000",
        "host": "127.0.0.1",
        "port": 8000,
        "timezone": "UTC",
        "timezone_is_known": False,
        "workers": 1,
        "admin_email": "",
        "admin_password": "",
        "undo_seconds": 5,
        "limits": (),
        "retention_days": 0,
        "log_level": "INFO",
        "var": tmp_path,
    }


def test_what_is_set_holds(tmp_path: Path) -> None:
    env = {"DATABASE_URL": POSTGRES, "REDIS_URL": "rediss://r:6380/1", "SMTP_URL": SMTP, "MAIL_FROM": "A <a@b.example>"}
    more = {"SECRET_KEY": SECRET, "PUBLIC_URL": "https://mail.example.com/", "HOST": "::1", "PORT": "80"}
    rest = {"WORKERS": "4", "UNDO_SECONDS": "20", "LOG_LEVEL": "debug", "ADMIN_EMAIL": "a@b.example"}
    found = settings(tmp_path, **env, **more, **rest, ADMIN_PASSWORD=SECRET, APP_TIMEZONE="Asia/Seoul")
    assert found.database_url == POSTGRES.replace("postgresql://", "postgresql+psycopg://")
    assert (found.redis_url, found.smtp_url, found.mail_from) == (env["REDIS_URL"], SMTP, "A <a@b.example>")
    assert (found.secret_key, found.public_url, found.host, found.port) == (SECRET, more["PUBLIC_URL"][:-1], "::1", 80)
    assert (found.workers, found.undo_seconds, found.log_level, found.timezone) == (4, 20, "DEBUG", "Asia/Seoul")
    assert not found.mail_stays_here
    given = "14/Second,50000/day, Gmail.com=20/minute,한국.kr=9/hour"
    limits = settings(tmp_path, LIMITS=given, SECRET_KEY=SECRET).limits
    assert limits == (("", 14, 1), ("", 50000, 86400), ("gmail.com", 20, 60), ("xn--3e0b707e.kr", 9, 3600))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "value", "sentence"), MISTAKES)
def test_a_mistake_is_named_with_what_it_should_be(name: str, value: str, sentence: str, tmp_path: Path) -> None:
    found = mistakes({name: value, "MAIL_FROM": "a@b.example", "SECRET_KEY": SECRET} | {name: value}, tmp_path)
    assert [each for each in found if each.startswith(f"{name} {sentence}")], found
    assert SECRET not in "\n".join(found)
    assert list(tmp_path.iterdir()) == []


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    env = dict((name, value) for name, value, _ in MISTAKES)
    assert sorted(each.split()[0] for each in mistakes(env, tmp_path)) == sorted(env)


CONTRADICTIONS: list[tuple[dict[str, str], str]] = [
    ({"DYNO": "web.1"}, "DATABASE_URL should name a Postgres database"),
    ({"DATABASE_URL": POSTGRES}, "SECRET_KEY should be set where the database is shared"),
    ({"SMTP_URL": SMTP}, "MAIL_FROM should be set where SMTP_URL is"),
    ({"ADMIN_EMAIL": "a@b.example"}, "ADMIN_PASSWORD should be set as well"),
    ({"ADMIN_PASSWORD": SECRET}, "ADMIN_EMAIL should be set as well"),
    ({"ADMIN_PASSWORD": SECRET, "ADMIN_EMAIL": "a"}, "ADMIN_EMAIL should be one mail address"),
]


@pytest.mark.parametrize(("env", "sentence"), CONTRADICTIONS)
def test_what_does_not_go_together_is_said_in_one_sentence(env: dict[str, str], sentence: str, tmp_path: Path) -> None:
    (found,) = mistakes(env, tmp_path)
    assert found.startswith(sentence)
    assert SECRET not in found


def test_no_secret_is_in_the_text_of_the_settings(tmp_path: Path) -> None:
    urls = {"DATABASE_URL": POSTGRES, "REDIS_URL": f"redis://:{SECRET}@r", "SMTP_URL": SMTP, "MAIL_FROM": "a@b.example"}
    admin = {"ADMIN_EMAIL": "a@b.example", "ADMIN_PASSWORD": SECRET}
    assert SECRET not in repr(settings(tmp_path, **urls, **admin, SECRET_KEY=SECRET))


def test_an_empty_variable_counts_as_unset(tmp_path: Path) -> None:
    assert settings(tmp_path, PORT=" ", SMTP_URL="", TZ="") == settings(tmp_path)


@pytest.mark.parametrize(
    ("env", "zone"),
    [
        ({}, "UTC"),
        ({"TZ": "Asia/Seoul"}, "Asia/Seoul"),
        ({"TZ": ":Europe/London"}, "Europe/London"),
        ({"TZ": "KST-9"}, "UTC"),
        ({"TZ": "Asia/Seoul", "APP_TIMEZONE": "America/New_York"}, "America/New_York"),
    ],
)
def test_the_zone_is_app_timezone_else_tz_if_it_is_a_name_else_utc(
    env: dict[str, str], zone: str, tmp_path: Path
) -> None:
    assert settings(tmp_path, **env).timezone == zone


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_spelling_of_postgres_means_the_same_driver(scheme: str, tmp_path: Path) -> None:
    url = POSTGRES.replace("postgresql", scheme, 1)
    assert settings(tmp_path, DATABASE_URL=url, SECRET_KEY=SECRET).database_url.startswith("postgresql+psycopg://")


def test_the_secret_is_made_once_and_kept_from_others(tmp_path: Path) -> None:
    first = settings(tmp_path / "var").secret_key
    assert settings(tmp_path / "var").secret_key == first
    (file,) = (tmp_path / "var").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "var").stat().st_mode & 0o777 == 0o700


def test_a_damaged_secret_is_not_signed_with(tmp_path: Path) -> None:
    (tmp_path / "secret_key").write_text("")
    assert mistakes({}, tmp_path)[0].startswith("SECRET_KEY cannot be read from")


def test_a_path_with_odd_characters_gives_a_url_that_means_it(tmp_path: Path) -> None:
    assert settings(tmp_path / "100% #1").redis_url == f"unix://{tmp_path}/100%25%20%231/valkey.sock"


def test_a_long_path_gives_a_short_socket_of_its_own(tmp_path: Path) -> None:
    one, other = (socket_path(tmp_path / (letter * 90)) for letter in "ab")
    assert one != other
    assert max(len(os.fsencode(path)) for path in (one, other)) <= LONGEST_SOCKET_PATH


def test_mail_to_the_built_in_mailbox_stays_here(tmp_path: Path) -> None:
    assert settings(tmp_path, SMTP_URL=mailbox_url(2525)).mail_stays_here
    assert not settings(tmp_path, SMTP_URL="smtp://127.0.0.1:25", MAIL_FROM="a@b.example").mail_stays_here
