"""Token views: tokens for credentials, for a refresh token, and for a web session."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from django.db import transaction
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from drf_spectacular.utils import extend_schema, extend_schema_view, inline_serializer
from rest_framework import serializers
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_simplejwt import views as simplejwt

from accounts.tokens import LogOutSerializer, access_token_for
from tracking.rest import session_token as tracking
from tracking.rest.english import InEnglish
from tracking.rest.problems import problem_response

if TYPE_CHECKING:
    from accounts.models import User


# No cache may store a token.
uncached = method_decorator(never_cache, name="dispatch")

# Hide the variables of the view, and of the functions it calls, in Django's error reports.
secret = method_decorator(sensitive_variables(), name="dispatch")

# With ATOMIC_REQUESTS, a refusal would roll back the request's transaction and with it the count of
# failures: nobody would ever be locked out.
counted = method_decorator(transaction.non_atomic_requests, name="dispatch")


tokens = inline_serializer(
    "Tokens", {"access": serializers.CharField(), "refresh": serializers.CharField()}
)
access = inline_serializer("Access", {"access": serializers.CharField()})


class ProblemDetails(InEnglish):
    """Answer errors with problem details; invalid fields are members by their names, too."""

    def get_exception_handler(self) -> Callable[[Exception, Any], Response | None]:
        return _problem_with_fields


def _problem_with_fields(error: Exception, context: Any) -> Response | None:
    response = problem_response(error, context)
    # Older clients read `{"email": ["This field is required."]}`.
    if response is not None and isinstance(error, serializers.ValidationError):
        response.data |= error.detail
    return response


@counted
@secret
@uncached
@extend_schema_view(
    post=extend_schema(
        operation_id="log_in",
        tags=["tokens"],
        summary="Tokens for an e-mail address and a password",
        responses=tokens,
    )
)
class TokenObtainView(ProblemDetails, simplejwt.TokenObtainPairView):
    throttle_scope = "log-in"


@counted
@secret
@uncached
@extend_schema_view(
    post=extend_schema(
        operation_id="refresh_token",
        tags=["tokens"],
        summary="New tokens for a refresh token",
        description="The old refresh token stays valid for a minute, in case the response is lost.",
        responses=tokens,
    )
)
class TokenRefreshView(ProblemDetails, simplejwt.TokenRefreshView):
    throttle_scope = "token"


@secret
@uncached
@extend_schema_view(
    post=extend_schema(
        operation_id="log_out",
        tags=["tokens"],
        summary="End a refresh token",
        responses={204: None},
    )
)
class LogOutView(ProblemDetails, GenericAPIView[Any]):
    """End a refresh token and those of the same log-in. Answers 204 for any token, valid or not."""

    throttle_scope = "token"
    authentication_classes = ()
    permission_classes = ()
    serializer_class = LogOutSerializer

    def post(self, request: Request) -> Response:
        self.get_serializer(data=request.data).is_valid(raise_exception=True)
        return Response(status=204)


@secret
@uncached
@extend_schema_view(
    post=extend_schema(
        operation_id="session_token",
        tags=["tokens"],
        summary="An access token for the logged-in user of the site",
        description="Needs the CSRF token of a page.",
        request=None,
        responses=access,
    )
)
class SessionTokenView(tracking.SessionTokenView):
    """Answer `{"access": ...}` for the session's user, 403 without a session or its CSRF token."""

    throttle_scope = "token"
    throttle_classes = APIView.throttle_classes

    def token(self, request: Request) -> str:
        return access_token_for(cast("User", request.user), request.session)
