"""When a letter that could not be sent is tried again, and what is shown of one."""

from datetime import UTC, datetime, timedelta

from ostiary.core.letter import About, Letter, next_try

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_pauses() -> None:
    """The first pause is a second; each is twice the one before, up to an hour, for three days; then no more."""
    pauses: list[timedelta] = []
    now, at = NOW, next_try(written_at=NOW, tries=1, now=NOW)
    while at is not None:
        pauses.append(at - now)
        now = at
        at = next_try(written_at=NOW, tries=len(pauses) + 1, now=now)

    assert pauses[:13] == [timedelta(seconds=min(2**n, 3600)) for n in range(13)]
    assert set(pauses[12:]) == {timedelta(hours=1)}
    assert timedelta(days=3, hours=-1) < now - NOW <= timedelta(days=3)


def test_however_often_it_was_tried() -> None:
    """A pause stays an hour, however large the count of tries is."""
    assert next_try(written_at=NOW, tries=10**6, now=NOW) == NOW + timedelta(hours=1)


def test_nothing_is_shown() -> None:
    """A letter does not show whom it is to, nor what is in it."""
    letter = Letter(
        id="l1",
        to="ada@example.com",
        about=About.RESET_PASSWORD,
        language="de",
        values={"link": "https://id.example/auth/reset?token=secret", "code": "123456"},
        created_at=NOW,
    )

    for shown in (repr(letter), str(letter), f"{letter}"):
        assert "ada@" not in shown
        assert "secret" not in shown
        assert "123456" not in shown
