"""What the tests of an application that uses Ostiary need. Nothing here is safe outside tests.

def test_me(client):
    '''A logged-in user sees themself.'''
    sign_in(client, "ada@example.com")          # a real session, no password, no mail

    assert client.get("/me").status_code == 200

The fixtures stand in `ostiary.testing.plugin`; what a store must keep stands in `ostiary.testing.conformance`.
"""

from ostiary.lazy import lazily

TYPE_CHECKING = False  # as in `ostiary.lazy`

if TYPE_CHECKING:
    from ostiary.core.policy import CHEAPEST
    from ostiary.testing.behind import auth_behind
    from ostiary.testing.fakes import CountedEntropy, FakeClock, Mailbox, Recorder
    from ostiary.testing.guarded import assert_guarded
    from ostiary.testing.memory import in_memory
    from ostiary.testing.sessions import settle
    from ostiary.testing.signing_in import sign_in
else:
    __getattr__ = lazily(
        {
            "CHEAPEST": "ostiary.core.policy",
            "CountedEntropy": "ostiary.testing.fakes",
            "FakeClock": "ostiary.testing.fakes",
            "Mailbox": "ostiary.testing.fakes",
            "Recorder": "ostiary.testing.fakes",
            "assert_guarded": "ostiary.testing.guarded",
            "auth_behind": "ostiary.testing.behind",
            "in_memory": "ostiary.testing.memory",
            "settle": "ostiary.testing.sessions",
            "sign_in": "ostiary.testing.signing_in",
        },
        of=__name__,
    )

__all__ = [
    "CHEAPEST",
    "CountedEntropy",
    "FakeClock",
    "Mailbox",
    "Recorder",
    "assert_guarded",
    "auth_behind",
    "in_memory",
    "settle",
    "sign_in",
]
