"""The page of one's own account: its password, signing out everywhere, and the programs' tokens."""

from datetime import timedelta

import structlog
from quart import Blueprint, flash, g, redirect, render_template, request, session
from quart.typing import ResponseReturnValue
from quart_rate_limiter import RateLimit, rate_limit

from app.mail import N_
from app.web import postdate
from app.web.access import revoke, set_password, tokens
from app.web.accounts import LONGEST_PASSWORD, User, spelled, with_password
from app.web.i18n import gettext
from app.web.security import account, begin_session

blueprint = Blueprint("account", __name__)
log = structlog.get_logger(__name__)

SHORTEST_PASSWORD = 10
"""As for ADMIN_PASSWORD."""

NOT_YOURS = N_("This is not your current password. Nothing was changed.")
WRONG_LENGTH = N_("A password has 10 or more characters, and at most 1000. Nothing was changed.")


@blueprint.get("/account")
async def show() -> ResponseReturnValue:
    """The page."""
    return await _page()


async def _page(status: int = 200, error: str = "") -> ResponseReturnValue:
    known = await tokens(postdate().database)
    return await render_template("account.html", error=error, by_setting=_by_setting(g.user), tokens=known), status


def _by_setting(user: User) -> bool:
    """Whether ADMIN_PASSWORD says the password at each start; another one would hold only until then."""
    return user.email == spelled(postdate().settings.admin_email)


@blueprint.post("/account/password")
@rate_limit(limits=[RateLimit(5, timedelta(minutes=1), account)])
async def password() -> ResponseReturnValue:
    """Set or change it; every other session of the account ends."""
    form, user = await request.form, g.user
    if _by_setting(user):
        return redirect("/account", 303)
    wanted = form.get("new", "")
    if not SHORTEST_PASSWORD <= len(wanted) <= LONGEST_PASSWORD:
        return await _page(422, gettext(WRONG_LENGTH))
    if user.password_hash and not await with_password(postdate().database, user.email, form.get("current", "")):
        return await _page(422, gettext(NOT_YOURS))
    changed = await set_password(postdate().database, user, wanted)
    if changed is None:
        session.clear()
        return redirect("/sign-in", 303)
    begin_session(changed)
    log.info("password set, other sessions ended", who=changed.email)
    await flash(gettext("Your password is set. Every other session of this account has ended."), "success")
    return redirect("/account", 303)


@blueprint.post("/account/tokens/<int:token_id>/revoke")
async def revoke_token(token_id: int) -> ResponseReturnValue:
    """End a program's access at once. What it stored remains, with its name."""
    name = await revoke(postdate().database, token_id) if token_id < 2**31 else None
    if name is None:
        await flash(gettext("This token had been revoked already."), "success")
    else:
        log.info("token revoked", who=g.user.email, token=name)
        await flash(gettext("The token {name} is revoked: it opens nothing any more.", name=name), "success")
    return redirect("/account#tokens", 303)
