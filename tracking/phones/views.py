"""Where apps on phones report: OwnTracks in HTTP mode, and Traccar Client.

Their queries and bodies carry the device's token, so nothing here quotes them.
"""

import base64
import binascii
from functools import cached_property
from typing import Any, cast

from django.contrib.auth.base_user import AbstractBaseUser
from django.http import QueryDict
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import Throttled
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from tracking.permissions import may_publish
from tracking.phones import osmand, owntracks
from tracking.phones.devices import Device
from tracking.protocol import Forbidden, Measurement, TokenInvalid
from tracking.rest.bodies import read_body
from tracking.rest.bridge import call_async
from tracking.rest.ingest import ingest
from tracking.rest.throttling import RefusalThrottle, ReportThrottle
from tracking.rest.views import RestView


class DeviceAuthentication(BaseAuthentication):
    """A device by its token, and the driver whose device it is."""

    def token_of(self, request: Request) -> str | None:
        """Return the token of the request; None if it has nothing of the kind."""
        raise NotImplementedError

    def authenticate(self, request: Request) -> tuple[AbstractBaseUser, Device] | None:
        token = self.token_of(request)
        if token is None:
            return None
        refusals = RefusalThrottle()
        if not refusals.allow_request(request, request.parser_context["view"]):
            raise Throttled(refusals.wait())
        device = Device.objects.authenticate(token)
        if device is None:
            refusals.count()
            raise TokenInvalid("no device has this token, or it was revoked: ask for a new one")
        return device.driver, device


class PasswordAuthentication(DeviceAuthentication):
    """RFC 7617's Basic, the token as the password. The user name is the phone's to choose."""

    def token_of(self, request: Request) -> str | None:
        scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            pair = base64.b64decode(credentials.strip(), validate=True).decode()
        except (binascii.Error, UnicodeError) as error:
            raise TokenInvalid("send user:token in base64 for Basic authentication") from error
        return pair.partition(":")[2]

    def authenticate_header(self, request: Request) -> str:
        return 'Basic realm="device token", charset="UTF-8"'


class IdAuthentication(DeviceAuthentication):
    """The token as the device's identifier, which is all that the OsmAnd protocol has."""

    def token_of(self, request: Request) -> str | None:
        view = cast("OsmAndView", request.parser_context["view"])
        return view.sent.token or None

    def authenticate_header(self, request: Request) -> str:
        return 'Identifier realm="device token"'


class MayReport(BasePermission):
    """`TRACKING["PUBLISH_POLICY"]`, for the driver whose device it is."""

    message, code = Forbidden.message, Forbidden.code

    def has_permission(self, request: Request, view: Any) -> bool:
        driver = cast("AbstractBaseUser", request.user)
        return call_async(may_publish, driver, driver.pk)


class PhoneView(RestView):
    permission_classes = (IsAuthenticated, MayReport)
    throttle_classes = (ReportThrottle,)

    def report(self, measurement: Measurement | None) -> None:
        device = cast("Device", self.request.auth)
        if measurement is not None:
            ingest(
                self.request._request,
                device.driver.pk,
                measurement,
                device_id=device.pk,
                sent_at=measurement.sent_at,
            )
        device.note_use(timezone.now())


class OwnTracksView(PhoneView):
    """Takes every message of OwnTracks, and reports the locations among them."""

    authentication_classes = (PasswordAuthentication,)

    def post(self, request: Request) -> Response:
        self.report(owntracks.parse(read_body(request._request)))
        # Messages for the app, of which there are none.
        return Response([])


class OsmAndView(PhoneView):
    """Reports what Traccar Client sends, in whichever of its formats."""

    authentication_classes = (IdAuthentication,)

    @cached_property
    def sent(self) -> osmand.Report:
        """What the request says; raises `InvalidMessage`."""
        body = read_body(self.request._request)
        if body.lstrip().startswith(b"{"):
            return osmand.parse_json(body)
        parameters = self.request.query_params or QueryDict(body)
        return osmand.parse_parameters(parameters.dict())

    def get(self, request: Request) -> Response:
        self.report(self.sent.measurement)
        return Response(status=200)

    def post(self, request: Request) -> Response:
        return self.get(request)
