"""Answers for programs, which are in English whatever languages the request accepts."""

from typing import TYPE_CHECKING, Any, cast

from django.utils import translation
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

if TYPE_CHECKING:
    Base = APIView
else:
    Base = object


class InEnglish(Base):
    """A view whose texts, such as the details of problems, are the same in every language.

    They are for developers and their logs. Programs read the `code`, and have texts of their own
    for people. `requested_language` is for what a person reads all the same.
    """

    requested_language: str | None = None

    def dispatch(self, request: Request, *args: Any, **kwargs: Any) -> Response:  # type: ignore[override]
        self.requested_language = translation.get_language()
        with translation.override("en"):
            response = cast("Response", super().dispatch(request, *args, **kwargs))
        # LocaleMiddleware would name the language of the request.
        response.headers.setdefault("Content-Language", "en")
        return response
