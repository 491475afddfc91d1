"""Signing in, with a password or a one-time link, and signing out."""

from datetime import timedelta

from quart import Blueprint, g, redirect, render_template, request, session
from quart.typing import ResponseReturnValue
from quart_rate_limiter import RateLimit, rate_limit

from app.mail import N_
from app.web import postdate
from app.web.accounts import end_sessions, spelled, use_link, with_password, with_session
from app.web.i18n import gettext
from app.web.security import address, begin_session, own_path

blueprint = Blueprint("signin", __name__)

MINUTE = timedelta(minutes=1)
WRONG = N_("This e-mail and this password do not belong together. Please try again.")
USED = N_("This link was used already, or it is older than 24 hours. A new one comes from: ./run sign-in-link")


@blueprint.get("/sign-in")
async def page() -> ResponseReturnValue:
    """The form."""
    return await _form()


async def _form(status: int = 200, **shown: str) -> ResponseReturnValue:
    by_link = not postdate().settings.admin_email
    page = await render_template("sign-in.html", next=own_path(request.args.get("next")), by_link=by_link, **shown)
    return page, status


async def _account() -> str:
    return spelled((await request.form).get("email", ""))[:320]


@blueprint.post("/sign-in")
@rate_limit(limits=[RateLimit(10, MINUTE, address), RateLimit(5, MINUTE, _account)])
async def submit() -> ResponseReturnValue:
    """Sign in, and go on to where it was wanted."""
    form = await request.form
    user = await with_password(postdate().database, form.get("email", ""), form.get("password", ""))
    if user is None:
        return await _form(422, error=gettext(WRONG), email=form.get("email", ""))
    begin_session(user)
    return redirect(own_path(request.args.get("next")), 303)


@blueprint.get("/sign-in/<token>")
@rate_limit(limits=[RateLimit(20, MINUTE, address)])
async def link(token: str) -> ResponseReturnValue:
    """Sign in, once. It is printed on a terminal, where nothing but a person follows it; so following it is enough."""
    database = postdate().database
    if request.method == "HEAD" or "prefetch" in request.headers.get("Sec-Purpose", ""):
        return "", 204  # nobody has followed it yet
    if await with_session(database, session.get("user"), session.get("epoch")):
        return redirect("/", 303)
    user = await use_link(database, token)
    if user is None:
        return await _form(410, error=gettext(USED))
    begin_session(user)
    return redirect("/", 303)


@blueprint.post("/sign-out")
async def sign_out() -> ResponseReturnValue:
    """End this session; with `everywhere` in the form, all of this account's."""
    if (await request.form).get("everywhere"):
        await end_sessions(postdate().database, g.user.id)
    session.clear()
    return redirect("/sign-in", 303)
