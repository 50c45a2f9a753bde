"""Who is proved by which password."""

import unicodedata
from dataclasses import replace
from datetime import timedelta

import pytest

from ostiary.core.assurance import Proof
from ostiary.core.decision import Denied, Reason
from ostiary.core.user import Credential
from ostiary.errors import Overloaded, Unavailable
from ostiary.methods.argon2 import Hasher
from ostiary.methods.password import Password, normalise
from ostiary.testing import CHEAPEST
from tests.methods.town import NOW, Town, Watched

PASSWORD = "the tide forgets"
NO = Denied(Reason.BAD_CREDENTIALS)


async def test_the_right_password(town: Town, method: Password, hasher: Hasher) -> None:
    """The right password proves its user, now, by `pwd`, with the credential and version that it was proved with."""
    await town.settle("ada", await hasher.hash(PASSWORD))
    await town.change("ada", await hasher.hash(PASSWORD))

    proof = await method.prove(town.store, address="ada@example.com", password=PASSWORD, now=NOW)

    assert proof == Proof(user_id="user-ada", amr=("pwd",), at=NOW, credential_id="cred-ada", credential_version=2)


@pytest.mark.parametrize("typed", ["ADA@Example.COM", "  ada@example.com ", "\uff41\uff44\uff41@example.com"])
async def test_an_address_typed_otherwise(town: Town, method: Password, hasher: Hasher, typed: str) -> None:
    """An address finds its user however it is typed: case, width and surrounding space do not count."""
    await town.settle("ada", await hasher.hash(PASSWORD))

    proof = await method.prove(town.store, address=typed, password=PASSWORD, now=NOW)

    assert isinstance(proof, Proof)
    assert proof.user_id == "user-ada"


@pytest.mark.parametrize(
    "address",
    ["bob@example.com", "", "ada", "ada@", "@", "user-ada", "ada@example.com\x00", "\ud800@example.com", "a" * 10_000],
)
async def test_an_address_that_finds_nobody(town: Town, method: Password, hasher: Hasher, address: str) -> None:
    """An address that is unknown, or is none at all, is refused like a wrong password."""
    await town.settle("ada", await hasher.hash(PASSWORD))

    assert await method.prove(town.store, address=address, password=PASSWORD, now=NOW) == NO


@pytest.mark.parametrize("wrong", ["", "The tide forgets", "the tide forgets ", "the  tide forgets", "the tide forget"])
async def test_a_wrong_password(town: Town, method: Password, hasher: Hasher, wrong: str) -> None:
    """A password is compared exactly as typed: no case, no space and no last letter is forgiven."""
    await town.settle("ada", await hasher.hash(PASSWORD))

    assert await town.login(method, "ada", wrong) == NO


async def test_somebody_elses_password(town: Town, method: Password, hasher: Hasher) -> None:
    """A password proves its own user and nobody else."""
    await town.settle("ada", await hasher.hash(PASSWORD))
    await town.settle("bob", await hasher.hash("the other one"))

    assert await town.login(method, "bob", PASSWORD) == NO
    assert await town.login(method, "ada", "the other one") == NO


async def test_no_password_set(town: Town, method: Password, hasher: Hasher) -> None:
    """A user without a password is proved by none, not even by the one behind the dummy or by an empty one."""
    await town.settle("ada", None)

    for password in ("", PASSWORD, hasher.dummy):
        assert await town.login(method, "ada", password) == NO


async def test_another_kind_of_credential(town: Town, method: Password, hasher: Hasher) -> None:
    """A credential of another kind is no password, even if it holds a hash."""
    await town.settle("ada", None)
    made = await method.credential("user-ada", PASSWORD, credential_id="c", now=NOW, words=())
    async with town.store.write() as tx:
        await tx.credentials.add(replace(made, kind="recovery"))

    assert await town.login(method, "ada", PASSWORD) == NO


