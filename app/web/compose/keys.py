"""What tells one form, one sending and one task from another."""

import json
import re
import uuid
from hashlib import sha256

from quart import abort

from app.tasks.request import Request

KEY = re.compile(r"[0-9a-f-]{36}")
ID = re.compile("[0-9]{1,18}")


def new_key() -> str:
    """What tells two sendings of the same form from the sending of two forms."""
    return str(uuid.uuid4())


def as_id(text: str) -> int:
    """A task's, 0 for none. Anything else is no form of ours; taken for none, it would send a second mail."""
    if text and not ID.fullmatch(text):
        abort(400)
    return int(text or 0)


def digest(request: Request) -> str:
    """A fingerprint of what is asked for: the same for the same mail, whatever surrounds it in the form."""
    people = [(each.mailbox.address, each.mailbox.name, dict(each.variables)) for each in request.recipients]
    at = request.scheduled_at.isoformat() if request.scheduled_at else None
    content = [
        request.template,
        people,
        request.variables,
        request.subject,
        request.queue,
        at,
        request.zone,
        request.late_limit,
        request.on_unknown,
    ]
    return sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
