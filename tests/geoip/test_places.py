"""Where an address is: told from the operator's file, in the reader's language, and never trusted."""

from pathlib import Path

import pytest

from ostiary.errors import Misconfigured
from ostiary.geoip import Places
from ostiary.languages import of
from ostiary.server.data import prepare
from ostiary.server.settings import load
from tests.geoip.mmdb import MARK, database

MUNICH = {
    "city": {"names": {"en": "Munich", "de": "München", "ja": "ミュンヘン"}},
    "country": {"names": {"en": "Germany", "de": "Deutschland", "ja": "ドイツ連邦共和国", "zh-CN": "德国"}},
}
PLACES: dict[str, object] = {
    "192.0.2.0/24": MUNICH,
    "198.51.100.0/24": {"country": {"names": {"en": "Brazil", "pt-BR": "Brasil"}}},
    "203.0.113.0/25": {"city": "Munich", "country": {"names": ["Germany"]}},
    "203.0.113.128/25": ["Munich"],
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A database of places."""
    made = tmp_path / "places.mmdb"
    made.write_bytes(database(PLACES))
    return made


def test_names_of_places(file: Path) -> None:
    """City and country are in the reader's language, else in English, as far as they are known."""
    places = Places(file)

    said = {tag: places.of("192.0.2.7", of(tag)) for tag in ("en", "de", "ja", "zh-Hans", "fr")}

    assert said == {
        "en": "Munich, Germany",
        "de": "München, Deutschland",
        "ja": "ドイツ連邦共和国 ミュンヘン",
        "zh-Hans": "德国 Munich",
        "fr": "Munich, Germany",
    }
    assert places.of("198.51.100.1", of("pt")) == "Brasil"


@pytest.mark.parametrize(
    "address", ["203.0.113.1", "203.0.113.200", "127.0.0.1", "2001:db8::1", "", "x", "1.2.3.4/8", "::ffff:9.9.9.9"]
)
def test_what_is_not_known(file: Path, address: str) -> None:
    """What is no address, is not in the file, or has a record of another shape is nowhere."""
    assert Places(file).of(address, of("en")) == ""


async def test_a_service_with_a_broken_file(tmp_path: Path) -> None:
    """A service whose file of places is broken does not start: one line names the file, before anything is made."""
    broken = tmp_path / "broken.mmdb"
    broken.write_bytes(b"not a database")
    toml = f'data = "data"\ngeoip = "{broken.name}"\n'
    (tmp_path / "ostiary.toml").write_text(toml)

    with pytest.raises(Misconfigured, match=r"^the geoip file \S+broken\.mmdb is not a MaxMind database[^\n]*$"):
        await prepare(load(flags={}, environ={}, folder=tmp_path))

    assert not (tmp_path / "data").exists()


def test_without_a_file() -> None:
    """Without a file no place is known."""
    assert Places().of("192.0.2.7", of("en")) == ""


@pytest.mark.parametrize("content", [b"", b"not a database", MARK, MARK + b"\xe0", MARK + b"\xe1\x41a\x41b"])
def test_a_broken_file(tmp_path: Path, content: bytes) -> None:
    """A file that is no database is refused in one line that names it."""
    file = tmp_path / "x.mmdb"
    file.write_bytes(content)

    with pytest.raises(Misconfigured) as refused:
        Places(file)

    assert str(file) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_damaged_file(file: Path) -> None:
    """A database that was cut short, at any byte, is refused or knows less: what it says can be shown."""
    whole = file.read_bytes()
    for length in range(0, len(whole), 7):
        file.write_bytes(whole[:length] + bytes(len(whole) - length) + whole[-200:])
        try:
            said = Places(file).of("192.0.2.7", of("en"))
        except Misconfigured:
            continue
        assert said.isprintable()


@pytest.mark.parametrize("name", ["missing.mmdb", "."])
def test_a_missing_file(tmp_path: Path, name: str) -> None:
    """A file that is not there, or is a folder, is refused in one line."""
    with pytest.raises(Misconfigured, match=r"^[^\n]*geoip file[^\n]*$"):
        Places(tmp_path / name)
