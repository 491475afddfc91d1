"""The editions that a worker writes from: each is stored once, before anything that was written from it leaves."""

from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from app.mail import Mistake
from app.mail.addresses import Mailbox
from app.mail.edition import Edition
from app.mail.templates import Template, Templates
from app.tasks import editions
from app.worker.hold import Hold


class Editions:
    """Those of one process, with its sender and zone."""

    def __init__(self, templates: Templates, sender: Mailbox, zone: ZoneInfo) -> None:
        self._templates, self._sender, self._zone = templates, sender, zone
        self._newest: dict[str, tuple[Template, Edition]] = {}
        self._stored: set[str] = set()

    def choose(self, db: Session, held: Hold) -> str | None:
        """Say what a task's next messages are written from, and store that with this transaction, unless it is known
        to be. Its digest; None where they cannot be written.
        """
        try:
            held.edition = edition = self._get(held.task.template)
        except Mistake as mistake:
            held.edition = mistake
            return None
        if edition.digest not in self._stored:
            db.execute(editions.enter(edition.digest, edition.source))
        return edition.digest

    def _get(self, name: str) -> Edition:
        template = self._templates.get(name)
        known = self._newest.get(name)
        if known is None or known[0] is not template:
            known = self._newest[name] = template, Edition(template, self._sender, self._zone)
        return known[1]

    def stored(self, held: Hold) -> None:
        """That transaction is committed."""
        if isinstance(held.edition, Edition):
            self._stored.add(held.edition.digest)
