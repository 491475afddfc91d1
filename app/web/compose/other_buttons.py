"""What the compose form's other buttons do: they change the form and show it anew; none of them sends the mail."""

import asyncio
from contextlib import closing
from dataclasses import dataclass, field, replace

from quart import request

from app.mail import N_, Mistake
from app.tasks.request import Mistakes
from app.web import postdate
from app.web.compose.fields import find
from app.web.compose.forms import Letter
from app.web.compose.keys import new_key
from app.web.compose.last_used import last
from app.web.compose.moment import PICK, picked
from app.web.compose.recipients import taken


@dataclass(frozen=True)
class Granted:
    """The form as it is shown now, what to tell the person about it, and what was wrong with the wish."""

    letter: Letter
    told: str = ""
    mistakes: Mistakes = field(default_factory=dict)


async def wished() -> str:
    """Which button was pressed; none for the one that sends. A file that nobody has read yet is read first."""
    wish = str((await request.form).get("do", ""))
    file = (await request.files).get("file")
    return wish or ("upload" if file and file.filename else "")


async def grant(wish: str, letter: Letter) -> Granted:
    """Do what the button says; one without a meaning, or with none but to look, changes nothing."""
    if wish == "upload":
        return await _upload(letter)
    return Granted(await asyncio.to_thread(_changed, wish, letter))


def _changed(wish: str, letter: Letter) -> Letter:
    if wish.startswith(PICK):
        return replace(letter, when="later", moment=picked(letter.moment, wish))
    if wish == "again":
        return replace(letter, recipients=last()["recipients"], template=last()["template"])
    if wish == "apart":
        return replace(letter, task=0, seen="", key=new_key())
    if wish == "leave-out":
        return replace(letter, recipients=letter.people.without_bad())
    if wish == "subject" and not letter.subject and (template := find(postdate().templates, letter.template)):
        return replace(letter, subject=template.subject)
    return letter


async def _upload(letter: Letter) -> Granted:
    file = (await request.files).get("file")
    try:
        if file is None or not file.filename:
            raise Mistake(N_("Choose a file first."))
        with closing(file.stream):
            text, told = await asyncio.to_thread(taken, letter.recipients, file.filename, file.read())
    except Mistake as wrong:
        return Granted(letter, mistakes={"recipients": [wrong]})
    return Granted(replace(letter, recipients=text), told)
