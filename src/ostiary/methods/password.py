"""Passwords: what one must be, and how one proves a user (NIST SP 800-63B-4 section 3.1.1.2).

What a login with an address and a password leads to. Every row costs the same three look-ups and one verification at
the same parameters, so that from outside no row can be told from another:

| the address finds          | the password is       | answer                       |
|----------------------------|-----------------------|------------------------------|
| nobody, or is no address   | anything              | `Denied(BAD_CREDENTIALS)`    |
| a user without a password  | anything              | `Denied(BAD_CREDENTIALS)`    |
| anyone                     | unusable, or wrong    | `Denied(BAD_CREDENTIALS)`    |
| a disabled user            | right                 | `Denied(USER_DISABLED)`      |
| a user                     | right                 | `Proof`                      |

One thing still shows: a hash made at other costs than today's takes its own time, until its user has logged in once.
"""

import re
import threading
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain, islice
from typing import Final

from zxcvbn import matching, zxcvbn

from ostiary.core.assurance import Proof
from ostiary.core.decision import Denied, Reason
from ostiary.core.identifier import email
from ostiary.core.policy import PasswordPolicy
from ostiary.core.user import Credential, User
from ostiary.errors import Unavailable, WeakPassword
from ostiary.languages import mark
from ostiary.methods.argon2 import Hasher
from ostiary.ports import Store, Transaction

KIND: Final = "password"
AMR: Final = ("pwd",)

_FIELD: Final = "password"
_UNUSABLE: Final = re.compile("[\x00\ud800-\udfff]")
_NOBODY: Final = "nobody"
"""The id that no user has. An empty one would not do: for that, a store need not look."""
_MOST_DECOMPOSED: Final = 4
"""No character decomposes into more code points than this under NFC."""


def normalise(password: str) -> str:
    """Return a password as it is hashed: in NFC, and otherwise exactly as typed.

    The same word typed on two keyboards may arrive composed or decomposed; to a person it is one password.
    """
    return unicodedata.normalize("NFC", password)


