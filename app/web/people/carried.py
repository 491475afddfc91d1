"""A form that came from somebody who is not signed in (any more): it is asked to wait on the sign-in page, whole.

It stays in the browser that sent it, in the page itself; nothing of it is stored before its writer has signed in.
"""

from collections.abc import Mapping

from quart import render_template, request

from app.web import postdate
from app.web.people.accounts import User

ENDPOINTS = frozenset({"compose.send", "drafts.save", "trial.send"})
"""Whose forms are carried, and are their writer's only: those that somebody has written something into."""

OWN = frozenset({"email", "password", "do"})
"""What is the sign-in form's."""


async def carries() -> bool:
    """Whether what was sent has a letter in it."""
    return request.method == "POST" and "recipients" in await request.form


async def fields() -> list[tuple[str, str]]:
    """Everything of the letter, as it was typed."""
    if not await carries():
        return []
    return [(name, value) for name, value in (await request.form).items(multi=True) if name not in OWN]


def is_of_another(form: Mapping[str, str], user: User) -> bool:
    """Whether the letter was written by somebody else than `user`."""
    return "recipients" in form and form.get("by", "") not in ("", str(user.id))


async def ask() -> tuple[str, int]:
    """The page that asks to sign in, with the letter in it."""
    by_link = not postdate().settings.admin_email
    page = await render_template("sign-in.html", next="/", by_link=by_link, carried=await fields())
    return page, 403
