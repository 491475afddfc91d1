"""Signing in, with a password or a one-time link, and signing out."""

from collections.abc import Mapping
from datetime import timedelta

import structlog
from markupsafe import Markup
from quart import Blueprint, flash, g, redirect, render_template, request, session, url_for
from quart.typing import ResponseReturnValue
from quart_rate_limiter import RateLimit, rate_limit

from app.mail import N_
from app.web import postdate
from app.web.compose import drafts
from app.web.compose.keys import new_key
from app.web.i18n import gettext
from app.web.limits import address
from app.web.people import carried
from app.web.people.access import end_sessions
from app.web.people.accounts import User, spelled, use_link, with_password, with_session
from app.web.security import begin_session, own_path

blueprint = Blueprint("signin", __name__)
log = structlog.get_logger(__name__)

MINUTE = timedelta(minutes=1)
WRONG = N_("This e-mail and this password do not belong together. Please try again.")
OF_ANOTHER = N_(
    "What was written here belongs to another account. Sign in with that one, or leave it and sign in without it."
)
SENT_AND_CHANGED = N_(
    "You are signed in. You had sent this mail already, and have changed it since: what is written here is kept, and "
    "would be a second mail."
)
USED = N_("This link was used already, or it is older than 24 hours. A new one comes from: ./run sign-in-link")


@blueprint.get("/sign-in")
async def page() -> ResponseReturnValue:
    """The form."""
    return await _form()


async def _form(status: int = 200, **shown: str) -> ResponseReturnValue:
    by_link = not postdate().settings.admin_email
    then, letter = own_path(request.args.get("next")), await carried.fields()
    return await render_template("sign-in.html", next=then, by_link=by_link, carried=letter, **shown), status


async def _account() -> str:
    return spelled((await request.form).get("email", ""))[:320]


async def _account_from_here() -> str:
    # Not the account alone: whoever guesses at it from elsewhere must not lock its owner out.
    return f"{await address()} {await _account()}"


LIMITS = [RateLimit(10, MINUTE, address), RateLimit(5, MINUTE, _account_from_here), RateLimit(30, MINUTE, _account)]


@blueprint.post("/sign-in")
@rate_limit(limits=LIMITS)
async def submit() -> ResponseReturnValue:
    """Sign in, and go on to where it was wanted."""
    form = await request.form
    if form.get("do") == "language":
        return await _form(email=form.get("email", ""))
    user = await with_password(postdate().database, form.get("email", ""), form.get("password", ""))
    if user is None:
        return await _form(422, error=gettext(WRONG), email=form.get("email", ""))
    if carried.is_of_another(form, user):
        return await _form(422, error=gettext(OF_ANOTHER), email=form.get("email", ""))
    begin_session(user)
    if await carried.carries():
        return redirect(await _go_on(form, user), 303)
    return redirect(own_path(request.args.get("next")), 303)


async def _go_on(form: Mapping[str, str], user: User) -> str:
    """Keep the letter that was written before signing in, as a draft, unless it was sent before; where it is now.

    Whoever heard no answer and had to sign in may have sent it: it must not look as if nothing had gone out.
    """
    told = gettext("You are signed in. Nothing was sent yet, and nothing is lost: look it over, and press the button.")
    kept = await drafts.keep(form, user.id)
    if kept is None:
        if task_id := await drafts.sent_as(form, user):
            await flash(gettext("You are signed in. This mail had been sent already, just as you wrote it."), "success")
            return url_for("task.show", task_id=task_id)
        kept = await drafts.keep({**form, "key": new_key(), "task": "", "seen": ""}, user.id)
        told = gettext(SENT_AND_CHANGED)
    await flash(told, "success")
    return url_for("compose.show", draft=kept.key if kept else None)


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
    if not user.password_hash:
        way = Markup('<a href="{}">{}</a>').format(url_for("account.show"), gettext("Set a password"))
        told = gettext("You signed in with a link that works once only.")
        await flash(Markup("{} {}").format(told, way), "success")
    return redirect("/", 303)


@blueprint.post("/sign-out")
async def sign_out() -> ResponseReturnValue:
    """End this session; with `everywhere` in the form, all of this account's."""
    if (await request.form).get("everywhere"):
        await end_sessions(postdate().database, g.user.id)
        log.info("signed out everywhere", who=g.user.email)
    session.clear()
    answer = redirect("/sign-in", 303)
    answer.headers["Clear-Site-Data"] = '"cache"'  # or the back button shows what was written
    return answer
