"""The README keeps up with the program: every setting, every command, and no more than 150 lines."""

import re
from pathlib import Path

import pytest

from app.__main__ import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def test_the_readme_can_be_read_in_one_go_and_begins_with_the_two_commands() -> None:
    lines = README.splitlines()
    assert len(lines) <= 150
    assert "./run test" in "\n".join(lines[:12])


def settings() -> list[str]:
    source = (ROOT / "app/config/__init__.py").read_text()
    return sorted(set(re.findall(r'read\(\s*"([A-Z_]+)"', source)))


@pytest.mark.parametrize("name", settings())
def test_every_setting_is_in_the_readme(name: str) -> None:
    assert f"`{name}`" in README


def test_all_settings_of_the_design_exist() -> None:
    design = (
        "DATABASE_URL REDIS_URL SMTP_URL MAIL_FROM SECRET_KEY PUBLIC_URL HOST PORT APP_TIMEZONE WORKERS ADMIN_EMAIL"
    )
    assert {*design.split(), "ADMIN_PASSWORD", "PUBLIC_URL", "UNDO_SECONDS", "LOG_LEVEL"} == set(settings())


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_is_in_the_readme(command: str) -> None:
    assert f"`{command}" in README


@pytest.mark.parametrize("path", re.findall(r"\]\(([^)h#][^)]*)\)", README))
def test_every_file_that_the_readme_points_to_is_there(path: str) -> None:
    assert (ROOT / path).exists()
