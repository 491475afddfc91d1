"""Plain loops over one connection, which record nothing: with the bytes ready (the floor), or built one by one."""

import time

from race import SENDER, build, connection, people, report


def ready() -> None:
    messages = [(address, build(address, name)) for address, name in people()]
    began = time.time()
    for address, message in messages:
        connection().sendmail(SENDER, [address], message)
    report(time.time() - began, len(messages))


def built() -> None:
    began = time.time()
    for address, name in people():
        connection().sendmail(SENDER, [address], build(address, name))
    report(time.time() - began, len(people()))