async def test_a_disabled_user(town: Town, method: Password, hasher: Hasher) -> None:
    """A disabled user is told apart from a stranger only by who knows the password."""
    await town.settle("ada", await hasher.hash(PASSWORD), disabled=True)

    assert await town.login(method, "ada", PASSWORD) == Denied(Reason.USER_DISABLED)
    assert await town.login(method, "ada", "wrong") == NO


@pytest.mark.parametrize("stored", ["", "x", "$argon2id$v=19$m=8,t=1,p=1$", "\ud800"])
async def test_a_damaged_credential(town: Town, method: Password, stored: str) -> None:
    """A stored hash that cannot be read is of no password, and no error."""
    await town.settle("ada", stored)

    for password in ("", PASSWORD, stored):
        assert await town.login(method, "ada", password) == NO


async def test_once_more(town: Town, method: Password, hasher: Hasher) -> None:
    """A user who is known already is proved once more by the same rules, at the time it happens."""
    await town.settle("ada", await hasher.hash(PASSWORD))
    await town.settle("eve", await hasher.hash(PASSWORD), disabled=True)
    await town.settle("bob", None)
    later = NOW + timedelta(hours=1)

    async def reprove(user_id: str, password: str) -> Proof | Denied:
        return await method.reprove(town.store, user_id=user_id, password=password, now=later)

    assert await reprove("user-ada", PASSWORD) == Proof(
        user_id="user-ada", amr=("pwd",), at=later, credential_id="cred-ada", credential_version=1
    )
    assert await reprove("user-ada", "wrong") == NO
    assert await reprove("user-eve", PASSWORD) == Denied(Reason.USER_DISABLED)
    assert await reprove("user-bob", PASSWORD) == NO
    assert await reprove("user-nobody", PASSWORD) == NO
    assert await reprove("", PASSWORD) == NO


# ------------------------------------------------------------------------------------------------ Unicode and length


@pytest.mark.parametrize("word", ["crème brûlée für Åse", "Việt Nam đẹp lắm", "한국어 비밀번호 열쇠", "ᾂ ode to omega"])
async def test_composed_and_decomposed(town: Town, method: Password, hasher: Hasher, word: str) -> None:
    """A password registered in one form of Unicode logs in in the other."""
    composed, decomposed = unicodedata.normalize("NFC", word), unicodedata.normalize("NFD", word)
    assert composed != decomposed

    for registered, typed in ((composed, decomposed), (decomposed, composed)):
        name = "nfc" if registered == composed else "nfd"
        made = await method.credential(f"user-{name}", registered, credential_id="c", now=NOW, words=())
        await town.settle(name, made.secret)

        assert isinstance(await town.login(method, name, typed), Proof)
        assert isinstance(await town.login(method, name, registered), Proof)


@pytest.mark.parametrize(("one", "other"), [("ﬁ", "fi"), ("\uff21", "A"), ("①", "1"), ("ß", "ss"), ("é", "e")])
def test_only_what_looks_the_same_is_the_same(one: str, other: str) -> None:
    """Normalising joins two ways to write one character. Two characters that are merely alike stay two."""
    assert normalise(one) != normalise(other)


def test_normalising_once_is_enough() -> None:
    """Normalising changes nothing the second time, and nothing at all in ASCII."""
    word = unicodedata.normalize("NFD", "Ångström ᾂ 한")

    assert normalise(normalise(word)) == normalise(word) != word
    assert normalise(" Plain ASCII \t~") == " Plain ASCII \t~"


@pytest.mark.parametrize("filler", ["p", "é", "中", "😀"])
async def test_the_longest_password(town: Town, method: Password, hasher: Hasher, filler: str) -> None:
    """256 characters count to the very last, whatever each takes in UTF-8; one more is refused as wrong."""
    longest = filler * 256
    await town.settle("ada", await hasher.hash(longest))
    await town.settle("bob", await hasher.hash(longest + filler))

    assert isinstance(await town.login(method, "ada", longest), Proof)
    assert await town.login(method, "ada", longest[:-1] + "x") == NO
    assert await town.login(method, "ada", longest[:-1]) == NO
    assert await town.login(method, "ada", longest + filler) == NO
    assert await town.login(method, "bob", longest + filler) == NO