class Password:
    """The method: proves a user by a password, and makes the credential for one.

    It hashes with `hasher`, if not given with one of its own. No password may be built on the name of the `service`.
    """

    def __init__(self, policy: PasswordPolicy, *, hasher: Hasher | None = None, service: str = "") -> None:
        self._policy = policy
        self._hasher = hasher or Hasher(policy)
        self._service = service

    def reads(self, secret: str) -> bool:
        """Say whether this is a hash that a password can be compared with, made here or elsewhere."""
        return self._hasher.reads(secret)

    def open(self) -> None:
        """Begin, or begin again after a `close`."""
        self._hasher.open()

    def close(self) -> None:
        """Let go of the hasher's threads. Whatever is asked afterwards is `Unavailable`."""
        self._hasher.close()

    # -------------------------------------------------------------------------------------------- proving

    async def prove(self, store: Store, *, address: str, password: str, now: datetime) -> Proof | Denied:
        """Prove the user with this e-mail address. The table at the top says what leads to what.

        Raises:
            Overloaded: too many passwords are being checked already.
            Unavailable: the store cannot answer.
        """
        async with store.read() as tx:
            identifier = await tx.identifiers.get("email", email(address) or "")
            account = await _account(tx, _NOBODY if identifier is None else identifier.user_id)
        return await self._judge(store, account, password, now=now)

    async def reprove(self, store: Store, *, user_id: str, password: str, now: datetime) -> Proof | Denied:
        """Prove a user who is known already once more: for a step-up, or before the password is changed.

        Raises:
            Overloaded: too many passwords are being checked already.
            Unavailable: the store cannot answer.
        """
        async with store.read() as tx:
            account = await _account(tx, user_id)
        return await self._judge(store, account, password, now=now)

    async def _judge(self, store: Store, account: "_Account", password: str, *, now: datetime) -> Proof | Denied:
        user, credential = account.user, account.credential
        typed = self._usable(password)
        if user is None or credential is None or typed is None:
            await self._hasher.verify(self._hasher.dummy, "" if typed is None else typed)
            return Denied(Reason.BAD_CREDENTIALS)
        if not await self._hasher.verify(credential.secret, typed, typed=password):
            return Denied(Reason.BAD_CREDENTIALS)
        if user.disabled_at is not None:
            return Denied(Reason.USER_DISABLED)
        if self._hasher.needs_rehash(credential.secret):
            # The proof stands already. Whatever keeps the new hash from being stored, the next login tries again.
            with suppress(Unavailable):
                await self._rehash(store, credential, typed)
        return Proof(
            user_id=user.id,
            amr=AMR,
            at=now,
            credential_id=credential.id,
            credential_version=credential.version,
        )

    async def _rehash(self, store: Store, old: Credential, typed: str) -> None:
        new = replace(old, secret=await self._hasher.hash(typed))
        async with store.write() as tx:
            # A lost swap means that the password was changed meanwhile, or hashed anew by another login: both may stay.
            await tx.credentials.swap(old, new)

    def _usable(self, password: str) -> str | None:
        """Return a password as it is hashed, or `None` when it is too long or cannot be written down."""
        if len(password) > self._policy.longest * _MOST_DECOMPOSED or _UNUSABLE.search(password):
            return None  # before normalising, whose time grows with the square of a hostile length
        typed = normalise(password)
        return typed if len(typed) <= self._policy.longest else None

    # -------------------------------------------------------------------------------------------- registering

    async def credential(
        self, user_id: str, password: str, *, credential_id: str, now: datetime, words: Sequence[str]
    ) -> Credential:
        """Make the credential of a user's first password. `words` and errors are as for `check_new`."""
        await self.check_new(password, words=words)
        secret = await self._hasher.hash(normalise(password))
        return Credential(id=credential_id, user_id=user_id, kind=KIND, secret=secret, changed_at=now)

    async def replaced(self, old: Credential, password: str, *, now: datetime, words: Sequence[str]) -> Credential:
        """Return the credential with a new password and the next version. `words` and errors are as for `check_new`."""
        await self.check_new(password, words=words)
        secret = await self._hasher.hash(normalise(password))
        return replace(old, secret=secret, version=old.version + 1, changed_at=now)

    async def matches(self, credential: Credential | None, password: str) -> bool:
        """Tell whether this is the password of a credential. With no credential it is not, and that costs the same."""
        typed = self._usable(password)
        if credential is None or typed is None:
            await self._hasher.verify(self._hasher.dummy, "" if typed is None else typed)
            return False
        return await self._hasher.verify(credential.secret, typed)

    async def check_new(self, password: str, *, words: Sequence[str]) -> None:
        """Check that a new password is neither too short, nor too long, nor easy to guess. Nothing else is asked of it.

        `words` are what an attacker knows of the user: address and name, whole; their parts are found here.

        Raises:
            WeakPassword: it is, and why.
            Overloaded: too many passwords are being checked already.
        """
        if _UNUSABLE.search(password):
            raise WeakPassword(_FIELD, "A password cannot contain a NUL character or half of a surrogate pair.")
        typed = self._usable(password)
        if typed is None:
            raise WeakPassword(_FIELD, "Use at most %(most)s characters.", most=self._policy.longest)
        if len(typed) < self._policy.shortest:
            raise WeakPassword(_FIELD, "Use at least %(least)s characters.", least=self._policy.shortest)
        known = _parts(("ostiary", self._service, *words))
        why = await self._hasher.run(lambda: _weakness(typed, known, least=self._policy.least_strength))
        if why is not None:
            raise WeakPassword(_FIELD, why)


@dataclass(frozen=True, slots=True)
class _Account:
    user: User | None
    credential: Credential | None


async def _account(tx: Transaction, user_id: str) -> _Account:
    """Look a user up with their password. `_NOBODY` finds nothing, and costs the same look-ups as one that is there."""
    user = await tx.users.get(user_id)
    found = await tx.credentials.of(user_id, KIND)
    return _Account(user, max(found, key=lambda credential: credential.changed_at, default=None))


# ------------------------------------------------------------------------------------------------ how easy to guess

_PIECE: Final = 48
_LEAST_PIECE: Final = 16
_MOST_SUBSTITUTES: Final = 8
_SUBSTITUTES: Final = frozenset(chain.from_iterable(matching.L33T_TABLE.values()))

_LONGEST_WORD: Final = 256
_MOST_WORDS: Final = 100
_LEAST_WORD: Final = 3

_REPEATS: Final = mark("Repeating something does not make it much harder to guess.")
_KNOWN: Final = mark("It is built on your name, your address or the name of this service.")

