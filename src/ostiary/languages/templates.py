"""Templates whose texts follow the reader: Jinja2, with gettext from the language that a template is rendered with.

    environment(loader).get_template("sign-in.html").render(language=language)

In a template a text is `{{ _("Sign in") }}` or `{% trans %}…{% endtrans %}`, and the language itself is there for
dates: `{{ language.moment(at) }}`. A macro file is imported `with context`, or it has no language.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import BaseLoader, Environment
    from jinja2.runtime import Context

    from ostiary.languages.language import Language


def environment(loader: "BaseLoader") -> "Environment":
    """Make an environment: what ends in `.html` is escaped, a missing value is an error, texts are translated."""
    from jinja2 import Environment, StrictUndefined, pass_context, select_autoescape  # noqa: PLC0415 - an extra

    @pass_context
    def gettext(context: "Context", message: str) -> str:
        language: Language = context["language"]
        return language.translations.gettext(message)

    @pass_context
    def ngettext(context: "Context", one: str, many: str, n: int) -> str:
        language: Language = context["language"]
        return language.translations.ngettext(one, many, n)

    made = Environment(
        loader=loader,
        autoescape=select_autoescape(("html",)),
        auto_reload=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        extensions=["jinja2.ext.i18n"],
    )
    made.policies["ext.i18n.trimmed"] = True
    made.install_gettext_callables(gettext, ngettext, newstyle=True)  # type: ignore[attr-defined]
    return made
