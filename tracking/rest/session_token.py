"""The access token of a page: given for the web session that it is logged in with."""

from collections.abc import Sequence
from typing import Any

from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle
from rest_framework_simplejwt import settings as simplejwt

from tracking import web_sessions
from tracking.access.tokens import WEB_SESSION_CLAIM
from tracking.rest.parsers import SafeJSONParser
from tracking.rest.throttling import PageTokenThrottle
from tracking.rest.views import PageAuthentication, RestView


class SessionTokenView(RestView):
    """`{"access": …}` for the session's user; 403 without a session or its CSRF token.

    What `TRACKING["TOKEN_URL"]` names. The token ends with the session, by log-out or by time, and
    with the password if SIMPLE_JWT's CHECK_REVOKE_TOKEN is on.
    """

    authentication_classes = (PageAuthentication,)
    permission_classes = (IsAuthenticated,)
    throttle_classes: Sequence[type[BaseThrottle]] = (PageTokenThrottle,)
    # The CSRF check looks into the body for the token.
    parser_classes = (SafeJSONParser,)

    @classmethod
    def as_view(cls, *args: Any, **initkwargs: Any) -> Any:
        """Return the view, marked as one that open pages call by themselves, with nobody there.

        A host that logs idle users out must not count these calls as a person's.
        """
        view = super().as_view(*args, **initkwargs)
        view.called_by_page = True
        return view

    def post(self, request: Request) -> Response:
        return Response({"access": self.token(request)})

    def token(self, request: Request) -> str:
        """Return a new access token for the user of the request's session."""
        token = simplejwt.api_settings.AUTH_TOKEN_CLASSES[0].for_user(request.user)
        token[WEB_SESSION_CLAIM] = web_sessions.claim(request.session)
        session_ends_at = int(request.session.get_expiry_date().timestamp())
        token.payload["exp"] = min(token.payload["exp"], session_ends_at)
        return str(token)
