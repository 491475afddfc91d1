"""The house rule: which package may import from which, inside and outside."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
APP = ROOT / "app"

INSIDE = {
    "config": {"config"},
    "log": set(),
    "db": {"db"},
    "ring": {"ring"},
    "migrate": set(),
    "mail": {"mail"},
    "tasks": {"tasks", "mail", "db"},
    "web": {"web", "tasks", "mail", "ring", "db", "config", "log", "migrate"},
    "worker": {"worker", "tasks", "mail", "ring", "db", "config", "log"},
}
OUTSIDE = {
    "config": set(),
    "log": {"structlog"},
    "db": {"sqlalchemy"},
    "ring": {"rq", "redis"},
    "migrate": {"alembic"},
    "mail": {"jinja2", "markupsafe", "email_validator", "css_inline"},
    "tasks": {"sqlalchemy"},
    "worker": {"rq", "redis", "sqlalchemy"},
}
FREE = {"__init__", "__main__", "doctor", "local"}
"""The commands, and what `up` adds on one machine, may use all of the house."""


def packages() -> list[str]:
    return sorted({path.relative_to(APP).parts[0].removesuffix(".py") for path in APP.rglob("*.py")} - FREE)


def imports(package: str) -> Iterator[tuple[Path, str]]:
    single = APP / f"{package}.py"
    for path in [single] if single.exists() else (APP / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from ((path, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}: imports are absolute"
                if node.module == "app":
                    yield from ((path, f"app.{alias.name}") for alias in node.names)
                else:
                    yield path, node.module or ""


@pytest.mark.parametrize("package", packages())
def test_imports_point_inwards(package: str) -> None:
    assert package in INSIDE, f"app/{package} has no place in the house yet: write it into this table and the design"
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path, name in imports(package)
        if name.startswith("app.") and name.split(".")[1] not in INSIDE[package]
    ]
    assert not wrong


@pytest.mark.parametrize("package", sorted(OUTSIDE))
def test_the_core_needs_little_from_outside(package: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path, name in imports(package)
        if (first := name.split(".")[0]) != "app"
        and first not in sys.stdlib_module_names
        and first not in OUTSIDE[package]
    ]
    assert not wrong


def test_what_workers_do_again_and_again_is_planned_once() -> None:
    """A pattern that is a parameter makes SQLite plan the whole statement, triggers included, each time: half of its
    time.
    """
    moves = (APP / "tasks" / "lifecycle").glob("*.py")
    assert not [path.name for path in moves if re.search(r"\.i?like\(|\.(starts|ends)with\(", path.read_text())]


def test_a_status_changes_in_one_file_only() -> None:
    """Whoever writes UPDATE tasks or deliveries elsewhere goes around the guards."""
    writers = [
        str(path.relative_to(APP))
        for path in APP.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "update"
        and isinstance(node.args[0], ast.Name)
        and node.args[0].id in ("Task", "Delivery")
    ]
    assert set(writers) == {"tasks/lifecycle/moves.py"}
