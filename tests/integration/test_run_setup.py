"""`./run` in a folder of its own, with one tiny package in the lock file and no network."""

import ast
import base64
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

RUN = Path(__file__).parents[2] / "run"
OUTSIDE = os.path.realpath(sys.executable)  # the Python that made this environment
APP = "import os, sys, tiny; print('app', tiny.VERSION, *sys.argv[1:], os.getpid())"
NO_ENSUREPIP = "import sys; sys.modules['ensurepip'] = None\n"
UV = """#!/bin/sh
echo "$@" >> uv-was-told
case "$1" in
  venv) exec {python} -m venv --without-pip .venv ;;
  pip) exec {python} -m pip --python .venv/bin/python install --quiet --require-hashes -r requirements.txt ;;
esac
"""


class Project:
    """A folder as after a clone."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.shop = folder / "a clone", folder / "shop"
        for each in (self.folder / "app", self.shop, folder / "site"):
            each.mkdir(parents=True)
        shutil.copy(RUN, self.folder)
        (self.folder / "app/__main__.py").write_text(APP)
        self.env = {"PATH": str(folder / "bin"), "HOME": "", "PYTHONPATH": str(folder / "site")}
        self.env |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": self.shop.as_uri()}
        self.customise(NO_ENSUREPIP)  # the way without it is the fastest
        self.lock("1.0")
        self.lock("1.0", "requirements-test.txt")

    def customise(self, code: str) -> None:
        """Have every Python run `code` at its start."""
        Path(self.env["PYTHONPATH"], "sitecustomize.py").write_text(code)

    def lock(self, version: str, name: str = "requirements.txt") -> None:
        digest = hashlib.sha256(self._wheel(version).read_bytes()).hexdigest()
        (self.folder / name).write_text(f"tiny=={version} --hash=sha256:{digest}\n")

    def start(self, *words: str, **env: str) -> subprocess.Popen[str]:
        command = [OUTSIDE, str(self.folder / "run"), *words]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, env=self.env | env, cwd="/", text=True, stdout=pipe, stderr=subprocess.STDOUT)

    def run(self, *words: str, **env: str) -> tuple[int, list[str]]:
        """Exit code and lines, with the process id replaced by the word PID where it is ours."""
        with self.start(*words, **env) as process:
            said, _ = process.communicate(timeout=120)
        return process.returncode, said.replace(str(process.pid), "PID").splitlines()

    def _wheel(self, version: str) -> Path:
        path = self.shop / f"tiny-{version}-py3-none-any.whl"
        info = f"tiny-{version}.dist-info"
        files = {
            "tiny.py": f"VERSION = {version!r}\n",
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: tiny\nVersion: {version}\n",
            f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        hashes = {
            name: base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()) for name, text in files.items()
        }
        record = "".join(f"{name},sha256={value.rstrip(b'=').decode()},\n" for name, value in hashes.items())
        with zipfile.ZipFile(path, "w") as wheel:
            for name, text in {**files, f"{info}/RECORD": record}.items():
                wheel.writestr(zipfile.ZipInfo(name), text)
        return path


SETTING_UP = "Setting up (needed once, takes up to a minute) ..."
ANEW = "The folder .venv is half made, moved, or not from ./run; it is made anew."


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_it_sets_up_once_and_turns_into_the_app(project: Project) -> None:
    assert project.run() == (0, [SETTING_UP, "app 1.0 up PID"])
    assert project.run("token", "a name") == (0, ["app 1.0 token a name PID"])


def test_it_works_with_venv_and_its_pip_as_well(project: Project) -> None:
    project.customise("")
    assert project.run("up") == (0, [SETTING_UP, "app 1.0 up PID"])


def test_an_empty_home_leaves_no_litter(project: Project) -> None:
    project.run()
    names = sorted(path.name for path in project.folder.iterdir())
    assert names == [".venv", "app", "requirements-test.txt", "requirements.txt", "run", "var"]


def test_uv_is_taken_where_it_is_with_the_hashes_checked(project: Project, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/uv").write_text(UV.format(python=OUTSIDE))
    (tmp_path / "bin/uv").chmod(0o755)
    assert project.run() == (0, [SETTING_UP, "app 1.0 up PID"])
    assert [line.split()[0] for line in (project.folder / "uv-was-told").read_text().splitlines()] == ["venv", "pip"]
    assert "pip sync --quiet --require-hashes" in (project.folder / "uv-was-told").read_text()


def test_without_pip_and_ensurepip_the_missing_package_is_named(project: Project) -> None:
    project.customise(NO_ENSUREPIP + "sys.modules['pip'] = None\n")
    code, said = project.run()
    assert code == 1
    assert said[-1].endswith("neither ensurepip nor pip. On Debian and Ubuntu: sudo apt install python3-venv")


def test_a_changed_lock_is_installed_into_what_is_there(project: Project) -> None:
    project.run()
    project.lock("2.0")
    assert project.run() == (0, [SETTING_UP, "app 2.0 up PID"])


def test_the_lock_of_the_tests_satisfies_the_plain_one_and_stays(project: Project) -> None:
    project.lock("3.0", "requirements-test.txt")
    assert project.run("test")[1][0] == SETTING_UP
    assert project.run() == (0, ["app 3.0 up PID"])


def test_a_half_made_environment_is_made_anew(project: Project) -> None:
    project.run()
    (project.folder / ".venv/installed").unlink()
    assert project.run() == (0, [SETTING_UP, ANEW, "app 1.0 up PID"])


def test_a_moved_folder_is_noticed(project: Project) -> None:
    project.run()
    project.folder = project.folder.rename(project.folder.with_name("elsewhere"))
    assert project.run() == (0, [SETTING_UP, ANEW, "app 1.0 up PID"])


def test_an_interpreter_that_is_gone_is_noticed(project: Project) -> None:
    project.run()
    python = project.folder / ".venv/bin/python"
    python.unlink()
    python.symlink_to("/nowhere/python3")
    assert project.run() == (0, [SETTING_UP, ANEW, "app 1.0 up PID"])


def test_two_at_once_do_not_disturb_one_another(project: Project) -> None:
    with project.start("one") as first, project.start("two") as second:
        said = [process.communicate(timeout=120)[0] for process in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0)
    assert "".join(said).count(SETTING_UP) == 1
    assert ["app 1.0 one" in said[0], "app 1.0 two" in said[1]] == [True, True]


def test_without_a_network_one_sentence_says_what_failed(project: Project) -> None:
    for wheel in project.shop.iterdir():
        wheel.unlink()
    code, said = project.run(PIP_NO_INDEX="0", PIP_INDEX_URL="http://127.0.0.1:1/simple", PIP_FIND_LINKS="")
    assert code == 1
    assert said == [
        SETTING_UP,
        "Setting up failed while installing the packages: there is no way to the package index; "
        "is this machine online? (all of it: var/setup.log)",
    ]


def test_a_package_that_is_not_the_locked_one_is_refused_and_the_next_run_recovers(project: Project) -> None:
    good = (project.folder / "requirements.txt").read_text()
    (project.folder / "requirements.txt").write_text("tiny==1.0 --hash=sha256:" + "0" * 64)
    code, said = project.run()
    assert (code, said[-1].split(":")[0]) == (1, "Setting up failed while installing the packages")
    (project.folder / "requirements.txt").write_text(good)
    assert project.run() == (0, [SETTING_UP, ANEW, "app 1.0 up PID"])


def test_ctrl_c_while_setting_up_is_a_sentence(project: Project) -> None:
    lock = project.folder / "requirements-test.txt"
    lock.unlink()
    os.mkfifo(lock)
    with project.start("test") as process, open(lock, "w"):  # opened, so the installer is reading it now
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=60)
    assert said.splitlines()[-1] == "Stopped while setting up; the next ./run goes on."
    assert process.returncode == 1


def test_an_older_python_can_read_it_up_to_the_sentence_about_its_age() -> None:
    tree = ast.parse(RUN.read_text(), feature_version=(3, 7))
    first = [ast.unparse(node).split("\n")[0] for node in tree.body[1:3]]
    assert first == ["import sys", "if sys.version_info < (3, 11):"]
