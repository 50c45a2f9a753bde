"""The views of the project. Everything asks for a session but what the setting names as open."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from ostiary.django import Request, current_principal, requires
from ostiary.django.apps import given


def front(request: Request) -> JsonResponse:
    """Greet whoever comes."""
    return JsonResponse({"hello": "visitor" if request.principal is None else request.principal.user_id})


def hours(_: HttpRequest) -> JsonResponse:
    """Tell anybody."""
    return JsonResponse({"open": "always"})


def me(request: HttpRequest) -> JsonResponse:
    """Tell who is asking."""
    return JsonResponse({"user_id": current_principal(request).user_id, "roles": current_principal(request).roles})


@requires(role="editor")
def editors(_: HttpRequest) -> JsonResponse:
    """Let editors in."""
    return JsonResponse({"may": "enter"})


@requires(permission="posts:write")
def drafts(_: HttpRequest) -> JsonResponse:
    """Let in who may write."""
    return JsonResponse({"may": "enter"})


@requires(aal=2)
def vault(_: HttpRequest) -> JsonResponse:
    """Let in who has shown two factors."""
    return JsonResponse({"may": "enter"})


def note(_: HttpRequest) -> HttpResponse:
    """Take what a form of Django's sends: by cookie it needs Django's token, by an access token it needs none."""
    return HttpResponse(status=204)


# No form of Django's sends this, and the guard has looked where it comes from.
@csrf_exempt  # type: ignore[untyped-decorator]
def promotion(request: HttpRequest) -> HttpResponse:
    """Make the caller an editor: what an administrator would do for them."""
    who = current_principal(request).user_id
    given().auth.accounts.set_roles(who, ["editor"], actor=who)
    return HttpResponse(status=204)
