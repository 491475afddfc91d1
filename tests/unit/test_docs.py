"""The README keeps up with the program, in both languages: every setting, every command, and no more than 150 lines."""

import re
from pathlib import Path

import pytest

from app.__main__ import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
READMES = {name: (ROOT / name).read_text() for name in ("README.md", "README.ko.md")}


@pytest.mark.parametrize("readme", READMES.values(), ids=READMES)
def test_the_readme_can_be_read_in_one_go_and_begins_with_the_two_commands(readme: str) -> None:
    lines = readme.splitlines()
    assert len(lines) <= 150
    assert "./run test" in "\n".join(lines[:12])


def settings() -> list[str]:
    source = (ROOT / "app/config/__init__.py").read_text()
    return sorted(set(re.findall(r'read\(\s*"([A-Z_]+)"', source)))


@pytest.mark.parametrize("name", settings())
def test_every_setting_is_in_the_readme(name: str) -> None:
    assert [readme for readme, text in READMES.items() if f"`{name}`" not in text] == []


def test_all_settings_of_the_design_exist() -> None:
    design = (
        "DATABASE_URL REDIS_URL SMTP_URL MAIL_FROM SECRET_KEY PUBLIC_URL HOST PORT APP_TIMEZONE WORKERS ADMIN_EMAIL"
    )
    assert {
        *design.split(),
        "LIMITS",
        "RETENTION_DAYS",
        "ADMIN_PASSWORD",
        "PUBLIC_URL",
        "UNDO_SECONDS",
        "LOG_LEVEL",
    } == set(settings())


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_is_in_the_readme(command: str) -> None:
    assert [readme for readme, text in READMES.items() if f"`{command}" not in text] == []


@pytest.mark.parametrize("path", re.findall(r"\]\(([^)h#][^)#]*)", "".join(READMES.values())))
def test_every_file_that_the_readme_points_to_is_there(path: str) -> None:
    assert (ROOT / path).exists()
