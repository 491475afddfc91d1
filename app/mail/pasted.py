"""Understands addresses as people paste them, where there is only one way to understand them."""

import re
import unicodedata

from app.mail.addresses import ITEM_LIMIT

SEPARATORS = ",;，；、"
"""What stands between two people, besides the line end."""

_UNSEEN = re.compile("[\u200b\u2060\ufeff\u00ad]")  # they come along from web pages and word processors
BULLET = re.compile(r"^(?:[-*•·▪◦–]|\d{1,4}[.)])\s+")
_IN_BRACKETS = re.compile(r"(?P<before>[^()<>@]*)\((?P<address>[^()<>\s]+@[^()<>\s]+)\)(?P<after>[^()<>@]*)")


def understood(item: str) -> list[str]:
    """`item` of a list as mailboxes for `addresses.parse`: mostly one, and itself where there is nothing to mend.

    `Anna anna@a.org`, `홍길동(hong@a.org)`, `mailto:a@a.org`, `- a@a.org`, `a@a.org.` and `a@a.org b@b.org` are
    understood, and so are full-width letters in an address. A domain is never guessed, nor what stands before the @.
    """
    if len(item) > ITEM_LIMIT:
        return [item]
    item = BULLET.sub("", _UNSEEN.sub("", item).strip(), count=1)
    if "<" in item:
        return [_closed(item.replace("\t", " "))]
    if match := _IN_BRACKETS.fullmatch(item):
        item = f"{match['before']} \t{match['address']} {match['after']}"
    words = item.split()
    addresses = [word for word in words if "@" in word or "＠" in word]
    if len(addresses) == len(words):
        return [_address(word) for word in words] or [item]
    name = [word for word in words if word not in addresses]
    # Small letters may as well be the beginning of one address with a space in it, and "Bcc:" is nobody's name.
    is_name = ("\t" in item or not "a" <= name[0][0] <= "z") and name[-1][-1] != ":"
    if len(addresses) != 1 or addresses[0] not in (words[0], words[-1]) or not is_name:
        return [" ".join(words)]
    return [f"{' '.join(name)} <{_address(addresses[0])}>"]


def _closed(item: str) -> str:
    """With the bracket that was not copied along, and without what a link says around the address."""
    name, bracket, address = item.rpartition("<")
    if not bracket or ">" in address.rstrip("> "):
        return item
    return f"{name}<{_address(address.rstrip('> '))}>"


def _address(word: str) -> str:
    if re.search("[\uff01-\uff5e]", word):
        word = unicodedata.normalize("NFKC", word)
    link = re.match("mailto:", word, re.IGNORECASE)
    if link:
        word = word[link.end() :].partition("?")[0]
    return word.strip("()[]").rstrip(".:")
