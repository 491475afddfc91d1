"""The description of the JSON calls holds for whatever is asked, right or wrong."""

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as trying
from quart import Quart
from quart.typing import TestClientProtocol as Client
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.python import asgi
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from sqlalchemy import insert

from app.config import Settings
from app.db import Database, now
from app.tasks.model import Task
from app.web import create_app

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
TASK = {"status": "scheduled", "template": "email/welcome", "queue": "low", "recipients": 1, "who": "tests"}


@pytest.mark.parametrize("mode", GenerationMode)
@pytest.mark.parametrize("known", [{}, {"id": 1}])
def test_every_answer_to_anything_is_one_that_the_description_promises(
    settings: Settings, bearer: dict[str, str], database: Database, mode: GenerationMode, known: dict[str, int]
) -> None:
    with database.writing() as db:
        db.execute(insert(Task).values(due_at=now(3600), **TASK))
    app = create_app(settings)
    schema = schemathesis.openapi.from_asgi("/api/openapi.json", app, headers=bearer)
    seen = set()
    cases = schema.as_strategy(generation_mode=mode, path_parameters=known or None)

    with asgi.get_client(app) as client:

        @given(case=cases)
        @trying(max_examples=100, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
                suppress_health_check=list(HealthCheck))  # fmt: skip
        def ask(case: Case) -> None:
            answer = case.call_and_validate(session=client, headers=bearer, checks=CHECKS)
            seen.add(answer.status_code)

        ask()
    assert 200 in seen or mode is GenerationMode.NEGATIVE  # which may be wrong each time, and differs from run to run
    assert seen & {404, 422}


async def test_the_description_names_every_call_and_nothing_else(
    app: Quart, stranger: Client, bearer: dict[str, str]
) -> None:
    described = await (await stranger.get("/api/openapi.json", headers=bearer)).get_json()
    routes = {rule.rule.replace("<int:", "{").replace(">", "}") for rule in app.url_map.iter_rules()}
    assert set(described["paths"]) == {route for route in routes if route.startswith("/api/tasks")}
    assert described["openapi"] == "3.1.0"
