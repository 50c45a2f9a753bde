"""Letters leave soon after what they tell of is durable, once, beside the requests; and none is lost."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from ostiary import Auth
from ostiary.auth.letters import LetterSeal
from ostiary.auth.post import CLAIMED_FOR, Post
from ostiary.core.events import Kind
from ostiary.core.letter import About, Letter
from ostiary.core.session import Carrier
from ostiary.errors import Unavailable, Undeliverable
from ostiary.mail import Mail
from ostiary.ports import LetterRecord, Mailer
from ostiary.stores.memory import MemoryStore
from ostiary.system import SystemEntropy
from ostiary.testing import CountedEntropy, FakeClock, Mailbox
from tests.conftest import House, make_house, sqlite_store
from tests.mail.mailserver import MailServer

LINK = "https://id.example/auth/reset?token=the-secret-of-the-link"
PATIENCE = 20.0
DAY = timedelta(days=1)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something to become true."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.01)


async def write(auth: Auth, n: int = 1, *, to: str = "ada{n}@example.com") -> None:
    """Write letters, each in a transaction of its own."""
    for number in range(n):
        async with auth._works.begin() as work:
            await work.write(
                About.RESET_PASSWORD, to=to.format(n=number), language="en", user_id="ada", link=LINK, code="314159"
            )


async def waiting(house: House) -> bool:
    """Tell whether any letter has not left."""
    async with house.store.read() as tx:
        return await tx.outbox.first() is not None


async def left(house: House) -> None:
    """Wait until every letter has left."""
    async with asyncio.timeout(PATIENCE):
        while await waiting(house):
            await asyncio.sleep(0.01)


def post_of(house: House) -> Post:
    """Return what sends letters."""
    assert house.auth._post is not None
    return house.auth._post


class Failing(Mailbox):
    """A mailer that raises, and counts how often."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error
        self.tries = 0

    async def send(self, letter: Letter) -> None:
        self.tries += 1
        raise self.error


class Doing(Mailbox):
    """A mailer that does something once it has sent a letter."""

    def __init__(self, then: Callable[[], Awaitable[None]]) -> None:
        super().__init__()
        self.then = then

    async def send(self, letter: Letter) -> None:
        await super().send(letter)
        await self.then()


