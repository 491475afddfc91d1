"""The page of an account: its password, signing out everywhere, other people's accounts, and programs' tokens."""

from datetime import timedelta

import structlog
from markupsafe import Markup
from quart import Blueprint, abort, flash, g, redirect, render_template, request, session, url_for
from quart.typing import ResponseReturnValue
from quart_rate_limiter import RateLimit, rate_limit

from app.config.values import SHORTEST_PASSWORD
from app.mail import N_, Mistake
from app.mail.addresses import parse
from app.tasks.request import Mistakes
from app.web import postdate
from app.web.i18n import gettext, translate
from app.web.limits import account
from app.web.people import access, tokens
from app.web.people.accounts import LONGEST_PASSWORD, spelled, with_password
from app.web.security import begin_session
from app.web.zone import shown_zone

blueprint = Blueprint("account", __name__)
log = structlog.get_logger(__name__)

LIMITS = [RateLimit(5, timedelta(minutes=1), account)]

NOT_YOURS = N_("This is not your current password.")
WRONG_LENGTH = N_("A password has from {least} to {most} characters.")
HAS_PASSWORD = N_("This person has an account already, and signs in with a password.")
YOURSELF = N_("This is your own account.")


@blueprint.get("/account")
async def show() -> ResponseReturnValue:
    """The page."""
    return await _page()


async def _page(mistakes: Mistakes | None = None, **typed: str) -> ResponseReturnValue:
    database = postdate().database
    page = await render_template(
        "account.html",
        errors={name: [translate(each) for each in some] for name, some in (mistakes or {}).items()},
        typed=typed,
        by_setting=_by_setting(),
        shortest=SHORTEST_PASSWORD,
        people=await access.accounts(database),
        tokens=await tokens.all_tokens(database),
        zone=shown_zone(),
    )
    return page, 422 if mistakes else 200


def _by_setting() -> str:
    """The account whose password ADMIN_PASSWORD says at each start; what is done to it here would hold until then."""
    return spelled(postdate().settings.admin_email)


@blueprint.post("/account/password")
@rate_limit(limits=LIMITS)
async def password() -> ResponseReturnValue:
    """Set or change it; every other session of the account ends."""
    form, user = await request.form, g.user
    if user.email == _by_setting():
        return redirect(url_for("account.show"), 303)
    wanted = form.get("new", "")
    if not SHORTEST_PASSWORD <= len(wanted) <= LONGEST_PASSWORD:
        return await _page({"new": [Mistake(WRONG_LENGTH, least=SHORTEST_PASSWORD, most=LONGEST_PASSWORD)]})
    if user.password_hash and not await with_password(postdate().database, user.email, form.get("current", "")):
        return await _page({"current": [Mistake(NOT_YOURS)]})
    changed = await access.set_password(postdate().database, user, wanted)
    if changed is None:
        session.clear()
        return redirect(url_for("signin.page"), 303)
    begin_session(changed)
    log.info("password set, other sessions ended", who=changed.email)
    await flash(gettext("Your password is set. Every other session of this account has ended."), "success")
    return redirect(url_for("account.show"), 303)


@blueprint.post("/account/people")
@rate_limit(limits=LIMITS)
async def invite() -> ResponseReturnValue:
    """Make an account, or let one without a password in again: the link for it is shown once."""
    email = (await request.form).get("email", "")
    try:
        address = parse(email).key
        if address == g.user.email:
            raise Mistake(YOURSELF)
        secret = await access.invite(postdate().database, address)
        if secret is None:
            raise Mistake(HAS_PASSWORD)
    except Mistake as wrong:
        return await _page({"email": [wrong]}, email=email)
    log.info("invited", who=g.user.email, email=address)
    link = f"{postdate().settings.public_url}{url_for('signin.link', token=secret)}"
    told = gettext("Give this link to {email}. It signs in once, within 24 hours:", email=address)
    await flash(Markup("{} <code>{}</code>").format(told, link), "success")
    return redirect(url_for("account.show", _anchor="people"), 303)


@blueprint.post("/account/people/<int:user_id>/shut-out")
async def shut_out(user_id: int) -> ResponseReturnValue:
    """End somebody else's access at once. What they wrote remains, with their name."""
    if user_id == g.user.id:
        abort(400)
    email = await access.shut_out(postdate().database, user_id, but=_by_setting()) or abort(404)
    log.info("access ended", who=g.user.email, email=email)
    await flash(gettext("{email} can’t sign in any more, and is signed out everywhere.", email=email), "success")
    return redirect(url_for("account.show", _anchor="people"), 303)


@blueprint.post("/account/tokens/<int:token_id>/revoke")
async def revoke_token(token_id: int) -> ResponseReturnValue:
    """End a program's access at once. What it stored remains, with its name."""
    name = await tokens.revoke(postdate().database, token_id)
    if name is None:
        await flash(gettext("This token had been revoked already."), "success")
    else:
        log.info("token revoked", who=g.user.email, token=name)
        await flash(gettext("The token {name} is revoked: it opens nothing any more.", name=name), "success")
    return redirect(url_for("account.show", _anchor="tokens"), 303)
