"""What every racer shares: the mail, the people, the warm connection, and from when to when is measured.

It is imported by the racers (with_*.py), which run in environments that do not have Postdate in them.
"""

import json
import os
import smtplib
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.utils import formatdate, make_msgid
from functools import cache
from pathlib import Path

from jinja2 import Environment

LETTER = Path(__file__).parent / "letter"
SENDER = "Postdate <postdate@example.com>"
POLL = 0.02
"""Seconds between two looks at how many are recorded: a hundredth of the shortest race."""

given = json.loads(os.environ.get("RACE", "{}"))
"""From the starter: race, mails, port (of the mail server), redis and postgres (URLs)."""


def people(mails: int | None = None) -> list[tuple[str, str]]:
    """Address and name of everybody who is written to."""
    return [(f"r{n}@example.com", f"Kim {n}") for n in range(given["mails"] if mails is None else mails)]


def build(address: str, name: str) -> bytes:
    """The letter, by the faster of the standard library's two builders: EmailMessage takes thrice as long."""
    subject, text, html = _parts()
    message = MIMEMultipart("alternative")
    message["From"], message["To"], message["Subject"] = SENDER, address, subject.render(name=name)
    message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain="example.com")
    message.attach(MIMEText(text.render(name=name)))
    message.attach(MIMEText(html.render(name=name), "html"))
    return message.as_bytes()


@cache
def _parts():
    head, _, text = (LETTER / "letter.txt").read_text().partition("\n\n")
    html = Environment(autoescape=True).from_string((LETTER / "letter.html").read_text())
    plain = Environment(autoescape=False)
    return plain.from_string(head.removeprefix("Subject: ")), plain.from_string(text), html


@cache
def connection() -> smtplib.SMTP:
    """The one of this process, kept warm."""
    return smtplib.SMTP("127.0.0.1", given["port"])


def deliver(address: str, name: str) -> str:
    """What the task of every queue does: build the letter and hand it over. Returns what is to be recorded."""
    connection().sendmail(SENDER, [address], build(address, name))
    return f"sent to {address}"


def singles(submit: Callable[[str, str], object], recorded: Callable[[], int], worker: Sequence[str]) -> None:
    """One task for each person, in turn, while one worker runs: from the first submit to the last recorded reply.

    One more task comes first, and is waited for: the worker is there, and its connection is warm.
    """
    with running(worker):
        submit("warm@example.com", "Warm")
        wait_for(recorded, 1)
        began = time.time()
        for address, name in people():
            submit(address, name)
        submitted = time.time()
        wait_for(recorded, 1 + given["mails"])
        report(time.time() - began, recorded() - 1, submitting=submitted - began)


@contextmanager
def running(worker: Sequence[str]):
    """Its lines go to the file `log` of the folder that the racer is in."""
    with Path("log").open("ab") as log:
        process = subprocess.Popen(worker, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(recorded: Callable[[], int], n: int, seconds: float = 300) -> None:
    until = time.monotonic() + seconds
    while (there := recorded()) < n:
        if time.monotonic() > until:
            raise SystemExit(f"{there} of {n} were recorded within {seconds} s")
        time.sleep(POLL)


def report(seconds: float, recorded: int, **more: float) -> None:
    """The last line that a racer prints."""
    print(json.dumps({"seconds": seconds, "recorded": recorded, **more}), flush=True)
