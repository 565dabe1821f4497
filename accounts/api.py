"""Where tokens are had: for credentials, for a refresh token, for a web session."""

from typing import TYPE_CHECKING, cast

from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_variables
from rest_framework.authentication import SessionAuthentication
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_simplejwt import views as simplejwt

from accounts.tokens import access_token_for

if TYPE_CHECKING:
    from accounts.models import User


# Django's reports of uncaught exceptions then show no variable, of the view or of what it calls.
secret = method_decorator(sensitive_variables(), name="dispatch")


@secret
class TokenObtainView(simplejwt.TokenObtainPairView):
    throttle_scope = "log-in"


@secret
class TokenRefreshView(simplejwt.TokenRefreshView):
    throttle_scope = "token"


@secret
class SessionTokenView(APIView):
    """`{"access": ...}` for the session's user; 403 without a session or its CSRF token."""

    throttle_scope = "token"
    authentication_classes = (SessionAuthentication,)
    permission_classes = (IsAuthenticated,)

    def post(self, request: Request) -> Response:
        return Response({"access": access_token_for(cast("User", request.user))})
