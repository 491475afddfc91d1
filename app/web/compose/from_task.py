"""A task back in the form, with everything that was typed into it: to go on writing it, or to send another one."""

import csv
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from io import StringIO
from typing import Any

from quart import abort

from app.mail.pasted import BULLET, SEPARATORS
from app.tasks import queries
from app.tasks.family import head_of
from app.tasks.model import Task
from app.web import postdate
from app.web.compose.forms import Letter, lines
from app.web.compose.keys import new_key
from app.web.compose.moment import Moment
from app.web.zone import zone_of

Recipients = Sequence[tuple[str, str, dict[str, Any]]]
"""Address, name, and what only their own mail says."""

TO_QUOTE = frozenset(SEPARATORS + '<>"\\')


EVERYBODY, EVERYBODY_MISSED = "all", "missed"


async def letter_of(task_id: int, to: str = "") -> Letter:
    """The form that makes another task like this one, with a key of its own. With `to`, one instead of this one: for
    EVERYBODY, for whom it missed (EVERYBODY_MISSED), or for the one with this address.
    """
    task, recipients = await _find(task_id, to)
    moment, variables = _moment(task), task.variables
    if to not in ("", EVERYBODY) and len(recipients) == 1:  # what only this person's mail says is a field, not a table
        (address, name, own), *_ = recipients
        variables, recipients = variables | own, [(address, name, {})]
    return Letter(
        recipients=written(recipients, variables),
        template=task.template,
        variables={name: typed(value) for name, value in variables.items()},
        subject=task.subject or "",
        queue=task.queue,
        late_limit=str(task.late_limit or ""),
        on_unknown=task.on_unknown,
        when="later" if moment.wall else "now",
        moment=moment,
        key=new_key(),
        instead=head_of(task) if to else 0,
    )


async def _find(task_id: int, to: str) -> tuple[Task, Recipients]:
    async with postdate().database.reading() as db:
        task: Task = await db.scalar(queries.task(task_id)) or abort(404)
        missed = queries.missed(task, None if to == EVERYBODY_MISSED else [to])
        everybody = to in ("", EVERYBODY)
        recipients = (await db.execute(queries.everybody(task_id) if everybody else missed)).all()
    return task, [(address, name, own) for address, name, own in recipients]


def _moment(task: Task) -> Moment:
    """The one that it is scheduled for, if that still lies ahead."""
    zone = zone_of(task)
    if task.scheduled_at is None or task.scheduled_at <= datetime.now(UTC):
        return Moment(zone=zone)
    return Moment.of(task.scheduled_at, zone)


def written(recipients: Recipients, shared: Mapping[str, Any]) -> str:
    """What to type to reach these people: one a line; a table (RFC 4180) where their own mails say more than a name."""
    if all(_is_implied(name, own, shared) for _, name, own in recipients):
        return "\n".join(_mailbox(address, name) for address, name, _ in recipients)
    columns = list(dict.fromkeys(column for _, _, own in recipients for column in own if column != "name"))
    table = StringIO()
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow(["email", "name", *columns])
    for address, name, own in recipients:
        rows.writerow([address, own.get("name", name), *(typed(own.get(column, "")) for column in columns)])
    return table.getvalue().rstrip("\n")


def _is_implied(name: str, own: Mapping[str, Any], shared: Mapping[str, Any]) -> bool:
    # A name beside an address fills the variable that nobody has filled, see Letter.
    return not own or (own == {"name": name} and "name" not in shared)


def _mailbox(address: str, name: str) -> str:
    if TO_QUOTE & set(name) or BULLET.match(f"{name} "):
        name = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f"{name} <{address}>" if name else address


def typed(value: object) -> str:
    """What to type for a value. Programs may give more than text; what is no value for a template (`if`) is none."""
    if value is None or value is False:
        return ""
    return lines(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
