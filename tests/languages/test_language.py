"""What a language says, and how it writes dates and numbers."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from jinja2 import DictLoader, UndefinedError

from ostiary.languages import ENGLISH, LANGUAGES, Language, environment, of

NOW = datetime(2026, 11, 24, 15, 4, tzinfo=UTC)
GERMAN = of("de")


def test_texts_with_values() -> None:
    """A text is said in the language, with its values in their places; one without a catalog entry stays as it is."""
    assert GERMAN.text("Use at least %(least)s characters.", least=15) == "Verwenden Sie mindestens 15 Zeichen."
    assert ENGLISH.text("Use at least %(least)s characters.", least=15) == "Use at least 15 characters."
    assert GERMAN.text("100% of nothing") == "100% of nothing"


def test_plurals() -> None:
    """A number asks for its form, and is written as the language writes it."""
    said = [ENGLISH.plural("one door", "%(n)s doors", n) for n in (1, 1200)]

    assert said == ["one door", "1,200 doors"]


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.tag)
def test_every_language_writes_dates(language: Language) -> None:
    """A moment is in UTC and says so, wherever it was; the past and a span are in words."""
    elsewhere = NOW.astimezone(timezone(timedelta(hours=9)))

    assert language.moment(elsewhere) == language.moment(NOW)
    assert {"2026", "UTC"} <= set(language.moment(NOW).replace("年", " ").replace(",", "").split())
    assert "3" in language.ago(NOW - timedelta(minutes=3), now=NOW)
    assert "15" in language.span(timedelta(minutes=15))


def test_ago() -> None:
    """What was is said in its largest unit; the last moments, and what two clocks put into the future, are now."""
    pasts = [timedelta(minutes=3), timedelta(hours=2), timedelta(days=3), timedelta(seconds=2), timedelta(minutes=-5)]

    assert [GERMAN.ago(NOW - past, now=NOW) for past in pasts] == [
        *("vor 3 Minuten", "vor 2 Stunden", "vor 3 Tagen"),
        *("gerade eben", "gerade eben"),
    ]


def test_spans_are_exact() -> None:
    """How long something lasts is never rounded."""
    spans = [timedelta(minutes=15), timedelta(minutes=90), timedelta(days=7), timedelta(hours=36)]

    assert [ENGLISH.span(span) for span in spans] == ["15 minutes", "90 minutes", "1 week", "36 hours"]


def test_templates() -> None:
    """A template is in the language that it is rendered with, one environment for all; values are escaped."""
    page = environment(DictLoader({"a.html": "{{ _('Sign in') }} {% trans %}Hello, {{ name }}{% endtrans %}"}))

    said = [page.get_template("a.html").render(language=language, name="<b>") for language in (ENGLISH, GERMAN)]

    assert said == ["Sign in Hello, &lt;b&gt;", "Anmelden Guten Tag, &lt;b&gt;"]


def test_a_template_without_a_language() -> None:
    """A template that was given no language is an error, not English."""
    page = environment(DictLoader({"a.html": "{{ _('Sign in') }}"}))

    with pytest.raises((KeyError, UndefinedError)):
        page.get_template("a.html").render()
