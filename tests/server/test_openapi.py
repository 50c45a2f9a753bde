"""The running service answers as its own `/openapi.json` says, whatever it is sent."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from ostiary.web.endpoints import TABLE, Needs, Route
from tests.server.running import Service, bearer, login, register

CHECKS: list[Any] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
EXAMPLES = 5
ADA = "ada@example.com"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The real service, with mail, where Ada has an account."""
    folder = tmp_path_factory.mktemp("service")
    environ = {"OSTIARY_MAIL": f"folder:{folder / 'letters'}"}
    with Service(folder / "data", environ=environ) as running:
        with running.client() as client:
            register(client, ADA)
        yield running


@pytest.fixture(scope="module")
def schema(service: Service) -> Any:
    """What the service says of itself."""
    return schemathesis.openapi.from_url(f"{service.url}/openapi.json")


def test_every_route_is_announced(service: Service) -> None:
    """The document of the running service has every route of the table."""
    paths = httpx.get(f"{service.url}/openapi.json", trust_env=False).json()["paths"]

    assert {(method.upper(), path) for path, methods in paths.items() for method in methods} == {
        (route.method, route.path) for route in TABLE
    }


@pytest.mark.parametrize("route", TABLE, ids=lambda route: f"{route.method} {route.path}")
def test_conforms(service: Service, schema: Any, route: Route) -> None:
    """No answer is a failure of ours, and each is one that the document announces, in the form announced."""
    with service.client() as client:
        held = {} if route.needs in (Needs.NOTHING, Needs.VERIFIER) else bearer(login(client, ADA))

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[
            HealthCheck.too_slow,
            HealthCheck.filter_too_much,
        ],  # how fast examples are made is a matter of the machine
    )
    @given(schema[route.path][route.method].as_strategy())
    def conforms(case: Any) -> None:
        answer = case.call(base_url=service.url, headers=held, timeout=20)

        case.validate_response(answer, checks=CHECKS)

    conforms()
