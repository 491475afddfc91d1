"""Web on its own, which can be started and stopped while pages are open, beside a database that is changed directly."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse

from playwright.sync_api import Browser, BrowserContext

from app.config import read_settings
from app.tasks import lifecycle
from app.web.people.accounts import sign_in_link
from tests.forked import Forked
from tests.parts import Office, command, wait_until


@dataclass
class Place:
    """The database, web's port and settings, and the cookie of somebody who is signed in."""

    office: Office
    port: int
    cookie: str = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @contextmanager
    def web(self) -> Iterator[Forked]:
        """Serving."""
        env = self.office.env | {"PORT": str(self.port), "LOG_LEVEL": "WARNING"}
        with command("web", env, self.office.log) as process:
            wait_until(self.answers, 60, "web answers")
            if not self.cookie:
                self._sign_in()
            yield process

    def answers(self) -> bool:
        try:
            return self._get("/healthz").status == 200
        except (OSError, HTTPException):
            return False

    def _get(self, path: str) -> HTTPResponse:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path)
            with connection.getresponse() as answer:
                answer.read()
                return answer
        finally:
            connection.close()

    def _sign_in(self) -> None:
        link = sign_in_link(self.office.database, read_settings(self.office.env, self.office.log.parent)) or ""
        answer = self._get("/sign-in/" + link.rpartition("/")[2])
        self.cookie = answer.headers["Set-Cookie"].partition(";")[0]

    def visitor(self, browser: Browser) -> BrowserContext:
        """A browser of somebody who is signed in."""
        context = browser.new_context(base_url=self.url)
        name, _, value = self.cookie.partition("=")
        context.add_cookies([{"name": name, "value": value, "url": self.url}])
        return context

    def store(self) -> int:
        """A task that waits for a worker, of which there is none; its id."""
        return self.office.submit(1, rings=False)

    def cancel(self, *tasks: int) -> None:
        """A change that the web is not told of."""
        with self.office.database.writing() as db:
            db.execute(lifecycle.cancel(list(tasks), "tester"))
