"""Closed by default: who is asking, from which site, and what browsers are told to refuse."""

import re
from urllib.parse import urlsplit

from quart import Quart, Response, flash, g, redirect, request, session, url_for
from quart.typing import ResponseReturnValue
from werkzeug.exceptions import Forbidden

from app.mail import N_
from app.web import limits, postdate
from app.web.i18n import gettext
from app.web.people import carried
from app.web.people.accounts import User, with_session
from app.web.people.tokens import token_name
from app.web.problem import Problem, is_api

OPEN = frozenset({"static", "signin.page", "signin.submit", "signin.link", "health.healthz", "health.readyz"})
"""The endpoints that answer anybody. Every other one, and every address that is none, is closed."""

FILES = frozenset({"export.as_csv", "export.as_ndjson"})
EITHER = frozenset({"openapi", "health.metrics", *FILES})
"""Those for people and programs alike: a session or a token will do. Files are what people follow a link to."""

OF_ANOTHER = N_("This was written by another account, so nothing was done with it. Go back: it is still there.")

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; frame-src 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "Cache-Control": "no-store",
}
"""On every answer; a view may set its own instead."""


def install(app: Quart) -> None:
    """Put the guards before every request, in this order, and the headers on every answer."""
    app.before_request(refuse_other_sites)
    app.before_request(let_in)
    limits.install(app)
    app.after_request(harden)


# From which site


async def refuse_other_sites() -> None:
    """Refuse what another site's page makes a browser do here. Programs use no cookies, and so need no guard.

    Every browser since 2020 sends Origin with a POST from another site; what sends neither header is no browser.
    """
    if request.method in SAFE or is_api():
        return
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site in ("same-origin", "none") or (site is None and origin is None):
        return
    ours = {_origin(postdate().settings.public_url), _origin(f"{request.scheme}://{request.host}")}
    if site is not None or _origin(origin or "") not in ours - {None}:
        raise Forbidden(N_("This request came from another site and was not carried out. Please use Postdate’s page."))


def _origin(url: str) -> tuple[str, str, int] | None:
    """RFC 6454: scheme, host and port; None where it has none of ours (`null`, for instance)."""
    try:
        parts = urlsplit(url)
        usual = {"http": 80, "https": 443}.get(parts.scheme)
        return (parts.scheme, parts.hostname, parts.port or usual) if usual and parts.hostname else None
    except ValueError:
        return None


# Who


async def let_in() -> ResponseReturnValue | None:
    """Find out who asks; turn away whoever may not."""
    g.user = g.token = None
    endpoint = request.endpoint or ""
    if endpoint in OPEN:
        return None
    if is_api() or endpoint in EITHER:
        g.token = await _token()
    if not is_api() or endpoint in EITHER:
        g.user = await with_session(postdate().database, session.get("user"), session.get("epoch"))
    if g.user and endpoint in carried.ENDPOINTS and carried.is_of_another(await request.form, g.user):
        raise Forbidden(OF_ANOTHER)
    if g.token or g.user:
        return None
    if is_api() or endpoint in EITHER - FILES or (endpoint in FILES and "Authorization" in request.headers):
        raise _no_token()
    if endpoint in carried.ENDPOINTS and is_read() and await carried.carries():
        return await carried.ask()
    if request.method == "POST" and is_read() and endpoint != "signin.sign_out":
        await flash(gettext("You are signed out, so nothing was done. Please sign in, and try it again."), "error")
    return redirect(url_for("signin.page", next=_address_bar()), 303)


def is_read() -> bool:
    """Whether a person reads the page that is asked for, and what it is to tell: not where the script asks for a page
    that refreshes itself (X-Refresh) or for a part of one (X-Part).

    What is told is kept in the session's cookie until it is read. An answer to the script that read it, or changed the
    cookie, could come after the answer to a click, and take away what that one has to tell.
    """
    return "X-Refresh" not in request.headers and "X-Part" not in request.headers


async def _token() -> str | None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        return None
    return await token_name(postdate().database, token.strip())


def _no_token() -> Problem:
    """RFC 6750 3: a challenge, with an error only where a token came."""
    came = "Authorization" in request.headers
    challenge = 'Bearer error="invalid_token"' if came else "Bearer"
    detail = "This token is not known here." if came else "Send your token: Authorization: Bearer TOKEN"
    return Problem(401, detail, headers={"WWW-Authenticate": challenge})


def _address_bar() -> str:
    """Where to go on after signing in. What was posted is not posted again."""
    return request.full_path.rstrip("?") if request.method in ("GET", "HEAD") else "/"


def who() -> str:
    """Who asks, in the words that events keep: an e-mail address, or `token NAME`."""
    user: User | None = g.user
    return user.email if user else f"token {g.token}"


def begin_session(user: User) -> None:
    """Sign in: a session of its own, with nothing in it from before but the language."""
    language = session.get("lang")
    session.clear()
    session.permanent = True
    session.update({"user": user.id, "epoch": user.epoch, **({"lang": language} if language else {})})


def own_path(path: str | None) -> str:
    """`path` if it leads to a page of ours, else `/`. Browsers read a backslash as a slash and skip control marks."""
    return path if path and re.fullmatch(r"/(?![/\\])[^\\\x00-\x20\x7f]{0,2000}", path) else "/"


# What browsers are told


async def harden(response: Response) -> Response:
    """Put the headers on."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if postdate().settings.public_url.startswith("https:"):
        response.headers["Strict-Transport-Security"] = "max-age=31536000"
    return response
