"""What a mail server's words mean, in a plain sentence: by enhanced codes (RFC 3463), words, or codes (RFC 5321)."""

import re

from app.mail import N_

NO_MAILBOX = N_("This mailbox does not exist. Please check the address.")
NOT_FOR_NOW = N_("The server takes no mail for this mailbox for now.")
BAD_ADDRESS = N_("The server does not accept this address as it is written. Please check it.")
MOVED = N_("This person has another address now, and mail to this one is refused.")
NO_DOMAIN = N_("The domain after the @ was not found. Please check the address.")
NO_MAIL_THERE = N_("The domain after the @ takes no mail at all.")
BAD_SENDER = N_("The server does not accept the sender's address. Please check MAIL_FROM.")
CLOSED = N_("This mailbox is closed or switched off, so nothing can be delivered to it.")
FULL = N_("This mailbox is full. It takes mail again once its owner has made room.")
NOT_ON_LIST = N_("This is a mailing list that takes no mail from this sender.")
TOO_LARGE = N_("The message is larger than the server takes. Please make it smaller, its images first.")
NO_ROOM = N_("The server has no room, or too much to do, for now.")
NOT_WORKING = N_("The server takes no mail for now.")
BROKEN = N_("Something went wrong inside the mail server.")
UNREACHABLE = N_("The recipient's mail server could not be reached.")
IN_CIRCLES = N_("The message went in circles between servers. Whoever runs them has to mend that.")
TOO_LONG = N_("The server tried for too long to deliver it, and gave up.")
TOO_MANY = N_("Too many messages in a short time: the server wants them to come more slowly.")
NOT_UNDERSTOOD = N_("The server did not understand, or does not allow, what it was asked. It may be set up wrongly.")
BAD_CONTENT = N_("The server does not accept what is in the message.")
ONLY_ASCII = N_("The server cannot deliver to an address with letters beyond a-z before the @.")
SPAM = N_("Refused as spam, or because the sending server is on a blocklist.")
POLICY = N_("Refused by the server's rules: it does not allow this sender, or this message.")
NOT_VERIFIED = N_("The sender could not be verified. The DNS of MAIL_FROM's domain has to allow it (SPF, DKIM, DMARC).")
NO_NAME = N_("The sending server's address has no proper name in DNS (reverse DNS). Whoever runs it has to set it.")
PUT_OFF = N_("The server puts off mail from senders that are new to it (greylisting). A later one usually arrives.")
SIGN_IN = N_("The server refused the sign-in. Please check the user name and the password in SMTP_URL.")
ENCRYPT = N_("The server wants an encrypted connection: smtps:// or smtp+starttls:// in SMTP_URL.")
RELAY = N_("The server does not pass mail on to other domains for us. Please check SMTP_URL, or ask whoever runs it.")
NOT_TAKEN = N_("The server refused the message and gave no reason that is known.")
NO_CONNECTION = N_("No connection to the mail server.")
LOST = N_("The connection broke before the message was handed over.")
UNHEARD = N_("The message was handed over, and then the server did not reply. It may have arrived.")
UNTRUSTED = N_("The mail server's certificate cannot be trusted, so it was given nothing.")

# RFC 3463, and RFC 4954, 6531, 7372, 7505 with it. What depends on the class (4 or 5) names it. Codes that say little
# (x.0.0, x.1.0, x.2.0, x.4.1, x.7.0, x.7.1) are not here, so that the words beside them count, nor is 5.1.10, which
# Exchange uses otherwise than RFC 7505.
_ENHANCED = {
    "4.1.1": NOT_FOR_NOW, "1.1": NO_MAILBOX, "1.2": NO_DOMAIN, "1.3": BAD_ADDRESS, "1.4": BAD_ADDRESS, "1.6": MOVED,
    "1.7": BAD_SENDER, "1.8": BAD_SENDER, "1.9": NOT_FOR_NOW,
    "4.2.1": NOT_FOR_NOW, "2.1": CLOSED, "2.2": FULL, "2.3": TOO_LARGE, "2.4": NOT_ON_LIST,
    "3.1": NO_ROOM, "3.2": NOT_WORKING, "3.3": NOT_UNDERSTOOD, "3.4": TOO_LARGE, "3.5": BROKEN,
    "4.2": UNREACHABLE, "4.3": BROKEN, "4.4": UNREACHABLE, "4.5": TOO_MANY, "4.6": IN_CIRCLES, "4.7": TOO_LONG,
    "5.0": NOT_UNDERSTOOD, "5.1": NOT_UNDERSTOOD, "5.2": NOT_UNDERSTOOD, "5.3": TOO_MANY, "5.4": NOT_UNDERSTOOD,
    "5.5": NOT_UNDERSTOOD,
    "6.1": BAD_CONTENT, "6.2": BAD_CONTENT, "6.3": BAD_CONTENT, "6.5": BAD_CONTENT, "6.6": BAD_CONTENT,
    "6.7": ONLY_ASCII,
    "7.2": NOT_ON_LIST, "7.8": SIGN_IN, "7.9": SIGN_IN, "7.10": ENCRYPT, "7.11": ENCRYPT, "7.13": CLOSED,
    "7.20": NOT_VERIFIED, "7.21": NOT_VERIFIED, "7.22": NOT_VERIFIED, "7.23": NOT_VERIFIED, "7.24": NOT_VERIFIED,
    "7.25": NO_NAME, "7.26": NOT_VERIFIED, "7.27": BAD_SENDER, "7.28": TOO_MANY, "7.29": NOT_VERIFIED,
}  # fmt: skip

