"""Postdate: templated mail, now or at a chosen time, with a row for every task and every recipient.

    config     the settings, from the environment          log      how log lines look
    db/        engines, sessions, the database's clock      ring     the one module that talks to RQ's queues
    tasks/     THE CORE: the tables, every move, what can be asked, how a task is submitted
    mail/      addresses, templates, bytes on the wire, the talk with a mail server; knows no task
    web/       the pages and the JSON calls
    worker/    claims tasks and sends; the timekeeper that rings for what is due and repairs what was lost
    migrate    brings the tables up to date                 doctor   looks at every part and says what is wrong
    local/     what `up` adds on one machine: the embedded server, the mailbox, the supervisor

Imports point inwards: web and worker never meet, and the core does no I/O but what a database session does
(tests/unit/test_house.py). A task's life is drawn at the top of tasks/lifecycle/.
"""
