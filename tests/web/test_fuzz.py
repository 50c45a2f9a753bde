"""Requests made at random from the OpenAPI document, and what it says of their answers."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from hypothesis import given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from ostiary import Issued
from ostiary.asgi import Door
from ostiary.core.assurance import Proof
from ostiary.core.session import Carrier
from ostiary.core.site import Site
from ostiary.errors import Refused
from ostiary.server.app import not_found
from ostiary.testing import CHEAPEST
from ostiary.web.endpoints import TABLE, Needs, Route
from ostiary.web.openapi import document
from tests.conftest import ISSUER, PASSWORD, House, make_house, sqlite_store

DOCUMENT = json.loads(document(TABLE, Site.of(ISSUER)))
for each in TABLE:
    if (
        each.needs is Needs.VERIFIER
    ):  # a key is always sent: a wrong one in its place would not be a request like others
        del DOCUMENT["paths"][each.path][each.method.lower()]["security"]
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
CHECKS: list[Any] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
CASES = [
    pytest.param(route, mode, id=f"{route.method} {route.path} {mode.value}")
    for route in TABLE
    for mode in GenerationMode
    # What takes nothing at all cannot be sent anything against the document.
    if mode is GenerationMode.POSITIVE or route.takes or route.resumes or route.needs in (Needs.SESSION, Needs.COOKIE)
]


@dataclass
class Service:
    """The stand-alone service in this process, and Ada, who has a new session for each request."""

    runner: asyncio.Runner
    house: House
    door: Door
    proof: Proof
    key: str

    def send(self, sent: requests.PreparedRequest, *, holding: Needs) -> httpx.Response:
        """Send what was made, as Ada, as a verifier or as nobody."""
        return self.runner.run(self._send(sent, holding=holding))

    async def _send(self, sent: requests.PreparedRequest, *, holding: Needs) -> httpx.Response:
        house, body = self.house, sent.body
        assert body is None or isinstance(body, str | bytes)
        headers = httpx.Headers({name: str(value) for name, value in sent.headers.items()})
        async with house.store.write() as tx:
            await tx.counters.purge(before=house.clock.now() + timedelta(days=1), limit=1000)
        if holding is Needs.VERIFIER:
            headers["authorization"] = f"Bearer {self.key}"
        elif holding is not Needs.NOTHING:
            headers["authorization"] = f"Bearer {(await self._login()).access_token}"
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self.door), base_url=ISSUER) as client:
            return await client.request(sent.method or "", sent.url or "", headers=headers, content=body)

    async def _login(self) -> Issued:
        auth = self.house.auth
        try:
            return await auth.login(self.proof, carrier=Carrier.BEARER)
        except Refused:  # the request before this one has changed the password
            if await auth.accounts.get(self.proof.user_id) is None:  # or has deleted the account
                await self.house.user()
            else:
                await auth.accounts.set_password(self.proof.user_id, new=PASSWORD, actor="test")
            self.proof = await auth.prove("ada@example.com", PASSWORD)
            return await auth.login(self.proof, carrier=Carrier.BEARER)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service on an SQLite file. Its streams are over soon, so that they can be read to their end."""
    folder = tmp_path_factory.mktemp("fuzz")
    with asyncio.Runner() as runner:
        policy = replace(CHEAPEST, stream_life=timedelta(milliseconds=20))
        house = make_house(sqlite_store(folder), folder, policy=policy)
        runner.run(house.auth.start())
        runner.run(house.user())
        proof = runner.run(house.auth.prove("ada@example.com", PASSWORD))
        _, key = runner.run(house.auth.verifiers.add("orders", actor="test"))
        yield Service(runner, house, Door(not_found, house.auth, service=True), proof, key)
        runner.run(house.auth.stop())


@pytest.mark.parametrize(("route", "mode"), CASES)
def test_conforms(service: Service, route: Route, mode: GenerationMode) -> None:
    """Whatever is sent, by the document or against it, the answer is one that it announces, in the form announced."""
    operation: Any = SCHEMA[route.path][route.method]

    @settings(max_examples=20, deadline=None, derandomize=True, database=None)
    @given(operation.as_strategy(generation_mode=mode))
    def conforms(case: Any) -> None:
        sent = requests.Request(**case.as_transport_kwargs(base_url=ISSUER)).prepare()

        answer = service.send(sent, holding=route.needs)

        case.validate_response(answer, checks=CHECKS)

    conforms()
