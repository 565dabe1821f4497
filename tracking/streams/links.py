"""The tokens of share links over HTTP: the trip's stream takes them, as its socket does."""

from typing import Any

from django.contrib.auth.models import AnonymousUser
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from tracking.access import share_tokens
from tracking.access.tokens import Claims


class LinkAuthentication(BaseAuthentication):
    """Accepts the tokens of share links, and leaves all others to the next class.

    These have no user. The consumer finds out whether the link is open, and to which trip.
    """

    def authenticate(self, request: Request) -> tuple[AnonymousUser, Claims] | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not share_tokens.is_share_token(token.strip()):
            return None
        return AnonymousUser(), share_tokens.verify(token.strip())

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="api"'


class HasToken(BasePermission):
    """Permits requests whose token was accepted."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return request.auth is not None
