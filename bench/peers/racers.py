"""Who races: by name the module and function that runs it, the servers it needs, and what is to be known about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Racer:
    """`runs` is MODULE.FUNCTION beside this file; `needs` are of postdate, redis, postgres; `given` goes to it."""

    words: str
    runs: str
    needs: tuple[str, ...] = ()
    given: Mapping[str, object] = field(default_factory=dict)


POSTDATE = ("postdate", "redis")
RACES: dict[str, dict[str, Racer]] = {
    "bulk": {
        "postdate": Racer("Postdate, SQLite, one worker", "with_postdate.bulk", POSTDATE),
        "postdate-postgres": Racer(
            "Postdate, Postgres, one worker", "with_postdate.bulk", (*POSTDATE, "postgres")
        ),
        "postdate-postgres-2": Racer(
            "Postdate, Postgres, two workers", "with_postdate.bulk", (*POSTDATE, "postgres"), {"workers": 2}
        ),
        "postdate-postgres-2x2": Racer(
            "Postdate, Postgres, two workers, two tasks of half the size", "with_postdate.bulk",
            (*POSTDATE, "postgres"), {"workers": 2, "tasks": 2},
        ),
        "floor": Racer("plain loop, message bytes ready, no record (the floor)", "with_loop.ready"),
        "loop": Racer("plain loop, standard library's builder, no record", "with_loop.built"),
        "post_office": Racer(
            "django-post_office, SQLite, one process, one connection", "with_post_office.race", (), {"threads": 1}
        ),
        "post_office-5": Racer(
            "django-post_office, SQLite, one process, five threads (its default)", "with_post_office.race", (),
            {"threads": 5},
        ),
    },
    "singles": {
        "postdate": Racer("Postdate, SQLite, one worker", "with_postdate.singles", POSTDATE),
        "postdate-postgres": Racer(
            "Postdate, Postgres, one worker", "with_postdate.singles", (*POSTDATE, "postgres")
        ),
        "huey": Racer("huey, SQLite, one worker thread", "with_huey.race"),
        "dramatiq": Racer("dramatiq, Redis, one thread, no record", "with_dramatiq.race", ("redis",)),
        "rq-simple": Racer("RQ SimpleWorker, results in Redis", "with_rq.simple", ("redis",)),
        "celery": Racer("celery prefork, one process, results in SQLite", "with_celery.race", ("redis",)),
        "procrastinate": Racer("procrastinate, Postgres, one job at a time", "with_procrastinate.race", ("postgres",)),
        "rq": Racer("RQ Worker (forks per job), results in Redis", "with_rq.forking", ("redis",)),
    },
}  # fmt: skip
