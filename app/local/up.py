"""`python -m app up`: everything on one machine, from nothing to the printed address, and back in order."""

import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence

from app.config import MAILBOX_PORT, PORTS, Settings, mailbox_url
from app.local.address import choose_port, wait_until_ready
from app.local.child import Child
from app.local.console import Console
from app.local.lock import only_one
from app.local.mailbox import Mailbox
from app.local.server import start_server
from app.local.supervisor import CannotStart, Supervisor
from app.mail.server import parse_url

WEB_PATIENCE, WORKER_PATIENCE = 10.0, 25.0  # seconds to finish what is being answered, or sent
APP = (sys.executable, "-m", "app")


def up(settings: Settings, env: Mapping[str, str] = os.environ, app: Sequence[str] = APP) -> int:
    """Serve until a signal; 0 after a clean stop, 1 when something cannot start. `app` is what the commands follow."""
    console = Console(sys.stdout)
    try:
        with only_one(settings.var):
            supervisor = Supervisor(console)
            asyncio.run(supervisor.run(_Up(settings, env, app, supervisor).serve))
    except CannotStart as why:
        print(why, file=sys.stderr)
        return 1
    return 0


class _Up:
    """The parts in the order in which they start; the supervisor stops them in the reverse order."""

    def __init__(self, settings: Settings, env: Mapping[str, str], app: Sequence[str], supervisor: Supervisor) -> None:
        self._settings = settings
        self._given = {name for name, value in env.items() if value.strip()}
        self._env = {**env, "HOST": "127.0.0.1", "PYTHONUNBUFFERED": "1"}
        self._app = app
        self._ports: dict[str, int] = {}
        self._supervisor = supervisor
        self._console = supervisor.console
        if self._console.coloured:
            self._env.setdefault("FORCE_COLOR", "1")  # the children write to a pipe, which ends at a terminal

    async def serve(self) -> None:
        port = self._ports["web"] = self._port()
        await self._server()
        await self._mailbox()
        (self._settings.var / PORTS).write_text(json.dumps(self._ports))
        await self._migrate()
        for name, patience in (("worker", WORKER_PATIENCE), ("web", WEB_PATIENCE)):
            self._supervisor.start(self._child(name), patience)
        await wait_until_ready(port, self._console)
        await self._announce(f"http://127.0.0.1:{port}")

    def _port(self) -> int:
        usual = self._settings.port
        port = choose_port(usual, given="PORT" in self._given)
        self._env["PORT"] = str(port)
        if port != usual:
            self._console.say(f"Port {usual} is in use by another program; Postdate takes {port}.")
        if "HOST" in self._given and self._settings.host not in ("127.0.0.1", "localhost"):
            self._console.say(f"HOST={self._settings.host} is ignored: `up` serves this machine only, on 127.0.0.1.")
        return port

    async def _server(self) -> None:
        if "REDIS_URL" not in self._given:
            await start_server(self._supervisor, self._settings.var, self._env)
            self._env["REDIS_URL"] = self._settings.redis_url

    async def _mailbox(self) -> None:
        if "SMTP_URL" not in self._given:
            mailbox = Mailbox(self._settings.var / "mailbox")
            port = await mailbox.start(MAILBOX_PORT)
            self._supervisor.add("the mailbox", mailbox.stop)
            self._env["SMTP_URL"] = mailbox_url(port)
            self._ports["mailbox"] = port

    async def _migrate(self) -> None:
        code = await self._to_its_end(self._child("migrate", restart=False))
        if code:
            raise CannotStart("The database could not be brought up to date; the lines above say why.")

    async def _announce(self, address: str) -> None:
        link = await self._sign_in_link()
        self._console.say(f"Postdate is ready: {address}")
        if link:
            self._console.say(f"Sign in (once, valid 24 hours): {link}")
        if "SMTP_URL" not in self._given:
            self._console.say(f"Mail stays on this machine: {address}/mailbox")
        else:
            through = parse_url(self._settings.smtp_url).host
            self._console.say(f"Mail leaves through {through}, from {self._settings.mail_from}")

    async def _sign_in_link(self) -> str:
        """The link, on the last line of a command of its own; empty where nobody needs one."""
        heard = _Heard()
        child = Child("sign-in", [*self._app, "sign-in-link"], self._env, heard, restart=False)
        if await self._to_its_end(child):
            for line in heard.lines:
                self._console.line(child.name, line)
            return ""
        return heard.lines[-1] if heard.lines and heard.lines[-1].startswith("http") else ""

    async def _to_its_end(self, child: Child) -> int:
        self._supervisor.start(child, WORKER_PATIENCE)
        return await child.ended()

    def _child(self, command: str, restart: bool = True) -> Child:
        return Child(command, [*self._app, command], self._env, self._console, restart)


class _Heard(Console):
    """Keeps a child's lines for us instead of printing them."""

    def __init__(self) -> None:
        super().__init__(sys.stdout)
        self.lines: list[str] = []

    def line(self, name: str, text: str) -> None:
        self.lines.append(text)
