"""Procfile, compose file, Dockerfile and systemd units run the app's own commands, and say what they must."""

import json
import os
import re
import shlex
import shutil
import subprocess
from configparser import ConfigParser
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
COMMANDS = {"web", "worker", "migrate"}
NEEDED = {
    "SECRET_KEY": "0123456789abcdef0123456789abcdef",
    "SMTP_URL": "smtp+starttls://user:password@mail.example.com:587",
    "MAIL_FROM": "Postdate <postdate@example.com>",
    "POSTGRES_PASSWORD": "letters0123",
}


def app_command(line: str | list[str]) -> str:
    """X of `python -m app X`."""
    program, *rest = shlex.split(line) if isinstance(line, str) else line
    assert Path(program).name == "python"
    assert rest[:2] == ["-m", "app"]
    assert len(rest) == 3
    return rest[2]


def compose(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    if not (program := shutil.which("docker-compose")):
        missing = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        missing("docker-compose is missing: apt install docker-compose")
    command = [program, "-f", str(ROOT / "deploy/compose.yaml"), *words]
    return subprocess.run(command, env={"PATH": os.environ["PATH"], **env}, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """The services as docker-compose understands them."""
    yaml = import_module("yaml")
    done = compose("config", **NEEDED)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = yaml.safe_load(done.stdout)["services"]
    return found


def test_the_procfile_has_the_three_processes_without_shell_tricks() -> None:
    lines = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines())
    commands = {name: app_command(line) for name, line in lines.items()}
    assert commands == {"release": "migrate", "web": "web", "worker": "worker"}
    assert not re.search(r"[$&|;<>`'\"]", (ROOT / "Procfile").read_text())


def test_each_service_of_compose_runs_its_own_command(services: dict[str, Any]) -> None:
    assert {name: app_command(services[name]["command"]) for name in COMMANDS} == {name: name for name in COMMANDS}


def test_compose_starts_the_app_when_what_it_needs_is_ready(services: dict[str, Any]) -> None:
    for name in ("web", "worker"):
        waits_for = {other: how["condition"] for other, how in services[name]["depends_on"].items()}
        assert waits_for == {
            "migrate": "service_completed_successfully",
            "postgres": "service_healthy",
            "valkey": "service_healthy",
        }
        assert services[name]["stop_grace_period"] == "30s"
    assert all("test" in services[name]["healthcheck"] for name in ("postgres", "valkey"))
    assert services["valkey"]["command"][1:3] == ["--appendonly", "yes"]


def test_compose_publishes_web_alone_and_on_this_machine_only(services: dict[str, Any]) -> None:
    published = {name: each["ports"] for name, each in services.items() if "ports" in each}
    assert published == {"web": ["127.0.0.1:8000:8000/tcp"]}


def test_the_time_zone_of_compose_is_a_setting(services: dict[str, Any]) -> None:
    assert services["web"]["environment"]["TZ"] == "Asia/Seoul"
    assert "TZ: Europe/London" in compose("config", **NEEDED, TZ="Europe/London").stdout


@pytest.mark.parametrize("name", NEEDED)
def test_compose_refuses_to_start_without_what_it_needs(name: str) -> None:
    done = compose("config", **{key: value for key, value in NEEDED.items() if key != name})
    assert done.returncode != 0
    assert f"set {name}" in done.stdout + done.stderr


@pytest.mark.parametrize("name", ["web", "worker"])
def test_the_systemd_units_run_the_commands_and_let_them_finish(name: str) -> None:
    unit = ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(ROOT / f"deploy/systemd/postdate-{name}.service")
    service = unit["Service"]
    assert app_command(service["ExecStart"]) == name
    assert app_command(service.get("ExecStartPre", "python -m app migrate")) == "migrate"
    assert (service["KillMode"], service["TimeoutStopSec"]) == ("mixed", "30")
    assert service["EnvironmentFile"] == "/etc/postdate.env"


def test_the_image_runs_web_as_an_ordinary_user_in_exec_form_with_checked_packages() -> None:
    lines = (ROOT / "deploy/Dockerfile").read_text().replace("\\\n", "").splitlines()
    said = {line.split()[0]: line.split(maxsplit=1)[1] for line in lines if line and line[0] not in "# "}
    assert app_command(json.loads(said["CMD"])) == "web"
    assert (said["USER"], said["STOPSIGNAL"], said["ARG"]) == ("postdate", "SIGTERM", "TZ=Asia/Seoul")
    assert "--require-hashes -r requirements.txt" in "".join(lines)
    check = json.loads(said["HEALTHCHECK"].split("CMD ", 1)[1])
    compile(check[2], "the health check", "exec")
    assert "/healthz" in check[2]


def test_everything_that_must_be_set_is_in_the_example() -> None:
    example = (ROOT / "deploy/postdate.env.example").read_text()
    assert all(re.search(rf"^{name}=", example, re.MULTILINE) for name in NEEDED)
