"""What it takes to undo what was just done: carried in the page's button, signed, and good for ten minutes."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from typing import Any

from itsdangerous import BadSignature, URLSafeTimedSerializer
from markupsafe import Markup
from quart import current_app, url_for

from app.tasks import lifecycle
from app.web.i18n import gettext

GOOD_FOR = 600
"""Seconds."""


@dataclass(frozen=True)
class Undo:
    """What was done to a task: it was cancelled at `cancelled_at`, or else given the moment `due_at` instead of `was`.

    A task that has moved on since is told by `attempt`, `due_at` and `cancelled_at`; then there is nothing to undo.
    """

    task_id: int
    attempt: int
    due_at: datetime
    cancelled_at: datetime | None = None
    was: lifecycle.Plan | None = None

    def move(self, by: str) -> lifecycle.Move:
        """The move that takes it back."""
        if self.was is None:
            return lifecycle.restore(self.task_id, by, cancelled_at=self.cancelled_at)
        return lifecycle.replan(self.task_id, self.was, self.attempt, self.due_at, by)

    @property
    def sends_at_once(self) -> bool:
        """Whether the moment that the task would have again has passed."""
        if self.was and self.was.held:
            return False
        return (self.was.due_at if self.was else self.due_at) <= datetime.now(UTC)


def button(told: str, undo: Undo) -> Markup:
    """What was done, with the button that takes it back."""
    at_once = undo.sends_at_once
    words = gettext("Undo (sends at once: its time has passed)") if at_once else gettext("Undo")
    form = Markup(
        '{} <form action="{}" method="post"><input type="hidden" name="token" value="{}">'
        '<input type="hidden" name="at_once" value="{}"><button{}>{}</button></form>'
    )
    to = url_for("moves.restore", task_id=undo.task_id)
    # A key that is pressed by mistake sends nothing.
    by_key = "" if at_once else Markup(' data-undo="" title="{}"').format(gettext("Key: z"))
    return form.format(told, to, write(undo), "yes" if at_once else "no", by_key, words)


def write(undo: Undo) -> str:
    """The token that stands for it."""
    was = [_plain(value) for value in astuple(undo.was)] if undo.was else None
    return _serializer().dumps([undo.task_id, undo.attempt, _plain(undo.due_at), _plain(undo.cancelled_at), was])


def read(token: str, task_id: int, good_for: int = GOOD_FOR) -> Undo | None:
    """What the token stands for; None where it is too old, for another task, or none of ours."""
    try:
        of, attempt, due_at, cancelled_at, was = _serializer().loads(token, max_age=good_for)
        plan = _plan(was) if was else None
    except (BadSignature, ValueError):  # ValueError: one of another version of ours
        return None
    undo = Undo(of, attempt, datetime.fromisoformat(due_at), _instant(cancelled_at), plan)
    return undo if of == task_id else None


def _serializer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(current_app.config["SECRET_KEY"], salt="undo")


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _plan(was: Sequence[Any]) -> lifecycle.Plan:
    status, scheduled_at, zone, due_at, hold_after, held, edit_key = was
    return lifecycle.Plan(
        status, _instant(scheduled_at), zone, datetime.fromisoformat(due_at), _instant(hold_after), held, edit_key
    )


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
