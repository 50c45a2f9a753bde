"""What `ostiary.ports` promises of a store, as tests. A store proves itself by running every suite against itself.

A store's own test file makes an open, empty store in a fixture `store`, and names the suites:

```python
from ostiary.testing import conformance

@pytest.fixture
async def store() -> AsyncIterator[Store]:
    store = MyStore()
    await store.open()
    yield store
    await store.close()

class TestUsers(conformance.UsersSuite): ...
```

The tests are coroutines, and those of `ChangedSuite` and `TransactionsSuite` run many at once: `pytest-asyncio` runs
them, with `asyncio_mode = "auto"`.
"""

from ostiary.testing.conformance.accounts import CredentialsSuite, IdentifiersSuite, UsersSuite
from ostiary.testing.conformance.beside import ChallengesBesideSuite, CountersBesideSuite, TransactionsBesideSuite
from ostiary.testing.conformance.cancellation import CancellationSuite
from ostiary.testing.conformance.changed import ChangedSuite
from ostiary.testing.conformance.feed import DocumentsSuite, FeedSuite
from ostiary.testing.conformance.outbox import OutboxSuite
from ostiary.testing.conformance.records import ChallengesSuite, CountersSuite, EventsSuite, KeysSuite, VerifiersSuite
from ostiary.testing.conformance.sessions import SessionsSuite
from ostiary.testing.conformance.transactions import TransactionsSuite
from ostiary.testing.conformance.values import ValuesSuite

__all__ = [
    "CancellationSuite",
    "ChallengesBesideSuite",
    "ChallengesSuite",
    "ChangedSuite",
    "CountersBesideSuite",
    "CountersSuite",
    "CredentialsSuite",
    "DocumentsSuite",
    "EventsSuite",
    "FeedSuite",
    "IdentifiersSuite",
    "KeysSuite",
    "OutboxSuite",
    "SessionsSuite",
    "TransactionsBesideSuite",
    "TransactionsSuite",
    "UsersSuite",
    "ValuesSuite",
    "VerifiersSuite",
]
