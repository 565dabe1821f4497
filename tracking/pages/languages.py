"""The language of pages without a session."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import translation


def in_chosen_language(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Answer in the language that the address names, if that is one of LANGUAGES.

    The choice is part of the address: without a referrer, Django's own form would be refused as one
    of another site.
    """

    @wraps(view)
    def in_language(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        chosen = request.GET.get("language", "")
        if chosen not in dict(settings.LANGUAGES):
            return view(request, *args, **kwargs)
        with translation.override(chosen):
            response = view(request, *args, **kwargs)
        response["Content-Language"] = chosen
        return response

    return in_language
