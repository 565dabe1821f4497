"""The token a web page needs for the socket, for a user who is already logged in."""

from typing import TYPE_CHECKING, cast

from rest_framework.authentication import SessionAuthentication
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.tokens import access_token_for

if TYPE_CHECKING:
    from accounts.models import User


class SessionTokenView(APIView):
    """`{"access": ...}` for the session's user; 403 without a session or its CSRF token."""

    authentication_classes = (SessionAuthentication,)
    permission_classes = (IsAuthenticated,)

    def post(self, request: Request) -> Response:
        return Response({"access": access_token_for(cast("User", request.user))})
