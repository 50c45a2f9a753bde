"""What `ostiary.ports` promises of a store, as tests. A store proves itself by running every suite against itself.

A store's own file makes an open, empty store in a fixture `store`, and names the suites:

```python
@pytest.fixture
async def store() -> AsyncIterator[Store]:
    store = MemoryStore()
    await store.open()
    yield store
    await store.close()

class TestUsers(UsersSuite): ...
```
"""

from tests.conformance.suites.accounts import CredentialsSuite, IdentifiersSuite, UsersSuite
from tests.conformance.suites.beside import ChallengesBesideSuite, CountersBesideSuite, TransactionsBesideSuite
from tests.conformance.suites.cancellation import CancellationSuite
from tests.conformance.suites.changed import ChangedSuite
from tests.conformance.suites.feed import DocumentsSuite, FeedSuite
from tests.conformance.suites.outbox import OutboxSuite
from tests.conformance.suites.records import ChallengesSuite, CountersSuite, EventsSuite, KeysSuite, VerifiersSuite
from tests.conformance.suites.sessions import SessionsSuite
from tests.conformance.suites.transactions import TransactionsSuite
from tests.conformance.suites.values import ValuesSuite

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
