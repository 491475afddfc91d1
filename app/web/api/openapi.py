"""Describes the JSON calls as OpenAPI 3.1, at /api/openapi.json. No page with somebody else's scripts comes with it."""

from collections.abc import Iterable
from typing import Any

from quart import Quart
from quart_schema import Info, OpenAPIProvider, QuartSchema
from quart_schema.conversion import model_schema
from werkzeug.routing import Rule

from app.web.api.answers import ProblemGiven
from app.web.incoming import LARGEST_ID
from app.web.problem import MEDIA_TYPE

WHY = {
    400: "The body is not JSON.",
    401: "No token, or one that is not known.",
    404: "There is no such task.",
    409: "It is too late for that.",
    413: "The body is too large.",
    422: "Something is wrong with one or more fields.",
    429: "Too often; `Retry-After` says in how many seconds.",
}


def install(app: Quart) -> None:
    """Describe `app`'s JSON calls."""
    QuartSchema(
        app,
        openapi_path="/api/openapi.json",
        redoc_ui_path=None,
        scalar_ui_path=None,
        swagger_ui_path=None,
        info=Info(title="Postdate", version="1"),
        security_schemes={"token": {"type": "http", "scheme": "bearer"}},
        security=[{"token": []}],
        conversion_preference="pydantic",
        openapi_provider_class=Calls,
    )


class Calls(OpenAPIProvider):
    """The JSON calls alone, each with the problems that it may answer with."""

    def generate_rules(self) -> Iterable[Rule]:
        return (rule for rule in super().generate_rules() if rule.endpoint.startswith("api."))

    def build_paths(self, rule: Rule) -> tuple[dict[str, Any], dict[str, Any]]:
        paths, components = super().build_paths(rule)
        for call in (call for path in paths.values() for call in path.values()):
            for parameter in call["parameters"]:
                if parameter["in"] == "path":
                    parameter["schema"] |= {"minimum": 1, "maximum": LARGEST_ID}
            for status in _problems(call):
                schema = {"$ref": "#/components/schemas/ProblemGiven"}
                call["responses"][status] = {"description": WHY[status], "content": {MEDIA_TYPE: {"schema": schema}}}
            if "requestBody" in call:
                call["requestBody"]["required"] = True
        return paths, {**components, **_problem_shape()}


def _problems(call: dict[str, Any]) -> set[int]:
    found = {401} | {status for status in call["responses"] if status >= 400}
    places = {parameter["in"] for parameter in call["parameters"]}
    if "path" in places:
        found.add(404)
    if "query" in places:
        found.add(422)
    if "requestBody" in call:
        found |= {400, 413, 422}
    return found | ({429} if 201 in call["responses"] else set())


def _problem_shape() -> dict[str, Any]:
    shape = model_schema(ProblemGiven, schema_mode="serialization")
    return {**shape.pop("$defs"), "ProblemGiven": shape}