async def test_length_is_counted_composed(town: Town, method: Password, hasher: Hasher) -> None:
    """A password of 256 characters may arrive as 1,024 code points: what counts is what is hashed."""
    composed = "ᾂ" * 256
    decomposed = unicodedata.normalize("NFD", composed)
    await town.settle("ada", await hasher.hash(composed))

    assert len(decomposed) == 1024
    assert isinstance(await town.login(method, "ada", decomposed), Proof)
    assert await town.login(method, "ada", decomposed + "x") == NO


async def test_the_73rd_byte_counts(town: Town, method: Password, hasher: Hasher) -> None:
    """Two passwords that differ only in their 73rd byte are two: nothing is cut off, as bcrypt would."""
    await town.settle("ada", await hasher.hash("p" * 72 + "a"))

    assert isinstance(await town.login(method, "ada", "p" * 72 + "a"), Proof)
    assert await town.login(method, "ada", "p" * 72 + "b") == NO
    assert await town.login(method, "ada", "p" * 72) == NO


@pytest.mark.parametrize("odd", ["\x00", "half \ud800", "\udfff half", "a\x00b"])
async def test_what_cannot_be_a_password(town: Town, method: Password, hasher: Hasher, odd: str) -> None:
    """A NUL or half of a surrogate pair is in no password: refused like a wrong one, even if its hash is stored."""
    await town.settle("ada", await hasher.hash(odd))
    await town.settle("bob", await hasher.hash(""))

    assert await town.login(method, "ada", odd) == NO
    assert await town.login(method, "bob", odd) == NO


# ---------------------------------------------------------------------------------------------- when it cannot be said


async def test_too_much_is_waiting(town: Town) -> None:
    """When too much is waiting, everybody hears that alike: who exists and who does not."""
    method = Password(replace(CHEAPEST.password, waiting=0), hasher=Hasher(replace(CHEAPEST.password, waiting=0)))
    await town.settle("ada", method._hasher.dummy)
    method._hasher._taken = method._hasher._room

    for name in ("ada", "nobody"):
        with pytest.raises(Overloaded):
            await town.login(method, name, PASSWORD)
    method.close()


async def test_the_store_cannot_answer(town: Town, method: Password) -> None:
    """When the store cannot answer, nobody is called wrong."""
    await town.store.close()

    with pytest.raises(Unavailable):
        await town.login(method, "ada", PASSWORD)


async def test_closed(town: Town) -> None:
    """A method makes a hasher of its own if it was given none; once closed, it refuses to say."""
    method = Password(CHEAPEST.password)
    made = await method.credential("user-ada", PASSWORD, credential_id="c", now=NOW, words=())
    await town.settle("ada", made.secret)
    before = await town.login(method, "ada", PASSWORD)
    method.close()

    assert isinstance(before, Proof)
    with pytest.raises(Unavailable):
        await town.login(method, "ada", PASSWORD)


async def test_whose_password_it_is(town: Town, method: Password, hasher: Hasher) -> None:
    """A credential's own password matches it, composed or not, and nothing else does; no credential has any."""
    credential = await town.settle("ada", await hasher.hash(normalise("the tide forgets é")))

    assert await method.matches(credential, "the tide forgets e\u0301")
    for wrong in ("the tide forgets e", "", "\x00", "x" * 10_000):
        assert not await method.matches(credential, wrong)
        assert not await method.matches(None, wrong)


async def test_no_credential_costs_the_same() -> None:
    """Whether there is a credential or not, and whatever is typed, one hash is verified."""
    hasher = Watched(CHEAPEST.password)
    method = Password(CHEAPEST.password, hasher=hasher)
    secret = await hasher.hash(PASSWORD)
    credential = Credential(id="c", user_id="u", kind="password", secret=secret, changed_at=NOW)

    for asked in (credential, None):
        for typed in (PASSWORD, "wrong", "\x00", "x" * 10_000):
            hasher.against.clear()
            await method.matches(asked, typed)
            assert len(hasher.against) == 1
    hasher.close()
