"""Reads the address of one person, with the name beside it."""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

import email_validator

from app.mail import N_, Mistake

NAME_LIMIT = 128
# The longest address (254), the longest name, every character of it escaped, and the marks around them.
ITEM_LIMIT = 254 + 2 * NAME_LIMIT + 16
LONGEST_LOCAL = 64
PLAIN = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*")
"""What is before the @ almost always: whatever the domain, the library takes it as it is, if all of it is SHORT."""

SHORT = 64
LOOKALIKES = ("CYRILLIC", "GREEK")
CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")

# RFC 2606 reserves two for tests, and people do test with them; many an office is a .local (RFC 6762). What the
# library refuses besides stays refused.
for _domain in {"test", "invalid", "local"}.intersection(email_validator.SPECIAL_USE_DOMAIN_NAMES):
    email_validator.SPECIAL_USE_DOMAIN_NAMES.remove(_domain)

_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class Mailbox:
    """Someone who has mail (RFC 5322 3.4). `address` is the one to send to, its domain in ASCII wherever it can be."""

    address: str
    name: str = ""

    @property
    def needs_smtputf8(self) -> bool:
        """Whether only a server with SMTPUTF8 (RFC 6531) can take it."""
        return not self.address.isascii()

    @property
    def key(self) -> str:
        """What two spellings of the same address have in common."""
        return self.address.lower()  # not casefold(): strasse and straße are two people


def parse(text: str) -> Mailbox:
    """Read one mailbox: `a@b.org`, `Name <a@b.org>` or `"Name, with a comma" <a@b.org>`.

    The limits are those of RFC 5321 4.5.3.1: 64 octets before the @, 254 in all. Raises Mistake.
    """
    text = text.strip()
    if len(text) > ITEM_LIMIT:
        raise Mistake(N_("“{item}” is too long for an email address."), item=shown(text))
    if CONTROLS.search(text):
        raise Mistake(
            N_("“{item}” contains a line break or an invisible character; please remove it."), item=shown(text)
        )
    name, angle, address = text.removesuffix(">").rpartition("<") if text.endswith(">") else ("", "", text)
    if not angle or ">" in address:
        name, address = "", text
    return Mailbox(_address(address.strip(), item=text), _name(name.rstrip(), item=text))


def is_address(text: str) -> bool:
    """Whether mail could be sent there."""
    try:
        parse(text)
    except Mistake:
        return False
    return True


def _address(text: str, item: str) -> str:
    local, _, domain = text.rpartition("@")
    if len(text) <= SHORT and text.isascii() and PLAIN.fullmatch(local) and (known := _plain_domain(domain)):
        return f"{local}@{known}"
    try:
        valid = email_validator.validate_email(text, check_deliverability=False, strict=True)
    except email_validator.EmailNotValidError:
        valid = None
    # A local part may look like an encoded word (RFC 2047), which some readers of the header would decode.
    if valid is None or "=?" in valid.normalized:
        raise Mistake(_why_not(text), item=shown(item))
    if letter := _foreign(valid.normalized):
        raise Mistake(N_("“{letter}” in “{item}” is a letter of another alphabet that looks like a Latin one."),
                      letter=letter, item=shown(item))  # fmt: skip
    return valid.ascii_email or valid.normalized


@lru_cache(maxsize=10_000)
def _plain_domain(text: str) -> str | None:
    """A domain as mail is sent to it; None where it is none, or means other letters than it is written with. A list of
    ten thousand has a few hundred of them, and to check one takes longer than all else in an address.
    """
    try:
        valid = email_validator.validate_email(f"a@{text}", check_deliverability=False, strict=True)
    except email_validator.EmailNotValidError:
        return None
    return valid.ascii_domain if valid.domain == valid.ascii_domain else None


def _why_not(text: str) -> str:
    local, at, domain = text.rpartition("@")
    if not at:
        return N_("“{item}” is not an email address: it has no @.")
    if "@" in local:
        return N_("“{item}” is not an email address: it has more than one @.")
    if not local.strip() or not domain.strip():
        return N_("“{item}” is not an email address: something is missing before or after the @.")
    if re.search(r"\s", text):
        return N_("“{item}” is not an email address: there is a space in it.")
    if "." not in domain:
        return N_("“{item}” is not an email address: after the @ there has to be a domain, like example.com.")
    if len(local) > LONGEST_LOCAL:
        return N_("“{item}” is not an email address: before the @ it is longer than 64 characters.")
    return N_("“{item}” is not an email address; please write it like name@example.com.")


def _foreign(address: str) -> str | None:
    """The first letter of another alphabet within a word of Latin letters: what only looks like somebody's address."""
    for word in [] if address.isascii() else re.findall(r"[^\W\d_]+", address):
        foreign = [letter for letter in word if unicodedata.name(letter, "").startswith(LOOKALIKES)]
        if foreign and any(unicodedata.name(letter, "").startswith("LATIN") for letter in word):
            return str(foreign[0])
    return None


def _name(text: str, item: str) -> str:
    quoted = _QUOTED.fullmatch(text)
    name = re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else text
    if not quoted and re.search("[<>]", name):
        raise Mistake(N_("“{item}” has more than one address; please put each on its own line."), item=shown(item))
    return named(name, item)


def named(text: str, item: str | None = None) -> str:
    """A person's name, tidied. `item` is what a mistake is to show in its place. Raises Mistake."""
    name = " ".join(unicodedata.normalize("NFC", text).split())
    if len(name) > NAME_LIMIT:
        raise Mistake(
            N_("The name in “{item}” is longer than {limit} characters."), item=shown(item or text), limit=NAME_LIMIT
        )
    if CONTROLS.search(name):
        raise Mistake(
            N_("“{item}” contains a line break or an invisible character; please remove it."), item=shown(item or text)
        )
    return name


def shown(item: str) -> str:
    """`item` as a sentence can show it: on one line, 60 characters at most."""
    visible = "".join(character if character.isprintable() else "\ufffd" for character in item[:60])
    return visible + "…" if len(item) > 60 else visible
