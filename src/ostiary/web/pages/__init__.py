"""The pages that a person sees. They work without a script, and need Jinja2 (`ostiary[pages]`) when first asked for."""

from ostiary.web.pages.look import Look
from ostiary.web.pages.router import Pages

__all__ = ["Look", "Pages"]
