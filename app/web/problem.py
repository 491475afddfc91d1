"""What an error looks like: a page for people, problem details (RFC 9457) for programs."""

import json
from collections.abc import Iterable, Mapping
from http import HTTPStatus

from quart import Quart, Response, has_request_context, render_template, request
from quart.typing import ResponseReturnValue
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import HTTPException, ServiceUnavailable

from app import log
from app.mail import N_
from app.web.i18n import gettext

logger = log.get("web")

MEDIA_TYPE = "application/problem+json"

PHRASES = {413: "Content Too Large", 422: "Unprocessable Content"}
"""As RFC 9110 has them; Python has them so since 3.13."""

TITLES = {
    403: N_("Not carried out"),
    404: N_("Nothing here"),
    405: N_("This does not work that way"),
    413: N_("Too large"),
    429: N_("Too often"),
    500: N_("Something went wrong"),
    503: N_("Not right now"),
}
TEXTS = {
    400: N_("The request could not be understood."),
    404: N_("There is nothing at this address. Perhaps it was typed wrongly, or what was here is gone."),
    405: N_("This address does not do what was asked of it."),
    413: N_("What was sent is larger than Postdate takes."),
    429: N_("That was too often in a short time. Please wait a minute and try again."),
    503: N_("The database does not answer right now, so nothing was stored. Go back, and try again in a moment."),
    500: N_("This is our mistake, not yours, and it has been noted. Nothing was lost; please try again."),
}


class Problem(HTTPException):
    """An error with a sentence (`detail`) and a message per field, as pairs of field and message."""

    def __init__(
        self,
        status: int,
        detail: str,
        errors: Iterable[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = status
        self.errors = list(errors)
        self.headers = dict(headers or {})


def is_api() -> bool:
    """Whether a program is asking, and not a browser."""
    return request.path == "/api" or request.path.startswith("/api/")


def install(app: Quart) -> None:
    """Give `app` its answers to everything that goes wrong."""
    app.register_error_handler(HTTPException, _answer)
    app.register_error_handler(OperationalError, _database_is_away)


async def _database_is_away(error: Exception) -> ResponseReturnValue:
    # Locked, full, stopped or not migrated: nothing is half written, and nobody here can mend it.
    logger.error("the database does not answer", error=str(error).partition("\n")[0])
    return await _answer(ServiceUnavailable())


async def _answer(error: HTTPException) -> ResponseReturnValue:
    status = error.code or 500
    if not has_request_context():  # a WebSocket's handshake; nobody speaks that here
        return "", status
    answer = _details(error, status) if isinstance(error, Problem) or is_api() else await _page(error, status)
    for name, value in [*error.get_headers(), *getattr(error, "headers", {}).items()]:
        if name.lower() in ("allow", "retry-after", "www-authenticate"):
            answer.headers[name] = value
    return answer


def _details(error: HTTPException, status: int) -> Response:
    body = {
        "type": "about:blank",
        "title": PHRASES.get(status, HTTPStatus(status).phrase),
        "status": status,
        "detail": error.description if isinstance(error, Problem) else TEXTS.get(status, error.description),
        "errors": [{"field": field, "message": message} for field, message in getattr(error, "errors", ())],
    }
    return Response(json.dumps(body, ensure_ascii=False), status, content_type=MEDIA_TYPE)


async def _page(error: HTTPException, status: int) -> Response:
    title = TITLES.get(status, TITLES[500] if status >= 500 else TITLES[403])
    text = TEXTS.get(status, error.description or TEXTS[400])
    page = await render_template("error.html", code=status, title=gettext(title), text=gettext(text))
    return Response(page, status, content_type="text/html; charset=utf-8")
