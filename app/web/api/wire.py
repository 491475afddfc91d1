"""JSON in and out: read a body or a query as a shape, answer with one, and cut long lists into parts."""

import base64
import binascii
import json
import re
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError
from quart import Response, request

from app.tasks.request import Mistakes
from app.web.api.requests import mistakes
from app.web.problem import Problem

Shape = TypeVar("Shape", bound=BaseModel)

MOST_SHOWN = 200
"""Mistakes in one answer, and characters of a field's name: nobody reads more."""

NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


# In


def read_json(body: str | bytes) -> Any:
    """A body, whatever its Content-Type says. Raises Problem (400) for what is not JSON, or no text."""
    try:
        raw = json.loads(body, parse_constant=_no_number)
        text = json.dumps(raw, ensure_ascii=False, allow_nan=False)
        text.encode()  # half a surrogate pair is no text
    except (ValueError, RecursionError):
        raise Problem(400, "The body is not JSON (RFC 8259) in UTF-8.") from None
    if NUL.search(text):
        raise Problem(400, "The body contains the character U+0000, which no mail can carry.")
    return raw


def _no_number(word: str) -> NoReturn:
    raise ValueError(word)


def read_as(shape: type[Shape], raw: Any) -> Shape:
    """`raw` as that shape. Raises Problem (422) with a message per field."""
    try:
        return shape.model_validate(raw)
    except ValidationError as error:
        raise mistaken(mistakes(error)) from None


def read_query(shape: type[Shape]) -> Shape:
    """The query string as that shape. Raises Problem (422)."""
    given = {name: values[0] if len(values) == 1 else values for name, values in request.args.lists()}
    return read_as(shape, given)


def refusal(mistakes: Mistakes) -> Problem:
    """What the core found wrong."""
    return mistaken([(name, str(mistake)) for name, some in mistakes.items() for mistake in some])


def mistaken(found: list[tuple[str, str]]) -> Problem:
    """The error for fields that are wrong, given as field and message."""
    some = "One field is" if len(found) == 1 else f"{len(found)} fields are"
    shown = [(name[:MOST_SHOWN], said) for name, said in found[:MOST_SHOWN]]
    return Problem(422, f"Nothing was done: {some} not right.", shown)


# Out


def answer(given: BaseModel, status: int = 200) -> Response:
    """`given` as JSON."""
    return Response(given.model_dump_json(by_alias=True), status, content_type="application/json")


def part(found: list[Any], limit: int, by: str) -> tuple[list[Any], str | None]:
    """The rows asked for, and the cursor of the next ones, if there are any."""
    if len(found) <= limit:
        return found, None
    last = str(getattr(found[limit - 1], by))
    return found[:limit], base64.urlsafe_b64encode(last.encode()).decode().rstrip("=")


def read_cursor(given: str | None) -> str | None:
    """What `part` put into it. Raises Problem (422)."""
    if given is None:
        return None
    try:
        text = base64.b64decode(given + "=" * (-len(given) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        bad_cursor()
    if not text.isprintable() or not text:
        bad_cursor()
    return text


def bad_cursor() -> NoReturn:
    """Refuse a cursor."""
    raise mistaken([("cursor", "This is not a cursor. Take it from `next` of the part before.")])
