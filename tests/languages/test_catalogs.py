"""Every text is translated, in every language, and what is compiled is what is written."""

import ast
import gettext
import re
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from jinja2 import DictLoader, nodes

from ostiary.languages import Language, environment
from tests.languages.catalogs import (
    NOT_SAID,
    SOURCES,
    TEMPLATES,
    TRANSLATED,
    collected,
    forms,
    messages,
    po,
    translated,
)

PLACE = re.compile(r"%\(\w+\)[sd]|%%|<[^>]*>|`[^`]*`|https?://\S+")
FILES = sorted(file for file in SOURCES.rglob("*") if file.suffix in TEMPLATES and "templates" in file.parts)
PYTHON = sorted(file for file in SOURCES.rglob("*.py") if not file.relative_to(SOURCES).as_posix().startswith(NOT_SAID))
LETTER = re.compile(r"[^\W\d_]")
SAID = ("alt", "title", "placeholder", "aria-label", "aria-description")
"""The attributes that a person hears or reads."""


def places(text: str) -> list[str]:
    """Return what of a message must stand in every translation as it is: places of values, marks, code."""
    return sorted(PLACE.findall(text))


@pytest.fixture(scope="module")
def source() -> Catalog:
    """All messages of the sources."""
    return collected()


@pytest.fixture(params=TRANSLATED, ids=lambda language: language.tag)
def language(request: pytest.FixtureRequest) -> Language:
    """Each language that has a catalog."""
    found: Language = request.param
    return found


def test_every_message_is_translated(language: Language, source: Catalog) -> None:
    """Every message of the sources is in the catalog, with as many forms as the language has, and no other is."""
    catalog = translated(language)

    assert {str(message.id) for message in messages(catalog)} == {str(message.id) for message in messages(source)}
    for message in messages(catalog):
        assert not message.fuzzy, message.id
        assert len(forms(message.string)) == (catalog.num_plurals if message.pluralizable else 1)
        assert all(form.strip() for form in forms(message.string)), message.id


def test_values_keep_their_places(language: Language) -> None:
    """A translation has the places, marks and code of its message: no value is lost, and nothing else is asked for."""
    wrong: list[tuple[Message, str]] = []
    for message in messages(translated(language)):
        allowed = [places(form) for form in forms(message.id)]
        wrong += [(message, form) for form in forms(message.string) if places(form) not in allowed]
        wrong += [(message, form) for form in forms(message.string)[-1:] if places(form) != allowed[-1]]

    assert wrong == []


def test_a_sentence_ends_as_its_message(language: Language) -> None:
    """What is a sentence stays one, and what is a label does too."""
    ends = re.compile(r"[.。]$")
    catalog = translated(language)

    assert [message.id for message in messages(catalog) if _ends(ends, message.id) != _ends(ends, message.string)] == []


def _ends(ends: re.Pattern[str], message: object) -> list[bool]:
    return [bool(ends.search(form)) for form in forms(message)][-1:]


def test_what_is_compiled_is_what_is_written(language: Language) -> None:
    """The compiled catalog says what the readable one says. If not: `make texts`."""
    with po(language).with_suffix(".mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)

    for message in messages(translated(language)):
        ids, said = forms(message.id), forms(message.string)
        if message.pluralizable:
            assert {compiled.ngettext(ids[0], ids[1], n) for n in range(3)} == set(said)
        else:
            assert compiled.gettext(ids[0]) == said[0]


def test_sources_are_collected(source: Catalog) -> None:
    """What is said in a page, a letter, a refusal and of a weak password is among what is collected."""
    found = {str(message.id) for message in messages(source)}

    assert found >= {"Sign in", "There is nothing here.", "Use at least %(least)s characters.", "Avoid sequences."}


# ------------------------------------------------------------------------------------------------ nothing is left out


def bare(source: str) -> list[str]:
    """Return the texts of a template that stand outside of gettext."""
    tree = environment(_nowhere()).parse(source)
    kept = "".join(data.data for data in _texts(tree))
    seen = re.sub(r"<(script|style)\b.*?</\1>", " ", kept, flags=re.DOTALL | re.IGNORECASE)
    attributes = [value for name in SAID for value in re.findall(rf'\s{name}="([^"]*)"', seen)]
    return [text.strip() for text in [*re.sub(r"<[^>]*>", "\n", seen).split("\n"), *attributes] if LETTER.search(text)]


def _texts(tree: nodes.Template) -> list[nodes.TemplateData]:
    """What a template writes as it is. An expression is a space, so that a tag which holds one stays whole."""
    parts = [node for output in tree.find_all(nodes.Output) for node in output.nodes]
    return [node if isinstance(node, nodes.TemplateData) else nodes.TemplateData(" ") for node in parts]


def _nowhere() -> DictLoader:
    return DictLoader({})


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(SOURCES).as_posix())
def test_no_template_has_a_bare_text(file: Path) -> None:
    """In a template every text goes through gettext."""
    assert bare(file.read_text("utf-8")) == []


def test_a_bare_text_is_seen() -> None:
    """A text outside of gettext is found, in an element and in an attribute; code and translated texts are not."""
    assert bare("<p>{{ _('Hello') }} World</p>") == ["World"]
    assert bare('<img alt="A door" src="x">') == ["A door"]
    assert bare("{% trans %}Hello{% endtrans %}<a class='x' href=\"{{ to }}\">·</a>") == []


def composed(source: str) -> list[str]:
    """Return the messages of a refusal that no catalog can have, for they are put together where they are used."""
    calls = {"Invalid": 1, "WeakPassword": 1, "Taken": 1, "FieldError": 1, "Row": 2, "mark": 0}
    found: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in calls:
            said = node.args[calls[node.func.id] :][:1]
            found += [ast.unparse(node) for text in said if isinstance(text, ast.JoinedStr | ast.BinOp)]
    return found


@pytest.mark.parametrize("file", PYTHON, ids=lambda file: file.relative_to(SOURCES).as_posix())
def test_no_message_is_put_together(file: Path) -> None:
    """What a refusal says is one message with places for its values."""
    assert composed(file.read_text("utf-8")) == []


def test_a_composed_message_is_seen() -> None:
    """A message that is put together where it is used is found."""
    assert composed('Invalid("name", f"at most {n}")') == ["Invalid('name', f'at most {n}')"]
    assert composed('Invalid("name", "at most %(n)s", n=n)') == []
