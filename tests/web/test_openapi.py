"""The OpenAPI document is made from the table, and says what the routes do."""

from typing import Any

import msgspec
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from ostiary.core.site import Site
from ostiary.web.endpoints import TABLE, Needs
from ostiary.web.openapi import document
from tests.web.conftest import BROWSER, Place


@pytest.fixture(scope="module")
def paths() -> dict[str, Any]:
    """The document's paths."""
    out: dict[str, Any] = msgspec.json.decode(document(TABLE, Site.of("https://id.example")))
    OpenAPIV31SpecValidator(out).validate()
    return out["paths"]  # type: ignore[no-any-return]


def test_valid_and_complete(paths: dict[str, Any]) -> None:
    """The document is valid OpenAPI 3.1 and has every route of the table, each with a sentence and an id of its own."""
    operations = [operation for path in paths.values() for operation in path.values()]

    assert {(method.upper(), path) for path, methods in paths.items() for method in methods} == {
        (route.method, route.path) for route in TABLE
    }
    assert len({operation["operationId"] for operation in operations}) == len(TABLE)
    assert all(operation["summary"].endswith(".") for operation in operations)


@pytest.mark.parametrize("route", TABLE, ids=lambda route: f"{route.method} {route.path}")
def test_security(paths: dict[str, Any], route: Any) -> None:
    """A route says which carrier opens it."""
    security = paths[route.path][route.method.lower()]["security"]

    assert (
        security
        == {
            Needs.NOTHING: [],
            Needs.PERHAPS_SESSION: [{}, {"cookie": []}, {"bearer": []}],
            Needs.SESSION: [{"cookie": []}, {"bearer": []}],
            Needs.COOKIE: [{"cookie": []}],
            Needs.VERIFIER: [{"verifier": []}],
        }[route.needs]
    )


async def test_problems_are_announced(place: Place) -> None:
    """What a route answers to who has no session, or sends nothing, is among what the document says of it."""
    async with place.client() as client:
        out = (await client.get("/openapi.json")).json()
        for route in TABLE:
            answer = await client.request(route.method, route.path.replace("{id}", "x" * 22), headers=BROWSER)

            assert str(answer.status_code) in out["paths"][route.path][route.method.lower()]["responses"]
