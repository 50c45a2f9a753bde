"""Where in the world an address is, roughly, from a file that the operator brings (MaxMind's format, `.mmdb`).

It tells a person which of their devices is meant, and decides nothing.
"""

from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Protocol, cast

from ostiary.errors import Misconfigured
from ostiary.languages import Language


class _Database(Protocol):
    """What of a reader is used: its own types say too little."""

    def get(self, ip_address: str, /) -> object: ...


_CALLED: Final = {"pt": "pt-BR", "zh-Hans": "zh-CN"}
"""What such a file calls a language, where it is not the tag."""
_OTHERWISE: Final = "en"
_LONGEST: Final = 64


class Places:
    """Names places. Without a file it knows none.

    Raises:
        Misconfigured: the file cannot be used; one line says why.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._reader = None if file is None else _open(file)

    def of(self, address: str, language: Language) -> str:
        """Return the city and the country of an address, or as much as is known of them: perhaps nothing."""
        record: object = None
        if self._reader is not None:
            # It is no address, or one of a kind that is not in the file, or the file was damaged since.
            with suppress(ValueError, RuntimeError):
                record = self._reader.get(address)
        city, country = _name(record, "city", language), _name(record, "country", language)
        if city and country:
            return language.text("%(city)s, %(country)s", city=city, country=country)
        return city or country


def _open(file: Path) -> _Database:
    try:
        import maxminddb  # noqa: PLC0415 - an extra
    except ImportError:
        raise Misconfigured("a geoip file needs the package maxminddb; run: pip install 'ostiary[geoip]'") from None
    try:
        database: _Database = cast("Any", maxminddb).open_database(file)
        return database
    except OSError as error:
        raise Misconfigured(f"cannot read the geoip file {file}: {error.strerror or error}") from None
    except (maxminddb.InvalidDatabaseError, ValueError, TypeError):
        raise Misconfigured(f"the geoip file {file} is not a MaxMind database (.mmdb)") from None


def _name(record: object, what: str, language: Language) -> str:
    """Return a name from a record. It is a stranger's file: anything may stand anywhere in it."""
    names = _member(_member(record, what), "names")
    for called in (_CALLED.get(language.tag, language.tag), _OTHERWISE):
        name = _member(names, called)
        if isinstance(name, str) and name.isprintable():
            return name[:_LONGEST]
    return ""


def _member(record: object, name: str) -> object:
    return cast("dict[str, object]", record).get(name) if isinstance(record, dict) else None