Start = Callable[..., Awaitable[House]]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Starts houses with a mailer on one file, as worker processes of one service."""
    houses: list[House] = []

    async def start(mailer: Mailer | None, *, sends: bool = True, clock: FakeClock | None = None) -> House:
        house = make_house(
            sqlite_store(tmp_path),
            tmp_path,
            mailer=mailer,
            has_mail=mailer is not None,
            clock=clock or FakeClock(),
            entropy=SystemEntropy(),
        )
        houses.append(house)
        await house.auth.start(sends=sends)
        return house

    yield start
    for house in houses:
        await house.auth.stop()


# ------------------------------------------------------------------------------------------------ sent


async def test_sent_soon(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """A letter that was written is sent without anybody asking, whole, and then it is gone from the outbox."""
    monkeypatch.setattr("ostiary.auth.post.LOOK_EVERY", timedelta(hours=1))  # nobody finds it by looking now and then
    box = Mailbox()
    house = await start(box)
    await write(house.auth, to="eve@example.com")
    await left(house)

    await write(house.auth)
    letter = await box.letter(About.RESET_PASSWORD, to="ada0@example.com")
    await left(house)

    assert (letter.language, letter.user_id, letter.created_at) == ("en", "ada", house.clock.now())
    assert letter.values == {"link": LINK, "code": "314159", "site": "https://id.example"}
    assert [each.to for each in box.letters] == ["eve@example.com", "ada0@example.com"]


async def test_what_fails_writes_nothing(start: Start) -> None:
    """A letter of a change that did not happen is never sent."""
    box = Mailbox()
    house = await start(box)

    with pytest.raises(ZeroDivisionError):  # noqa: PT012 - the block is what fails
        async with house.auth._works.begin() as work:
            await work.write(About.NEW_DEVICE, to="eve@example.com", language="")
            raise ZeroDivisionError
    await write(house.auth)
    await left(house)

    assert [letter.to for letter in box.letters] == ["ada0@example.com"]


async def test_without_a_mailer(start: Start) -> None:
    """Where nobody sends letters, none are written: no secret waits for a reader who never comes."""
    house = await start(None)

    await write(house.auth)

    assert not await waiting(house)


async def test_left_to_another(start: Start) -> None:
    """A process that does not send leaves its letters to one that does, now or later."""
    box = Mailbox()
    quiet = await start(box, sends=False)
    await write(quiet.auth, 3)
    assert await waiting(quiet)
    assert box.letters == []

    await start(box)
    await left(quiet)

    assert len(box.letters) == 3


async def test_never_within_a_request(start: Start) -> None:
    """While the mailer keeps still, every verb returns; letters are sent by one task, which does nothing else."""
    tasks: list[str] = []
    answers = asyncio.Event()

    async def wait() -> None:
        task = asyncio.current_task()
        tasks.append(task.get_name() if task is not None else "")
        await answers.wait()

    box = Doing(wait)
    house = await start(box)
    await house.user()
    for _ in range(5):
        await write(house.auth)
        await house.login(Carrier.COOKIE)
    await until(lambda: bool(tasks))
    assert len(box.letters) == 1
    answers.set()
    await left(house)

    assert tasks == ["ostiary-post"] * 5


async def test_the_one_that_is_being_sent(start: Start) -> None:
    """Who stops lets the letter that is being sent come to its end: it is not sent again by the next process."""
    begun, goes_on = asyncio.Event(), asyncio.Event()

    async def slowly() -> None:
        begun.set()
        await goes_on.wait()

    house = await start(Doing(slowly))
    await write(house.auth)
    await begun.wait()
    stopping = asyncio.create_task(house.auth.stop())
    await asyncio.sleep(0.05)
    goes_on.set()
    await stopping
    again = await start(Mailbox(), sends=False)

    assert not await waiting(again)


# ------------------------------------------------------------------------------------------------ not lost, not twice


async def test_a_server_that_is_down(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    """While the mail server is down nothing is lost and nobody waits; when it is back, each letter arrives once."""
    server = MailServer()
    house = await start(Mail.at(f"smtp://127.0.0.1:{server.port}", sender="no-reply@id.example"))
    await house.user()
    await write(house.auth, 10)
    await house.login(Carrier.COOKIE)

    async with asyncio.timeout(PATIENCE):
        while caplog.text.count("cannot be reached") < 10:
            await asyncio.sleep(0.01)
    with server:
        while await waiting(house):  # the test's own time limit ends it
            house.clock.advance(timedelta(seconds=2))  # so that each is due, however late it was put back
            house.auth._wake_post()
            await asyncio.sleep(0.01)

        assert sorted(address for taken in server.inbox for address in taken.to) == sorted(
            f"ada{n}@example.com" for n in range(10)
        )
        assert all(LINK in taken.text for taken in server.inbox)


async def test_two_processes(start: Start) -> None:
    """Two processes with one outbox send each letter once, whichever of them wrote it."""
    with MailServer() as server:
        mail = Mail.at(f"smtp://127.0.0.1:{server.port}", sender="no-reply@id.example")
        clock = FakeClock()
        houses = [await start(mail, clock=clock) for _ in range(2)]
        await asyncio.gather(
            *(write(house.auth, 15, to=f"{place}{{n}}@example.com") for place, house in zip("ab", houses, strict=True))
        )
        await left(houses[0])

        got = sorted(address for taken in server.inbox for address in taken.to)
        assert got == sorted(f"{place}{n}@example.com" for place in "ab" for n in range(15))


async def test_killed_between(start: Start) -> None:
    """A process that dies between sending a letter and saying so lets it be sent once more, and only once."""

    async def die() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()

    dying = Doing(die)
    killed = await start(dying)
    await write(killed.auth)
    await until(lambda: bool(dying.letters))
    box = Mailbox()
    other = await start(box, clock=killed.clock)
    assert box.letters == []
    killed.clock.advance(CLAIMED_FOR)
    other.auth._wake_post()
    await left(other)
    for _ in range(3):
        killed.clock.advance(DAY)
        assert not await post_of(other).step()

    assert len(dying.letters) + len(box.letters) == 2
    assert dying.letters == box.letters


async def test_a_store_that_cannot_take_note(tmp_path: Path) -> None:
    """A letter that was sent while the store went away is not sent again by this process."""
    store = MemoryStore()
    box = Doing(store.close)
    house = make_house(store, tmp_path, mailer=box)
    await house.auth.start(sends=False)
    await write(house.auth)
    with pytest.raises(Unavailable):
        await post_of(house).step()
    await store.open()
    house.clock.advance(CLAIMED_FOR)

    assert await post_of(house).step()
    assert len(box.letters) == 1
    assert not await waiting(house)
    await house.auth.stop()


# ------------------------------------------------------------------------------------------------ given up


async def test_tried_for_three_days(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    """A letter that nobody takes is tried for three days with growing pauses; then it is gone, and on record."""
    mailer = Failing(Unavailable("the mail server x cannot be reached"))
    house = await start(mailer, sends=False)
    began = house.clock.now()
    await write(house.auth)
    at: list[timedelta] = []
    while await waiting(house):
        async with house.store.read() as tx:
            first = await tx.outbox.first()
        assert first is not None
        house.clock.advance(max(first - house.clock.now(), timedelta()))
        at.append(house.clock.now() - began)
        assert await post_of(house).step()

    assert [round(moment.total_seconds()) for moment in at[:5]] == [0, 1, 3, 7, 15]
    assert timedelta(days=3) - timedelta(hours=1) < at[-1] <= timedelta(days=3)
    assert mailer.tries == len(at)
    [event] = [event for event in house.recorder.events if event.kind is Kind.LETTER_GIVEN_UP]
    assert (event.user_id, event.detail) == ("ada", {"about": "reset_password", "reason": "too_old"})
    assert "ada0@" not in caplog.text + repr(event)


async def test_refused_for_good(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    """A letter that is refused for good is given up at once, and that is on record, without the address."""
    caplog.set_level(logging.DEBUG)
    mailer = Failing(Undeliverable("the mail server x refused it for good (550)"))
    house = await start(mailer)
    await write(house.auth)
    await until(lambda: Kind.LETTER_GIVEN_UP in house.recorder.kinds())

    assert not await waiting(house)
    assert mailer.tries == 1
    [event] = [event for event in house.recorder.events if event.kind is Kind.LETTER_GIVEN_UP]
    assert event.detail == {"about": "reset_password", "reason": "refused"}
    assert "refused it for good (550)" in caplog.text
    assert "ada0@" not in caplog.text + repr(event)


async def test_whatever_a_mailer_raises(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    """A mailer that fails in a way of its own loses nothing, and what it said of the letter is not logged."""
    mailer = Failing(RuntimeError(f"could not send {LINK} to ada0@example.com"))
    house = await start(mailer, sends=False)
    await write(house.auth)

    assert await post_of(house).step()
    assert await waiting(house)
    assert "RuntimeError" in caplog.text
    assert "secret" not in caplog.text
    assert "ada0@" not in caplog.text


async def test_one_of_many_is_bad(start: Start) -> None:
    """A letter that cannot be sent holds up no other."""

    class Choosy(Mailbox):
        async def send(self, letter: Letter) -> None:
            if letter.to == "ada0@example.com":
                raise Unavailable("not now")
            await super().send(letter)

    box = Choosy()
    house = await start(box)
    await write(house.auth, 5)
    await until(lambda: len(box.letters) == 4)

    assert await waiting(house)


# ------------------------------------------------------------------------------------------------ sealed


async def test_sealed_at_rest(start: Start, tmp_path: Path) -> None:
    """Whoever reads the files of the database finds no address, no link and no code of a letter that waits."""
    house = await start(Mailbox(), sends=False)
    await write(house.auth, 3)

    files = [file for file in tmp_path.iterdir() if file.name.startswith("ostiary.db")]
    kept = b"".join(file.read_bytes() for file in files)
    assert b"outbox" in kept
    for plain in (b"example.com", b"the-secret", b"314159", b"reset_password"):
        assert plain not in kept


def seal(secret: bytes = b"k" * 32) -> LetterSeal:
    """Return a seal."""
    return LetterSeal(lambda: [secret], entropy=CountedEntropy(), site="https://id.example")


def letter(id: str = "l1") -> Letter:  # noqa: A002 - a record's own word
    """Return a letter."""
    return Letter(
        id=id, to="ada@example.com", about=About.INVITATION, language="ja", values={"link": LINK},
        created_at=FakeClock().now(), user_id="ada",
    )  # fmt: skip


def test_opened_as_it_was() -> None:
    """What was sealed comes back whole, and neither the record nor its repr holds it in the clear."""
    record = seal().seal(letter())

    assert seal().open(record) == letter()
    assert "example" not in repr(record)
    assert b"example" not in record.sealed
    assert (record.id, record.created_at, record.due_at) == ("l1", letter().created_at, letter().created_at)


def test_two_seals_differ() -> None:
    """The same letter sealed twice looks different: nobody learns that it is the same."""
    one = seal()

    assert one.seal(letter()).sealed != one.seal(letter()).sealed


@pytest.mark.parametrize(
    "change",
    [
        lambda record: replace(record, id="l2"),
        lambda record: replace(record, sealed=record.sealed[:-1]),
        lambda record: replace(record, sealed=b"\x00" + record.sealed[1:]),
        lambda record: replace(record, sealed=record.sealed[:20] + bytes([record.sealed[20] ^ 1]) + record.sealed[21:]),
        lambda record: replace(record, sealed=b""),
    ],
    ids=["another row", "cut", "another nonce", "a bit", "nothing"],
)
def test_changed_at_rest(change: Callable[[LetterRecord], LetterRecord]) -> None:
    """A letter that somebody changed, cut or put in the place of another does not open."""
    assert seal().open(change(seal().seal(letter()))) is None


def test_of_an_older_master_key() -> None:
    """After a new version of the master key the newest seals, and what an older one sealed still opens."""
    both = LetterSeal(lambda: [b"n" * 32, b"k" * 32], entropy=CountedEntropy(), site="https://id.example")

    assert both.open(seal().seal(letter())) == letter()
    assert seal().open(both.seal(letter())) is None


async def test_one_that_does_not_open(start: Start) -> None:
    """A letter that this process cannot open yet is left for one that can, and holds up no other."""
    box = Mailbox()
    house = await start(box, sends=False)
    async with house.store.write() as tx:
        await tx.outbox.add(replace(seal().seal(letter()), due_at=house.clock.now()))
    await write(house.auth)

    assert [await post_of(house).step() for _ in range(3)] == [True, True, False]
    assert [each.to for each in box.letters] == ["ada0@example.com"]
    assert await waiting(house)
