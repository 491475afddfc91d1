"""What a mail server's words mean: replies as real servers give them, each with the sentence that fits."""

import pytest

from app.mail import said
from app.tasks import faults

REPLIES = [
    (
        "550 5.1.1 <anna@example.com>: Recipient address rejected: User unknown in local table",
        said.NO_MAILBOX,
    ),
    ("550-5.1.1 The email account that you tried to reach does not exist. 5.1.1 Please try", said.NO_MAILBOX),
    ("550 No such user here", said.NO_MAILBOX),
    ("550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup", said.NO_MAILBOX),
    ("550 5.4.1 Recipient address rejected: Access denied. [AM7EUR03FT049.eop-EUR03.prod]", said.NOT_TAKEN),
    ("450 4.1.1 <b@example.com>: Recipient address rejected: unverified address", said.NOT_FOR_NOW),
    ("450 Requested mail action not taken: mailbox unavailable", said.NOT_FOR_NOW),
    ("552 5.2.2 The email account that you tried to reach is over quota.", said.FULL),
    ("452 4.2.2 The recipient's inbox is out of storage space", said.FULL),
    ("552 Requested mail action aborted: exceeded storage allocation", said.FULL),
    ("550 Mailbox is full", said.FULL),
    ("550 5.2.1 The email account that you tried to reach is disabled.", said.CLOSED),
    ("450 4.2.1 The user you are trying to contact is receiving mail too quickly", said.NOT_FOR_NOW),
    ("550 5.1.2 <c@nowhere.example>: Recipient address rejected: Domain not found", said.NO_DOMAIN),
    ("450 Sender address rejected: Domain not found", said.NO_DOMAIN),
    ("556 5.1.10 Recipient address has null MX", said.NO_MAIL_THERE),
    ("552 5.3.4 Message size exceeds fixed limit", said.TOO_LARGE),
    ("552 message too large", said.TOO_LARGE),
    ("550 5.7.1 [192.0.2.1] Our system has detected that this message is likely unsolicited mail.", said.SPAM),
    ("554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org", said.SPAM),
    ("550 5.7.509 Access denied, sending domain example.com does not pass DMARC verification", said.NOT_VERIFIED),
    ("550-5.7.26 This mail has been blocked because the sender is unauthenticated.", said.NOT_VERIFIED),
    ("550 5.7.23 The message was rejected because of Sender Policy Framework violation", said.NOT_VERIFIED),
    ("550 5.7.1 Delivery not authorized, message refused", said.POLICY),
    ("550 5.7.25 The IP address sending this message does not have a PTR record", said.NO_NAME),
    ("450 4.7.1 Client host rejected: cannot find your reverse hostname, [192.0.2.1]", said.NO_NAME),
    ("450 4.2.0 <d@example.com>: Recipient address rejected: Greylisted, see http://postgrey.example", said.PUT_OFF),
    ("451 4.7.1 Greylisting in action, please come back later", said.PUT_OFF),
    ("421-4.7.28 Our system has detected an unusual rate of unsolicited mail", said.TOO_MANY),
    ("454 Throttling failure: Maximum sending rate exceeded.", said.TOO_MANY),
    ("550 5.4.5 Daily user sending limit exceeded.", said.TOO_MANY),
    ("452 4.5.3 Too many recipients", said.TOO_MANY),
    ("535 5.7.8 Username and Password not accepted.", said.SIGN_IN),
    ("535 Authentication credentials invalid", said.SIGN_IN),
    ("530 5.7.0 Must issue a STARTTLS command first", said.ENCRYPT),
    ("530 5.7.0 Authentication Required", said.SIGN_IN),
    ("554 5.7.1 <e@example.com>: Relay access denied", said.RELAY),
    ("550 5.7.64 TenantAttribution; Relay Access Denied", said.RELAY),
    ("550 5.6.7 non-ASCII addresses not permitted for that recipient", said.ONLY_ASCII),
    ("421 4.3.2 Service not available, closing transmission channel", said.NOT_WORKING),
    ("451 4.3.0 Error: queue file write error", said.BROKEN),
    ("554 Transaction failed", said.NOT_TAKEN),
    ("Could not connect to mx.example.com:587: Connection refused.", said.NO_CONNECTION),
    ("The connection to mx.example.com:587 was lost before the message was handed over.", said.LOST),
    ("The message was handed over, but the mail server did not reply.", said.UNHEARD),
    ("The message was handed over, but no answer of the mail server was heard.", said.UNHEARD),  # of 0.1
    ("The certificate of mx.example.com:465 cannot be trusted: self-signed certificate.", said.UNTRUSTED),
]


@pytest.mark.parametrize(("reply", "sentence"), REPLIES)
def test_a_reply_means_the_same_with_and_without_what_is_particular_to_one_message(reply: str, sentence: str) -> None:
    assert said.explain(reply) == sentence
    assert said.explain(faults.words(reply)) == sentence


@pytest.mark.parametrize(
    "reply", ["", "250 2.0.0 taken", "There is no template named x.", "999 hello", "5.1.1", "A person said so.",
              "The message would be larger than 512 KB.", "This user was not found by us."]
)  # fmt: skip
def test_what_is_not_known_is_left_to_speak_for_itself(reply: str) -> None:
    assert said.explain(reply) == ""


def test_every_sentence_is_given_for_some_reply() -> None:
    sentences = {value for name, value in vars(said).items() if name.isupper() and isinstance(value, str)}
    by_words = {sentence for _, sentence in (*said._OURS, *said._WORDS)}
    given = {*said._ENHANCED.values(), *said._BASIC.values(), *by_words, said.POLICY}
    assert sentences == given
