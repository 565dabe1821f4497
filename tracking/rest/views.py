"""The base of all REST views: Bearer tokens, problem details, no caching."""

from collections.abc import Callable, Sequence
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import PermissionDenied
from rest_framework.parsers import BaseParser
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from tracking.access.identities import user_of
from tracking.access.tokens import Claims, authentication, verify
from tracking.rest.bridge import outside_transactions
from tracking.rest.english import InEnglish
from tracking.rest.problems import as_http, problem_response
from tracking.rest.throttling import ThrottledRefusals


class BearerAuthentication(BaseAuthentication):
    """Authenticates by `Authorization: Bearer <token>`, with the access tokens of the sockets.

    `TRACKING["AUTHENTICATION"]` may accept further schemes. SimpleJWT's own class would neither
    accept the tokens of an existing log-in service nor refuse those of an ended web session.
    """

    def authenticate(self, request: Request) -> tuple[AbstractBaseUser, Claims] | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() not in authentication().schemes:
            return None
        claims = verify(token.strip())
        return user_of(claims), claims

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="api"'


class PageAuthentication(SessionAuthentication):
    """Authenticates pages by their web session, and by a CSRF token except for safe methods."""

    def enforce_csrf(self, request: Request) -> None:
        try:
            super().enforce_csrf(request)
        except PermissionDenied as error:
            # Django's reason may quote the Origin or the Referer.
            message = "CSRF Failed: send the page's CSRF token as X-CSRFToken, from this site."
            raise PermissionDenied(message) from error


class RestView(InEnglish, ThrottledRefusals, APIView):
    """Base view. Subclasses may raise `TrackingError`; a database error is answered with 503.

    They read bodies with `tracking.rest.bodies` or DRF's parsers.
    """

    # Set here, so that the host project's DEFAULT_… settings do not apply.
    authentication_classes: Sequence[type[BaseAuthentication]] = (BearerAuthentication,)
    permission_classes: Sequence[type[BasePermission]] = (IsAuthenticated,)
    renderer_classes = (JSONRenderer,)
    parser_classes: Sequence[type[BaseParser]] = ()

    @classmethod
    def as_view(cls, *args: Any, **initkwargs: Any) -> Any:
        """Return the view, which runs outside `ATOMIC_REQUESTS`."""
        return outside_transactions(super().as_view(*args, **initkwargs))

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:  # noqa: FBT001, FBT002
        """Choose JSON, whatever the Accept header of a phone's HTTP library prefers."""
        return super().perform_content_negotiation(request, force=True)

    def handle_exception(self, exc: Exception) -> Response:
        return super().handle_exception(as_http(exc))

    def get_exception_handler(self) -> Callable[[Exception, Any], Response | None]:
        return problem_response
