"""A language: its catalog of texts, and how it writes dates and numbers."""

import gettext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from babel import Locale

LOCALE: Final = Path(__file__).parent / "locale"
DOMAIN: Final = "ostiary"

_NOW: Final = timedelta(seconds=45)
"""What is nearer than this is "just now": from there on Babel rounds to a minute."""

_UNITS: Final = (
    ("duration-week", timedelta(weeks=1)),
    ("duration-day", timedelta(days=1)),
    ("duration-hour", timedelta(hours=1)),
    ("duration-minute", timedelta(minutes=1)),
    ("duration-second", timedelta(seconds=1)),
    ("duration-microsecond", timedelta(microseconds=1)),
)


def mark(message: str) -> str:
    """Return a message as it is. It is collected for the catalogs, and translated when it is said."""
    return message


@dataclass(frozen=True)
class Language:
    """One of the languages. `tag` is its name for machines (BCP 47), `name` what its own speakers call it."""

    tag: str
    name: str

    @property
    def code(self) -> str:
        """Its tag as gettext and Babel write it."""
        return self.tag.replace("-", "_")

    # -------------------------------------------------------------------------------------------- texts

    def text(self, message: str, **values: object) -> str:
        """Say a message. With values, their places are `%(name)s`, and a percent sign is doubled."""
        said = self.translations.gettext(message)
        return said % values if values else said

    def plural(self, one: str, many: str, n: int, **values: object) -> str:
        """Say a message in the form that a number asks for. The number is the value `n`."""
        return self.translations.ngettext(one, many, n) % {"n": self.number(n), **values}

    @cached_property
    def translations(self) -> gettext.NullTranslations:
        """The catalog. English has none: its texts are the messages themselves."""
        file = LOCALE / self.code / "LC_MESSAGES" / f"{DOMAIN}.mo"
        if self is ENGLISH:
            return gettext.NullTranslations()
        with file.open("rb") as catalog:
            return gettext.GNUTranslations(catalog)

    # -------------------------------------------------------------------------------------------- dates and numbers

    def number(self, n: int) -> str:
        """Write a whole number."""
        from babel.numbers import format_decimal  # noqa: PLC0415 - see `_locale`

        return format_decimal(n, locale=self._locale)

    def date(self, at: datetime) -> str:
        """Write a day, as it was in UTC."""
        from babel.dates import format_date  # noqa: PLC0415 - see `_locale`

        return format_date(at.astimezone(UTC), "long", locale=self._locale)

    def moment(self, at: datetime) -> str:
        """Write a day and the time of day, in UTC, and say so: nobody here knows where the reader is."""
        from babel.dates import format_time, get_datetime_format  # noqa: PLC0415 - see `_locale`

        time = format_time(at.astimezone(UTC).time(), "short", locale=self._locale)
        pattern = str(get_datetime_format("medium", locale=self._locale)).replace("'", "")
        return pattern.replace("{1}", self.date(at)).replace("{0}", f"{time} UTC")

    def ago(self, at: datetime, *, now: datetime) -> str:
        """Say how long ago something was: "3 minutes ago". What is to come is "just now": two clocks may differ."""
        from babel.dates import format_timedelta  # noqa: PLC0415 - see `_locale`

        past = now - at
        if past < _NOW:
            return self.text("just now")
        return format_timedelta(-past, granularity="minute", add_direction=True, locale=self._locale)

    def span(self, length: timedelta) -> str:
        """Say how long something lasts, in the largest unit that fits exactly: "15 minutes"."""
        from babel.units import format_unit  # noqa: PLC0415 - see `_locale`

        name, unit = next((name, unit) for name, unit in _UNITS if length % unit == timedelta())
        return format_unit(length // unit, name, "long", locale=self._locale)

    @cached_property
    def _locale(self) -> "Locale":
        # Babel is heavy, and only who writes a date needs it.
        from babel import Locale  # noqa: PLC0415

        return Locale.parse(self.code)


ENGLISH: Final = Language("en", "English")
LANGUAGES: Final = (
    ENGLISH,
    Language("de", "Deutsch"),
    Language("es", "Español"),
    Language("fr", "Français"),
    Language("pt", "Português"),
    Language("ja", "日本語"),
    Language("zh-Hans", "简体中文"),
)
"""All languages, as a person would be let choose among them."""
