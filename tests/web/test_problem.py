"""What a client reads of a refusal."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from ostiary import languages
from ostiary.core.decision import Reason
from ostiary.core.mount import Mount
from ostiary.errors import Barred, Invalid, Overloaded, Refused, Taken, Throttled, Unavailable, WeakPassword
from ostiary.web import problem
from ostiary.web.http import Response
from ostiary.web.problem import TABLE, Place, refusal
from ostiary.web.steps import steps_out

HERE = Mount()

SESSION_OVER = {
    Reason.MALFORMED,
    Reason.WRONG_CARRIER,
    Reason.BAD_SIGNATURE,
    Reason.UNKNOWN_KEY,
    Reason.BAD_CLAIMS,
    Reason.WRONG_ISSUER,
    Reason.WRONG_AUDIENCE,
    Reason.NOT_YET_VALID,
    Reason.EXPIRED,
    Reason.IDLE,
    Reason.REVOKED,
    Reason.SUPERSEDED,
    Reason.LATE,
    Reason.REUSED,
    Reason.UNKNOWN,
    Reason.NO_SESSION,
    Reason.USER_DISABLED,
}


def read(response: Response) -> dict[str, Any]:
    """Return a problem's members."""
    members: dict[str, Any] = msgspec.json.decode(response.body)
    return members


def challenge(response: Response) -> str:
    """Return the challenge of a 401."""
    return dict(response.headers)[b"www-authenticate"].decode()


def test_every_reason_has_a_row() -> None:
    """No reason is without an answer, and each answer is a problem whose status is its status line's."""
    assert set(TABLE) == set(Reason)
    for reason in Reason:
        response = refusal(reason).response(HERE)
        members = read(response)
        assert response.status == members["status"] >= 400
        assert members.keys() - {"next"} == {"type", "title", "status", "code", "detail"}
        assert members.get("next", []) == msgspec.json.decode(msgspec.json.encode(steps_out(TABLE[reason].next, HERE)))
        assert dict(response.headers)[b"content-type"] == b"application/problem+json"
        assert dict(response.headers)[b"cache-control"] == b"no-store"


def test_a_code_means_one_thing() -> None:
    """A code stands in one row, so a client may switch on it."""
    rows = {*TABLE.values(), *problem.OTHERS, problem.INVALID_GRANT}

    assert len({row.code for row in rows}) == len(rows)


@pytest.mark.parametrize("place", [Place.CARRIER, Place.GRANT])
def test_over_is_over(place: Place) -> None:
    """Every way in which a session can be over looks the same from outside, to the byte."""
    answers = {refusal(reason, at=place).response(HERE) for reason in SESSION_OVER}

    assert len(answers) == 1
    assert read(answers.pop())["code"] == {"carrier": "invalid_token", "grant": "invalid_grant"}[place.value]


def test_a_wrong_password_is_a_wrong_password() -> None:
    """Where a password is proved, a disabled user looks like a wrong password; and where nobody said where, too."""
    wrong = refusal(Reason.BAD_CREDENTIALS, at=Place.PROOF).response(HERE)

    assert refusal(Reason.USER_DISABLED, at=Place.PROOF).response(HERE) == wrong
    assert problem.of(Refused(Reason.USER_DISABLED)).response(HERE) == wrong
    assert problem.of(Barred(Reason.USER_DISABLED)).response(HERE) == refusal(Reason.REVOKED).response(HERE)


def test_challenges() -> None:
    """A 401 says how to get in: bare to who has shown nothing, with an error to who has (RFC 6750 3, RFC 9470 3)."""
    bare = challenge(refusal(Reason.NO_CARRIER).response(HERE))
    shown = challenge(refusal(Reason.EXPIRED).response(HERE))
    barred = problem.of(Barred(Reason.NOT_FRESH, within=timedelta(minutes=5))).response(HERE)
    forbidden = refusal(Reason.FORBIDDEN).response(HERE)

    assert bare == 'Bearer realm="ostiary"'
    assert shown.startswith('Bearer realm="ostiary", error="invalid_token", error_description="')
    assert 'error="insufficient_user_authentication"' in challenge(barred)
    assert challenge(barred).endswith(', max_age="300"')
    assert (forbidden.status, 'error="insufficient_scope"' in challenge(forbidden)) == (403, True)
    for reason in Reason:
        response = refusal(reason).response(HERE)
        assert (response.status != 401) or b"www-authenticate" in dict(response.headers)


@pytest.mark.parametrize(
    ("error", "status", "retry_after"),
    [
        (Throttled(retry_after=17), 429, b"17"),
        (Overloaded(retry_after=3), 503, b"3"),
        (Unavailable("the disk is full at /secret/place"), 503, b"1"),
    ],
)
def test_when_to_come_back(error: Exception, status: int, retry_after: bytes) -> None:
    """Who must wait is told how long, and not why."""
    response = problem.of(error).response(HERE)  # type: ignore[arg-type]

    assert (response.status, dict(response.headers)[b"retry-after"]) == (status, retry_after)
    assert b"secret" not in response.body


def test_wrong_words() -> None:
    """What was wrong with a field is named with the field."""
    expected = {
        Taken("email", "it is taken"): (409, "taken"),
        WeakPassword("password", "too short"): (422, "weak_password"),
        Invalid("name", "too long"): (422, "invalid"),
    }
    for error, (status, code) in expected.items():
        members = read(problem.of(error).response(HERE))

        assert (members["status"], members["code"]) == (status, code)
        assert members["errors"] == [{"field": error.field, "detail": error.why}]


def test_a_refusal_in_the_readers_language() -> None:
    """The sentences follow the language, with their values; the code, the title and the challenge never do."""
    refused = problem.of(WeakPassword("password", "Use at least %(least)s characters.", least=15))
    german, english = refused.response(HERE, languages.of("de")), refused.response(HERE)

    assert read(german)["errors"] == [{"field": "password", "detail": "Verwenden Sie mindestens 15 Zeichen."}]
    assert read(english)["errors"] == [{"field": "password", "detail": "Use at least 15 characters."}]
    assert [read(german)[name] for name in ("code", "title")] == [read(english)[name] for name in ("code", "title")]
    assert dict(german.headers)[b"content-language"] == b"de"
    over = refusal(Reason.EXPIRED)
    assert challenge(over.response(HERE, languages.of("ja"))) == challenge(over.response(HERE))
