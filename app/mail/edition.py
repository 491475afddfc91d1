"""One edition of a template: all of a message that its task does not say, so that it can be written again later."""

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from hashlib import sha256
from zoneinfo import ZoneInfo

from app.mail.addresses import Mailbox
from app.mail.message import Image, compose
from app.mail.templates import Template


@dataclass(frozen=True)
class Edition:
    """A template as it was, the sender, and the zone in which its messages are dated."""

    template: Template
    sender: Mailbox
    zone: ZoneInfo

    def write(
        self, variables: Mapping[str, object], subject: str | None, to: Mailbox, message_id: str, at: datetime
    ) -> bytes:
        """The message to one person, dated `at`: the same bytes whenever it is asked for. Raises Mistake."""
        content = self.template.render(variables, subject=subject)
        return compose(content, self.sender, to, message_id, at.astimezone(self.zone))

    @cached_property
    def source(self) -> str:
        """Everything it consists of, as JSON."""
        images = [[image.name, image.type, b64encode(image.data).decode()] for image in self.template.images]
        kept = {
            "template": self.template.name,
            "parts": self.template.sources,
            "images": images,
            "from": [self.sender.address, self.sender.name],
            "zone": str(self.zone),
        }
        return json.dumps(kept, ensure_ascii=False)

    @cached_property
    def digest(self) -> str:
        """By which it is known: SHA-256 of its source, in hexadecimal."""
        return sha256(self.source.encode()).hexdigest()


def read_edition(source: str) -> Edition:
    """The edition with this source."""
    kept = json.loads(source)
    images = tuple(Image(name, kind, b64decode(data)) for name, kind, data in kept["images"])
    template = Template.of(kept["template"], kept["parts"], images)
    return Edition(template, Mailbox(*kept["from"]), ZoneInfo(kept["zone"]))