# What zxcvbn says is not ours, and is translated all the same.
_MORE: Final = mark("Add another word or two. Uncommon words are better.")
FEEDBACK: Final = (
    _MORE,
    mark("Use a few words, avoid common phrases."),
    mark("No need for symbols, digits, or uppercase letters."),
    mark("Straight rows of keys are easy to guess."),
    mark("Short keyboard patterns are easy to guess."),
    mark("Use a longer keyboard pattern with more turns."),
    mark('Repeats like "aaa" are easy to guess.'),
    mark('Repeats like "abcabcabc" are only slightly harder to guess than "abc".'),
    mark("Avoid repeated words and characters."),
    mark('Sequences like "abc" or "6543" are easy to guess.'),
    mark("Avoid sequences."),
    mark("Recent years are easy to guess."),
    mark("Avoid recent years."),
    mark("Avoid years that are associated with you."),
    mark("Dates are often easy to guess."),
    mark("Avoid dates and years that are associated with you."),
    mark("This is a top-10 common password."),
    mark("This is a top-100 common password."),
    mark("This is a very common password."),
    mark("This is similar to a commonly used password."),
    mark("A word by itself is easy to guess."),
    mark("Names and surnames by themselves are easy to guess."),
    mark("Common names and surnames are easy to guess."),
    mark("Capitalization doesn't help very much."),
    mark("All-uppercase is almost as easy to guess as all-lowercase."),
    mark("Reversed words aren't much harder to guess."),
    mark("Predictable substitutions like '@' instead of 'a' don't help very much."),
)

_one_at_a_time: Final = threading.Lock()
"""`zxcvbn` keeps the user's words in a table of the whole process, so two users' words must never be in it together."""


def _weakness(password: str, known: Sequence[str], *, least: int) -> str | None:
    """Say in a sentence why a password is easier to guess than `least` allows, or `None`.

    A password is at least as hard to guess as any part of it, and about as hard as what it repeats. So it is judged by
    what it repeats, piece by piece, until one piece is hard enough.
    """
    repeated = _repeated(password)
    reasons: list[str] = []
    for piece in _pieces(repeated):
        score, reason = _guessed(piece, known)
        if score >= least:
            return None
        reasons.append(reason)
    return reasons[0] if repeated == password else _REPEATS


def _guessed(piece: str, known: Sequence[str]) -> tuple[int, str]:
    with _one_at_a_time:
        try:
            result = zxcvbn(piece, known, max_length=_PIECE)
        finally:
            matching.RANKED_DICTIONARIES["user_inputs"] = {}  # or the last user's words would stay in memory
    if any(match.get("dictionary_name") == "user_inputs" for match in result["sequence"]):
        return result["score"], _KNOWN
    feedback = result["feedback"]
    return result["score"], feedback["warning"] or next(iter(feedback["suggestions"]), _MORE)


def _repeated(password: str) -> str:
    """Return the shortest beginning that, repeated, makes the whole password. The last time may be cut short."""
    for length in range(1, len(password) // 2 + 1):
        if password.startswith(password[length:]):
            return password[:length]
    return password


def _pieces(password: str) -> Iterator[str]:
    """Cut a password into pieces that `zxcvbn` judges within a tenth of a second.

    Its time grows with the cube of the length and, worse, with the number of ways to read `4`, `@`, `$` as letters: 64
    characters with all of them keep it busy for more than a second. No piece but the last is so short that it cannot be
    strong.
    """
    start = 0
    while start < len(password):
        end = start + _LEAST_PIECE
        while end < min(start + _PIECE, len(password)) and _substitutes(password[start : end + 1]) <= _MOST_SUBSTITUTES:
            end += 1
        yield password[start:end]
        start = end


def _substitutes(piece: str) -> int:
    return len(_SUBSTITUTES.intersection(piece))


def _parts(words: Iterable[str]) -> Sequence[str]:
    """Return the words, and the parts and joins of them that a person would build a password on, each once."""
    return tuple(islice(dict.fromkeys(part for word in words for part in _split(word)), _MOST_WORDS))


def _split(word: str) -> Iterator[str]:
    whole = normalise(word[:_LONGEST_WORD]).lower()
    for half in (whole, *whole.split("@")):
        parts = [part for part in re.split(r"[\W_]+", half) if part]
        yield from (part for part in (half, "".join(parts), *parts) if len(part) >= _LEAST_WORD)