_OURS = tuple(
    (re.compile(words), sentence)
    for words, sentence in (
        (r"Could not connect to ", NO_CONNECTION),
        (r"The connection to .* was lost before", LOST),
        (r"The message was handed over, but (the mail server did not reply|no answer)", UNHEARD),
        (r"The certificate of .* cannot be trusted", UNTRUSTED),
    )
)
"""What is on record where no server said anything: see outcome.OWN_WORDS."""

# In this order: "relay access denied" is more than "access denied", and a full mailbox is often called unavailable.
_WORDS = tuple(
    (re.compile(words, re.IGNORECASE), sentence)
    for words, sentence in (
        (r"gr[ea]y-? ?list", PUT_OFF),
        (r"\b(spf|dkim|dmarc)\b|unauthenticated (e-?mail|message)", NOT_VERIFIED),
        (r"starttls|encryption (is )?(required|needed)|requires? (tls|encryption)", ENCRYPT),
        (r"authenti\w+ (is )?(required|failed|unsuccessful|rejected)|not authenticated", SIGN_IN),
        (r"\brelay(ing)?\b", RELAY),
        (r"reverse (dns|host|lookup)|\bptr\b|find your (reverse )?hostname", NO_NAME),
        (r"throttl|rate.?limit|too (fast|many|much)|slow down|sending rate|(quota|limit) .{0,30}\b(hour|day|minute)"
         r"|(daily|hourly|sending) .{0,20}(quota|limit)", TOO_MANY),
        (r"over ?quota|quota.{0,20}(exceeded|full)|exceed\w* .{0,20}quota|(mailbox|inbox) (is |has )?(full|exceeded)"
         r"|exceeded storage", FULL),
        (r"(message|mail|size).{0,30}(too (large|big)|exceeds?|limit)|larger than|too (large|big)", TOO_LARGE),
        (r"spam|unsolicited|black-?list|block-?list|blocked|reputation|junk|\bdnsbl\b|\brbl\b|virus|malware", SPAM),
        (r"(domain|host).{0,40}(not found|does ?n[o']t exist|unknown|nxdomain)|no such domain", NO_DOMAIN),
        (r"(user|recipient|mailbox|address|account|addressee).{0,60}(unknown|not found|notfound|does ?n[o']t exist"
         r"|not exist|no longer)|(no such|unknown|invalid|bad) (user|recipient|mailbox|address|account|person)"
         r"|recipient_?not_?found|no mailbox", NO_MAILBOX),
        (r"(account|mailbox|user) .{0,30}(disabled|inactive|suspended|deactivated|closed)", CLOSED),
    )
)  # fmt: skip

_BASIC = {
    "421": NOT_WORKING, "450": NOT_FOR_NOW, "451": BROKEN, "452": NO_ROOM, "454": BROKEN, "455": NOT_UNDERSTOOD,
    "500": NOT_UNDERSTOOD, "501": NOT_UNDERSTOOD, "502": NOT_UNDERSTOOD, "503": NOT_UNDERSTOOD, "504": NOT_UNDERSTOOD,
    "521": NO_MAIL_THERE, "530": SIGN_IN, "534": SIGN_IN, "535": SIGN_IN, "538": ENCRYPT, "550": NOT_TAKEN,
    "551": MOVED, "552": FULL, "553": BAD_ADDRESS, "554": NOT_TAKEN, "555": NOT_UNDERSTOOD, "556": NO_MAIL_THERE,
}  # fmt: skip

_CODES = re.compile(r"([45]\d\d)(?:[ -]+#?([45])\.(\d{1,3}\.\d{1,3})(?![.\d]))?")


def explain(reply: str) -> str:
    """A msgid that says what `reply` means and what helps; "" where nothing is known. The reply may lack its ids."""
    found = _CODES.match(reply)
    if found is None:
        return next((sentence for words, sentence in _OURS if words.match(reply)), "")
    code, kind, detail = found.groups()
    return (
        _ENHANCED.get(f"{kind}.{detail}")
        or _ENHANCED.get(detail or "")
        or next((sentence for words, sentence in _WORDS if words.search(reply)), "")
        or (POLICY if (detail or "").startswith("7.") else "")
        or _BASIC.get(code or "", "")
    )
