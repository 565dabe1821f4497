"""Views to which phone apps report: OwnTracks in HTTP mode, and Traccar Client.

Queries and bodies contain the device's token, so responses and logs never quote them.
"""

import base64
import logging
import math
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from http import HTTPStatus
from typing import Any, Final, cast

import msgspec
from django.contrib.auth.base_user import AbstractBaseUser
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import APIException, Throttled
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from tracking.models.device import Device
from tracking.permissions import may_publish
from tracking.phones import osmand, owntracks, readings
from tracking.phones.readings import Report
from tracking.protocol import (
    Forbidden,
    InvalidMessage,
    OffDuty,
    TokenInvalid,
    Verdict,
    off_duty_verdicts,
    oldest_first,
)
from tracking.protocol.frames import Verdicts
from tracking.rest.bodies import read_body
from tracking.rest.bridge import call_async
from tracking.rest.ingest import ingest, sign_of_life
from tracking.rest.problems import TooLarge
from tracking.rest.refusals import count_refusals
from tracking.rest.throttling import RefusalThrottle, ReportThrottle
from tracking.rest.views import RestView
from tracking.throttled_log import Throttle

logger = logging.getLogger(__name__)
logger.addFilter(Throttle())

# Bytes. An app that sends 100 fixes with custom attributes cannot send a smaller list.
MAX_BODY_SIZE: Final = 128 * 1024


class DeviceAuthentication(BaseAuthentication):
    """Authenticates a device by its token: the user is its driver, `auth` is the device."""

    def token_of(self, request: Request) -> str | None:
        """Return the request's token; None if it has no credentials of this kind."""
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
    """Basic authentication (RFC 7617) with the token as the password. The user name is ignored."""

    def token_of(self, request: Request) -> str | None:
        scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            pair = base64.b64decode(credentials.strip(), validate=True)
        except ValueError as error:
            raise TokenInvalid("send user:token in base64 for Basic authentication") from error
        # The user name may contain colons and any encoding; a token contains no colon and is ASCII.
        return pair.rpartition(b":")[2].decode(errors="replace") if b":" in pair else ""

    def authenticate_header(self, request: Request) -> str:
        return 'Basic realm="device token", charset="UTF-8"'


class IdAuthentication(DeviceAuthentication):
    """The token as the device's identifier, the only credential in the OsmAnd protocol."""

    def token_of(self, request: Request) -> str | None:
        view = cast("OsmAndView", request.parser_context["view"])
        if not view.sent.token and view.too_large:
            raise TooLarge
        return view.sent.token or None

    def authenticate_header(self, request: Request) -> str:
        return 'Identifier realm="device token"'


class MayReport(BasePermission):
    """`TRACKING["PUBLISH_POLICY"]`, for the device's driver."""

    message, code = Forbidden.message, Forbidden.code

    def has_permission(self, request: Request, view: Any) -> bool:
        driver = cast("AbstractBaseUser", request.user)
        return call_async(may_publish, driver, driver.pk)


class Later(APIException):
    """503 in place of 429, for an app that discards a message after a 4xx response."""

    status_code = HTTPStatus.SERVICE_UNAVAILABLE
    default_code = "throttled"
    default_detail = "requests come faster than allowed: send it again later"

    def __init__(self, wait: float | None) -> None:
        super().__init__()
        self.wait = math.ceil(wait or 1)


class PhoneView(RestView):
    """Base view for apps with a queue, which they send in order, again from the first without 2xx.

    A message that can never be accepted would block the queue for ever, so it is answered with 200,
    and a header of the response, the log and the metrics show that it was dropped. A message that
    may be accepted later is answered with an error.
    """

    permission_classes = (IsAuthenticated, MayReport)
    throttle_classes = (ReportThrottle,)
    route = ""  # the name in metrics and the log

    def report(self, read: Callable[[], Report]) -> list[Verdict]:
        """Commit the measurements, or a sign of life; return verdicts on dropped messages."""
        device = cast("Device", self.request.auth)
        driver_id = device.driver.pk
        try:
            measurements, rejected = read()
        except TooLarge as error:
            measurements, rejected = [], [Verdict(0, error.default_code, str(error.detail))]
        if measurements:
            try:
                in_order = oldest_first(measurements)
                off_duty = ingest(
                    self.request._request,
                    driver_id,
                    in_order,
                    device_id=device.pk,
                    sent_at=in_order[-1].sent_at,
                    batch=len(measurements) > 1,
                )
                rejected += off_duty_verdicts(off_duty, range(len(in_order)))
            except (InvalidMessage, OffDuty) as error:
                # An app that reports off duty would otherwise repeat this until the next shift.
                rejected.append(Verdict(0, error.code, str(error)))
        else:
            sign_of_life(self.request._request, driver_id)
        device.note_use(timezone.now())
        if rejected:
            count_refusals(self.route, [verdict.code for verdict in rejected])
            logger.warning(
                "A report by %s from device %s was dropped: %s",
                self.route,
                device.pk,
                rejected[0].message,
            )
        return rejected


class OwnTracksView(PhoneView):
    """Accepts every message of OwnTracks, and stores the locations among them."""

    authentication_classes = (PasswordAuthentication,)
    route = "owntracks"

    def post(self, request: Request) -> Response:
        rejected = self.report(self.read)
        # The body is a list of messages for the app.
        return Response([], headers=_rejected_header(rejected))

    def read(self) -> Report:
        body = read_body(self.request._request, MAX_BODY_SIZE)
        return readings.report([partial(owntracks.parse, body)])

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, Throttled):
            exc = Later(getattr(exc, "wait", None))
        return super().handle_exception(exc)


class OsmAndView(PhoneView):
    """Stores the locations that Traccar Client sends, in any of its formats."""

    authentication_classes = (IdAuthentication,)
    route = "osmand"
    too_large = False

    @cached_property
    def sent(self) -> osmand.Sent:
        """The request's token and messages."""
        try:
            body = read_body(self.request._request, MAX_BODY_SIZE)
        except TooLarge:
            # The token may still be in the URL.
            self.too_large = True
            body = b""
        return osmand.parse(self.request.query_params, body)

    def read(self) -> Report:
        if self.too_large:
            raise TooLarge
        return readings.report(self.sent.messages)

    def get(self, request: Request) -> Response:
        if rejected := self.report(self.read):
            body = msgspec.to_builtins(Verdicts(rejected))
            return Response(body, headers=_rejected_header(rejected))
        return Response(status=200)

    def post(self, request: Request) -> Response:
        return self.get(request)


def _rejected_header(rejected: Sequence[Verdict]) -> dict[str, str]:
    """Return the header that shows in a 200 response why messages were dropped."""
    if not rejected:
        return {}
    return {"Tracking-Rejected": ", ".join(sorted({verdict.code for verdict in rejected}))}
