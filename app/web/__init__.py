"""The pages and the JSON calls: what they share, and the app that they make together.

compose/   writing a mail: the form, its checks and preview, drafts, editing one that waits
history/   many mails: the table, filters, files, actions on many, failures by cause, the overview
task/      one mail: its page, its recipients' pages, what can still be done to it, undo
people/    who may come in: accounts, signing in, tokens, forms that wait for a sign-in
api/       the JSON calls, and what monitors ask                 live/  pages that change by themselves
actions    what people and programs do to tasks: pages and JSON calls do it through here, and so in one way
intake     where new tasks are stored, whatever waits in one transaction   teller  tells Redis of what was stored
security   who asks, and from which site                        limits  how often somebody may come
i18n       Korean and English                                   zone    in which zone a page shows times
reading    a mail as a person may see it                        mailbox what would have left this machine
problem    what an error looks like                             rendering    templates become pages
incoming, compress, serve  the wire itself
"""

from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from quart import Quart, Response, current_app, redirect, request
from quart.typing import ResponseReturnValue
from werkzeug.exceptions import RequestEntityTooLarge

from app.config import Settings
from app.db import AsyncDatabase
from app.mail.templates import Templates
from app.ring import Rings, connect
from app.web.actions import Actions
from app.web.compress import compress
from app.web.incoming import Id, Request, Site
from app.web.live.watch import Watch
from app.web.rendering import Pages

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "static"
LARGEST_PAGE = 2_000_000
MOST_FIELDS = 1000  # of one form; as many as the framework takes of one with a file
LARGEST_BODY = 16_000_000
"""Bytes that one request may bring, to a page and in all."""


@dataclass(frozen=True)
class Postdate:
    """What every page and every call works with."""

    settings: Settings
    database: AsyncDatabase
    rings: Rings
    templates: Templates
    actions: Actions
    watch: Watch


def postdate() -> Postdate:
    """That of the app which answers the current request."""
    return cast(Postdate, current_app.config["POSTDATE"])


def create_app(settings: Settings, *, rings: Rings | None = None) -> Quart:
    """The web app. It connects nowhere before it serves; `rings` may bring a connection of its own."""
    app = Site("app.web", root_path=str(ROOT), template_folder="templates", static_folder="static")
    app.config.update(
        POSTDATE=_parts(settings, rings or Rings(connect(settings.redis_url))),
        SECRET_KEY=settings.secret_key,
        SESSION_COOKIE_NAME="postdate",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings.public_url.startswith("https:"),
        PERMANENT_SESSION_LIFETIME=timedelta(days=14),
        SESSION_REFRESH_EACH_REQUEST=False,  # static files may be kept by anybody: no cookies on them
        MAX_CONTENT_LENGTH=LARGEST_BODY,
        MAX_FORM_MEMORY_SIZE=LARGEST_PAGE,
        BODY_TIMEOUT=30,
    )
    app.request_class, app.jinja_environment = Request, Pages
    app.url_map.converters["int"] = Id
    app.after_serving(_close)
    app.url_defaults(_with_hash)
    app.after_request(compress)  # first here: it is the last to have the answer
    app.after_request(_keep_static)
    app.add_url_rule("/", "home", _home)
    _install(app, settings)
    return app


def _parts(settings: Settings, rings: Rings) -> Postdate:
    database, templates = AsyncDatabase(settings.database_url), Templates(ROOT / "templates")
    domain = settings.mail_from.rstrip("> ").rpartition("@")[2]
    actions = Actions(database, rings, templates, domain)
    return Postdate(settings, database, rings, templates, actions, Watch(database))


PAGES = (
    "compose.page", "compose.drafts", "compose.discard", "compose.preview", "compose.test_mail",
    "history.table", "history.export", "history.bulk", "history.overview", "history.failures",
    "task.page", "task.recipient", "task.moves", "live.stream", "people.signin", "people.account",
    "api.calls", "api.health",
)  # fmt: skip
"""The modules with views. They are imported when an app is made, because they import postdate() from above."""


def _install(app: Quart, settings: Settings) -> None:
    from app.web import i18n, mailbox, problem, reading, security
    from app.web.api import openapi
    from app.web.compose.fields import label
    from app.web.task.about import is_overdue
    from app.web.task.attempts import by_server, meaning, said

    for known in (by_server, is_overdue, label, meaning, said):
        app.add_template_global(known)
    app.jinja_env.globals.update(sandbox=reading.SANDBOX, is_read=security.is_read, blueprints=lambda: app.blueprints)
    i18n.install(app)
    app.before_request(_refuse_large_pages)
    security.install(app)
    problem.install(app)
    for page in PAGES:
        app.register_blueprint(import_module(f"app.web.{page}").blueprint)
    if settings.mail_stays_here:
        app.register_blueprint(mailbox.blueprint)
    openapi.install(app)


async def _close() -> None:
    parts = postdate()
    await parts.watch.close()
    await parts.actions.close()
    parts.rings.redis.close()
    await parts.database.close()


async def _home() -> ResponseReturnValue:
    return redirect("/compose", 303)


async def _refuse_large_pages() -> None:
    if request.method != "POST" or request.path.startswith("/api/"):
        return
    if request.endpoint == "compose.send" and request.mimetype == "multipart/form-data":
        return  # what is written is measured as it is read; a file may be larger, so that the form can say it is
    # The length that was announced saves the reading; what came without one is measured.
    if (request.content_length or 0) > LARGEST_PAGE:
        raise RequestEntityTooLarge
    sent = cast(bytes, await request.get_data())
    if len(sent) > LARGEST_PAGE:
        raise RequestEntityTooLarge
    # A million empty ones fit into a page's size, and take seconds to read and to write again.
    if request.mimetype != "multipart/form-data" and sent.count(b"&") >= MOST_FIELDS:
        raise RequestEntityTooLarge


def _with_hash(endpoint: str, values: dict[str, Any]) -> None:
    """Put `?v=` and the content's hash behind a static file's address, so that it may be kept for ever."""
    if endpoint == "static" and (now := _version(values["filename"])):
        values["v"] = now


def _version(name: str) -> str | None:
    file = STATIC / name
    return _hash(file, file.stat().st_mtime_ns) if file.is_file() else None


@lru_cache(maxsize=256)
def _hash(file: Path, _changed: int) -> str:
    return sha256(file.read_bytes()).hexdigest()[:12]


async def _keep_static(response: Response) -> Response:
    if request.endpoint == "static" and response.status_code in (200, 304):
        is_this = request.args.get("v") == _version((request.view_args or {})["filename"])
        kept = "public, max-age=31536000, immutable" if is_this else "no-cache"
        response.headers["Cache-Control"] = kept
    return response
