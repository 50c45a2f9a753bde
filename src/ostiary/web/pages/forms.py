"""A form as a browser sends it (`application/x-www-form-urlencoded`): every field known, each at most once."""

from urllib.parse import parse_qsl

from ostiary.errors import Invalid
from ostiary.web import problem
from ostiary.web.http import LARGEST_BODY, Request
from ostiary.web.problem import FieldError, Problem

LONGEST = {"email": 512, "password": 4096, "new": 4096, "name": 800}
"""In characters, where it is not `_SHORT`."""
_SHORT = 512


def read(request: Request, known: tuple[str, ...]) -> dict[str, str]:
    """Read a form. What was not sent is empty.

    Raises:
        Problem: it is no form, too large, or has a field that is unknown or stands there twice.
    """
    media = (request.header(b"content-type") or "").partition(";")[0].strip().lower()
    if media != "application/x-www-form-urlencoded":
        raise Problem(problem.UNSUPPORTED_MEDIA_TYPE)
    if len(request.body) > LARGEST_BODY:
        raise Problem(problem.TOO_LARGE)
    try:
        pairs = parse_qsl(request.body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=20)
    except ValueError:
        raise Problem(problem.INVALID) from None
    form = dict.fromkeys(known, "")
    seen: set[str] = set()
    for name, value in pairs:
        if name not in form or name in seen:
            raise Problem(problem.INVALID, errors=(FieldError(name[:64], "This is not known here."),))
        if len(value) > LONGEST.get(name, _SHORT) or "\x00" in value:
            raise Problem(problem.INVALID, errors=(FieldError(name, "This cannot be used."),))
        seen.add(name)
        form[name] = value
    return form


def need(form: dict[str, str], **said: str) -> None:
    """Ask for fields that must be filled in, and say for each what is missing.

    Raises:
        Invalid: the first of them is empty.
    """
    for name, why in said.items():
        if not form[name].strip():
            raise Invalid(name, why)
