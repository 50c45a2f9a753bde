"""The languages that people are spoken to in: one is chosen, and says every text, date and number.

Texts are written in English where they are used, and found in the catalogs (gettext) when they are said. `make texts`
collects them; what is kept in a constant before it is said goes through `mark`.
"""

from ostiary.languages.choice import of
from ostiary.languages.language import ENGLISH, LANGUAGES, Language, mark
from ostiary.languages.templates import environment

__all__ = ["ENGLISH", "LANGUAGES", "Language", "environment", "mark", "of"]
