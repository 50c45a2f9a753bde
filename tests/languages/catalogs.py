"""The catalogs of texts: what is collected from the sources, what is translated, and the making of the files.

`python -m tests.languages.catalogs` (`make texts`) brings every `.po` up to what the sources say and compiles it. A
message that is new there stands untranslated, one that is gone is removed. It says what is left to translate.
"""

import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

import ostiary
from ostiary.languages import ENGLISH, LANGUAGES, Language
from ostiary.languages.language import DOMAIN, LOCALE

SOURCES = Path(ostiary.__file__).parent
TEMPLATES = (".html", ".txt")

KEYWORDS: dict[str, tuple[int, ...] | None] = {
    "_": None,
    "gettext": None,
    "ngettext": (1, 2),
    "mark": None,
    "text": None,
    "plural": (1, 2),
    # the sentences that people read of a refusal
    "Row": (3,),
    "FieldError": (2,),
    "Invalid": (2,),
    "WeakPassword": (2,),
    "Taken": (2,),
}
"""The calls that take a message, and which of their arguments it is."""

NOT_SAID = ("cli/", "server/", "stores/", "auth/keys.py", "auth/verifiers.py", "sync/")
"""Where only operators are spoken to, in English; and the twin, whose texts are those of its source."""

OPTIONS = {"trimmed": "true", "newstyle_gettext": "true", "silent": "false"}
FIXED = datetime(2026, 1, 1, tzinfo=UTC)
"""Babel writes dates into a catalog. One that never changes keeps two runs equal."""
WRITTEN_BY_BABEL = re.compile(
    rb'^"(POT-Creation-Date|PO-Revision-Date|Last-Translator|Language-Team|Generated-By|Report-Msgid-Bugs-To):.*\n',
    re.MULTILINE,
)

TRANSLATED = tuple(language for language in LANGUAGES if language is not ENGLISH)


def collected() -> Catalog:
    """Collect every message of the sources and the templates."""
    catalog = Catalog(project="ostiary")
    for file in sorted(SOURCES.rglob("*")):
        place = file.relative_to(SOURCES)
        is_template = file.suffix in TEMPLATES and "templates" in place.parts
        if not is_template and (file.suffix != ".py" or place.as_posix().startswith(NOT_SAID)):
            continue
        method = "jinja2.ext:babel_extract" if is_template else "python"
        with file.open("rb") as source:
            for _, message, comments, context in extract(
                method, source, KEYWORDS, comment_tags=("Translators:",), options=OPTIONS
            ):
                catalog.add(message, locations=[(place.as_posix(), 0)], auto_comments=comments, context=context)
    return catalog


def po(language: Language) -> Path:
    """Return where a language's translations stand."""
    return LOCALE / language.code / "LC_MESSAGES" / f"{DOMAIN}.po"


def translated(language: Language) -> Catalog:
    """Read a language's translations."""
    with po(language).open("rb") as file:
        return read_po(file, locale=language.code, domain=DOMAIN)


def messages(catalog: Catalog) -> Iterator[Message]:
    """Return the messages of a catalog, without its header."""
    return (message for message in catalog if message.id)


def update(language: Language, source: Catalog) -> list[str]:
    """Bring a language's files up to the sources. Return the messages that it does not have."""
    file = po(language)
    file.parent.mkdir(parents=True, exist_ok=True)
    catalog = translated(language) if file.exists() else Catalog(locale=language.code)
    catalog.update(source, no_fuzzy_matching=True, update_creation_date=False)
    catalog.obsolete.clear()
    written = io.BytesIO()
    write_po(written, catalog, width=120, sort_by_file=True, include_lineno=False, ignore_obsolete=True)
    file.write_bytes(WRITTEN_BY_BABEL.sub(b"", written.getvalue()))
    compiled = translated(language)
    compiled.creation_date = compiled.revision_date = FIXED
    with file.with_suffix(".mo").open("wb") as out:
        write_mo(out, compiled)
    return [str(message.id) for message in messages(catalog) if not all(forms(message.string))]


def forms(message: object) -> tuple[str, ...]:
    """Return the forms of a message or of its translation: one, or one for each kind of number."""
    return tuple(message) if isinstance(message, list | tuple) else (str(message or ""),)


if __name__ == "__main__":
    found = collected()
    for one in TRANSLATED:
        missing = update(one, found)
        print(f"{one.tag}: {len(found)} messages, {len(missing)} to translate", *missing, sep="\n  ")
