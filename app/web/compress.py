"""Pages, JSON and static files cross the wire as gzip (RFC 9110 8.4) where the browser takes it and it is worth it."""

import gzip
from asyncio import to_thread
from functools import lru_cache

from quart import Response, request

KINDS = frozenset({
    "text/html", "text/css", "text/javascript", "image/svg+xml", "application/json", "application/problem+json",
})  # fmt: skip
"""What is long and has no secret of its own. Streams are not among them: they would be held up."""

SHORTEST = 1000
"""Bytes from which on it is worth it: less is one packet anyway."""

LARGE = 200_000
"""Bytes from which on a thread does it, so that nobody waits for it."""

OURS = (None, "same-origin", "none")


async def compress(response: Response) -> Response:
    """The same answer, shorter; with `Vary` in either case, so that no cache confuses the two.

    What another site made the browser ask for stays as it is: from how short an answer becomes, who chooses a part of
    the address and watches the wire could guess the rest (BREACH).
    """
    if response.mimetype not in KINDS or response.status_code in (204, 206, 304):
        return response
    response.vary.add("Accept-Encoding")
    static = request.endpoint == "static"
    ours = static or request.headers.get("Sec-Fetch-Site") in OURS
    if request.method == "HEAD" or not ours or not request.accept_encodings["gzip"] or response.content_encoding:
        return response
    body = await response.get_data(as_text=False)
    if len(body) >= SHORTEST:
        response.set_data(await _shorter(body, static))
        response.content_encoding = "gzip"
        response.headers.pop("Accept-Ranges", None)
        if response.headers.get("ETag"):  # no longer byte for byte what it names (RFC 9110 8.8.3.3)
            response.set_etag(response.get_etag()[0] or "", weak=True)
    return response


async def _shorter(body: bytes, static: bool) -> bytes:
    if static:
        return _once(body)
    return await to_thread(gzip.compress, body, 6, mtime=0) if len(body) > LARGE else gzip.compress(body, 6, mtime=0)


@lru_cache(maxsize=32)
def _once(body: bytes) -> bytes:
    return gzip.compress(body, 9, mtime=0)
