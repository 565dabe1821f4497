"""Access tokens for the page of a share link."""

from collections.abc import Sequence
from http import HTTPStatus

from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_variables
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import APIException, NotFound
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from tracking import shares
from tracking.access.share_tokens import token_for
from tracking.rest.throttling import SharedTripThrottle
from tracking.rest.views import RestView


class LinkEnded(APIException):
    """410: the link shows its trip no longer, and never again."""

    status_code = HTTPStatus.GONE
    default_code = "trip_ended"
    default_detail = "this trip has ended"


class ShareTokenView(RestView):
    """Responds with `{"access": …}` for whoever has the link, as `SessionTokenView` does.

    The link in the URL is the only credential: cookies are not read, so another site can make no
    browser do more here than that site can do itself, and there is no CSRF token.
    """

    authentication_classes: Sequence[type[BaseAuthentication]] = ()
    permission_classes: Sequence[type[BasePermission]] = ()
    throttle_classes = (SharedTripThrottle,)

    @method_decorator(sensitive_variables("secret"))
    def post(self, request: Request, secret: str) -> Response:
        share = shares.resolve(secret)
        if share is None:
            raise NotFound
        if not shares.is_open(share, timezone.now()):
            raise LinkEnded
        return Response({"access": token_for(share.pk)})
