"""django-post_office on SQLite, with its own send command in one process.

Its mails are rendered when they are queued, which is its default and not in the race: that favours it. Their statuses
are written after each 100.
"""

import time

import django
from django.conf import settings
from django.core.management import call_command
from race import LETTER, SENDER, given, people, report


def race() -> None:
    _set_up()
    from post_office import mail
    from post_office.models import STATUS, Email, EmailTemplate

    head, _, text = (LETTER / "letter.txt").read_text().partition("\n\n")
    template = EmailTemplate.objects.create(
        name="letter", subject=head.removeprefix("Subject: "), content=text,
        html_content=(LETTER / "letter.html").read_text(),
    )  # fmt: skip
    each = {"sender": SENDER, "template": template}
    mail.send_many([{"recipients": [address], "context": {"name": name}, **each} for address, name in people()])
    began = time.time()
    call_command("send_queued_mail", processes=1)
    report(time.time() - began, Email.objects.filter(status=STATUS.sent).count())


def _set_up() -> None:
    settings.configure(
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "post_office.db"}},
        INSTALLED_APPS=["post_office"],
        EMAIL_HOST="127.0.0.1",
        EMAIL_PORT=given["port"],
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
        POST_OFFICE={
            "THREADS_PER_PROCESS": given["threads"],
            "MESSAGE_ID_ENABLED": True,
            "MESSAGE_ID_FQDN": "example.com",
        },
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        USE_TZ=True,
    )
    django.setup()
    call_command("migrate", verbosity=0)
