"""The commands: python -m app COMMAND."""

import os
import sys
from collections.abc import Callable

from app import log
from app.config import Settings, SettingsError, read_settings

USAGE = """usage: ./run [COMMAND]      (or, in an environment of your own: python -m app COMMAND)

  up          serve on this machine: everything that is needed, in one command (what ./run does alone)
  test        pass the tests (./run test only)
  web         serve the pages and the JSON calls
  worker      send
  migrate     bring the database's tables up to date
  token NAME  make a token for a program that calls the JSON API; it is shown once
  sign-in-link  make a link that signs in once
  reconcile   put right what nobody is working on, now
  doctor      check every part and say what is wrong
"""


def main(arguments: list[str]) -> int:
    """Run one command; the exit code is 2 where the command or the settings are wrong."""
    name, *rest = arguments or ["--help"]
    if name in ("-h", "--help", "help"):
        print(USAGE, end="")
        return 0
    command = COMMANDS.get(name)
    if name == "token" and not rest:
        print("A token needs a name, which says whose it is: ./run token billing", file=sys.stderr)
        return 2
    if command is None or len(rest) != (name == "token"):
        print(USAGE if command else f"There is no command {name}.\n\n{USAGE}", end="", file=sys.stderr)
        return 2
    try:
        settings = read_settings()
        check_mail(settings)
    except SettingsError as error:
        print(*error.mistakes, sep="\n", file=sys.stderr)
        return 2
    log.setup(settings.log_level)
    return command(settings, *rest)


def check_mail(settings: Settings) -> None:
    """What only the mail package can judge. Raises SettingsError, too."""
    from app.mail.addresses import parse
    from app.mail.server import parse_url

    mistakes = []
    for name, check, value in (("MAIL_FROM", parse, settings.mail_from), ("SMTP_URL", parse_url, settings.smtp_url)):
        try:
            check(value)
        except ValueError as wrong:
            mistakes.append(f"{name} cannot be used: {wrong}")
    if mistakes:
        raise SettingsError(mistakes)


# Each command imports what it needs when it runs: a worker loads no web server, the web no SMTP.


def up(settings: Settings) -> int:
    from app.local.up import up

    return up(settings)


def web(settings: Settings) -> int:
    from app.web.serve import serve

    return serve(settings)


def worker(settings: Settings) -> int:
    if settings.workers > 1:
        from app.local.pool import pool

        return pool(settings.workers)
    from app.worker.serve import serve

    return serve(settings)


def migrate(settings: Settings) -> int:
    from app.migrate import migrate

    settings.var.mkdir(parents=True, exist_ok=True, mode=0o700)
    migrate(settings.database_url)
    return 0


def token(settings: Settings, name: str) -> int:
    from app.db import Database
    from app.web.people.tokens import new_token

    database = Database(settings.database_url)
    try:
        print(new_token(database, name))
    except ValueError as mistake:
        print(mistake, file=sys.stderr)
        return 1
    finally:
        database.close()
    return 0


def sign_in_link(settings: Settings) -> int:
    """What `up` prints; alone on the last line."""
    from app.db import Database
    from app.web.people.accounts import sign_in_link

    database = Database(settings.database_url)
    try:
        if link := sign_in_link(database, settings):
            print(link)
    finally:
        database.close()
    return 0


def reconcile(settings: Settings) -> int:
    from app.db import Database
    from app.ring import Rings, connect
    from app.worker.timekeeper import Timekeeper

    database = Database(settings.database_url)
    try:
        repairs = Timekeeper(database, Rings(connect(settings.redis_url)), "by hand").reconcile()
    finally:
        database.close()
    print(f"released {repairs.released} tasks of lost workers, rang {repairs.rung} lost rings again")
    return 0


def doctor(settings: Settings) -> int:
    from app.doctor import examine

    return examine(settings)


COMMANDS: dict[str, Callable[..., int]] = {
    "up": up,
    "web": web,
    "worker": worker,
    "migrate": migrate,
    "token": token,
    "sign-in-link": sign_in_link,
    "reconcile": reconcile,
    "doctor": doctor,
}

if __name__ == "__main__":
    try:
        code = main(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:  # `doctor | head`: whoever read has read enough, which is no failure of ours
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code)
