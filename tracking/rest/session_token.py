"""Access tokens for pages, which are logged in by a web session."""

from collections.abc import Sequence
from typing import Any

from django.contrib.sessions.backends.base import SessionBase
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle
from rest_framework_simplejwt import settings as simplejwt
from rest_framework_simplejwt.tokens import Token

from tracking import web_sessions
from tracking.access.tokens import WEB_SESSION_CLAIM
from tracking.rest.parsers import SafeJSONParser
from tracking.rest.throttling import PageTokenThrottle
from tracking.rest.views import PageAuthentication, RestView


def bind_to_session(token: Token, session: SessionBase) -> None:
    """Make `token` invalid when the web session ends by log-out.

    It expires no later than the session would without further activity.
    """
    token[WEB_SESSION_CLAIM] = web_sessions.claim(session)
    session_ends_at = int(session.get_expiry_date().timestamp())
    token.payload["exp"] = min(token.payload["exp"], session_ends_at)


class SessionTokenView(RestView):
    """Responds with `{"access": …}` for the session's user; 403 without session or CSRF token.

    `TRACKING["TOKEN_URL"]` is the URL of this view. The token becomes invalid when the session ends
    by log-out or expiry, and on a change of the password if SIMPLE_JWT's CHECK_REVOKE_TOKEN is on.
    """

    authentication_classes = (PageAuthentication,)
    permission_classes = (IsAuthenticated,)
    throttle_classes: Sequence[type[BaseThrottle]] = (PageTokenThrottle,)
    # The CSRF check parses the body, which may contain the CSRF token.
    parser_classes = (SafeJSONParser,)

    @classmethod
    def as_view(cls, *args: Any, **initkwargs: Any) -> Any:
        """Return the view, marked with `called_by_page`: open pages call it by themselves.

        A host that logs out idle users must not count these calls as activity.
        """
        view = super().as_view(*args, **initkwargs)
        view.called_by_page = True
        return view

    def post(self, request: Request) -> Response:
        return Response({"access": self.token(request)})

    def token(self, request: Request) -> str:
        """Return a new access token for the user of the request's session."""
        token = simplejwt.api_settings.AUTH_TOKEN_CLASSES[0].for_user(request.user)
        bind_to_session(token, request.session)
        return str(token)
