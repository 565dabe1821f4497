"""Locations over HTTP: to report in the background, and to get a driver's location once."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, cast

import msgspec
from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpResponseBase
from django.utils import timezone
from rest_framework.exceptions import NotFound
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle

from tracking.access.tokens import load_users
from tracking.access_log import record
from tracking.ids import DriverId
from tracking.models import DriverLocation, LocationAccess
from tracking.people import USER_IDS
from tracking.permissions import Window, may_publish, may_watch_driver
from tracking.pipeline.rows import load_snapshots
from tracking.protocol import (
    Forbidden,
    Measurement,
    RawFixes,
    Time,
    Verdict,
    encode_details,
    judge,
    off_duty_verdicts,
    oldest_first,
    one_by_one,
    positions_in,
)
from tracking.protocol.frames import Verdicts
from tracking.rest.bodies import decode_body, read_body
from tracking.rest.bridge import call_async
from tracking.rest.conditional import conditional
from tracking.rest.ingest import ingest
from tracking.rest.refusals import count_refusals
from tracking.rest.throttling import ReadThrottle, ReportThrottle
from tracking.rest.views import RestView
from tracking.status import status_of


class Batch(msgspec.Struct):
    """The body of a report of fixes that were measured while offline."""

    fixes: RawFixes
    sent_at: Time | None = None


_measurement_decoder: Final = msgspec.json.Decoder(Measurement)
_batch_decoder: Final = msgspec.json.Decoder(Batch)


class MayPublish(BasePermission):
    """`TRACKING["PUBLISH_POLICY"]`."""

    message, code = Forbidden.message, Forbidden.code

    def has_permission(self, request: Request, view: Any) -> bool:
        return call_async(may_publish, _user(request), view.kwargs["driver_id"])


class MayWatch(BasePermission):
    """`TRACKING["WATCH_POLICY"]`. Ids without a user, and users who are no drivers, are refused."""

    message, code = Forbidden.message, Forbidden.code

    def has_permission(self, request: Request, view: Any) -> bool:
        driver_id = view.kwargs["driver_id"]
        if not USER_IDS.is_storable(driver_id):
            return False
        driver = load_users([driver_id]).get(driver_id)
        decision = call_async(may_watch_driver, _user(request), driver_id, driver)
        view.since = decision.since if isinstance(decision, Window) else None
        return bool(decision)


class ReportingView(RestView):
    permission_classes = (IsAuthenticated, MayPublish)
    throttle_classes = (ReportThrottle,)

    def report(
        self,
        driver_id: DriverId,
        measurements: Sequence[Measurement],
        sent_at: datetime | None,
        *,
        batch: bool = False,
        rejected: Sequence[Verdict] = (),
        positions: Sequence[int] = (0,),
    ) -> Response:
        """Commit the measurements; return 201 for the driver's first location, else 204.

        `positions` are those of the measurements in the body. If fixes were `rejected`, they are
        the body of the response, and 200 replaces 204.
        """
        located = DriverLocation.objects.filter(pk=driver_id)  # type: ignore[misc]  # the demo's
        first = not located.exists()
        off_duty = ingest(
            self.request._request, driver_id, measurements, sent_at=sent_at, batch=batch
        )
        rejected = [*rejected, *off_duty_verdicts(off_duty, positions)]
        if rejected:
            body = msgspec.to_builtins(Verdicts(rejected))
            return Response(body, status=201 if first else 200)
        return Response(status=201 if first else 204)


class LocationView(ReportingView):
    """A driver's newest location."""

    # Locations that were recorded earlier are not shown.
    since: datetime | None = None

    def get_permissions(self) -> list[BasePermission]:
        if self.request.method == "PUT":
            return [IsAuthenticated(), MayPublish()]
        return [IsAuthenticated(), MayWatch()]

    def get_throttles(self) -> list[BaseThrottle]:
        return [ReportThrottle() if self.request.method == "PUT" else ReadThrottle()]

    def get(self, request: Request, driver_id: DriverId) -> HttpResponseBase:
        fix = load_snapshots([driver_id]).get(driver_id)
        if fix is None or (self.since is not None and fix.recorded_at < self.since):
            raise NotFound("this driver has no location yet", "no_location")
        record(_user(request).pk, LocationAccess.Way.REST, [driver_id])
        body = encode_details(fix, status_of(fix, timezone.now())).encode()
        # The hash includes the status, which changes without a new location.
        # The user's browser may store the response, and must revalidate it each time.
        headers = {"Cache-Control": "private, no-cache", "Vary": "Authorization"}
        return conditional(request._request, body, **headers)

    def put(self, request: Request, driver_id: DriverId) -> Response:
        """Store a location. A late one is accepted, but does not replace a newer one."""
        measurement = decode_body(_measurement_decoder, read_body(request._request))
        return self.report(driver_id, [measurement], measurement.sent_at)


class BatchView(ReportingView):
    """Stores fixes that a driver's device measured while offline."""

    def post(self, request: Request, driver_id: DriverId) -> Response:
        batch = decode_body(_batch_decoder, read_body(request._request))
        measurements = one_by_one(batch.fixes)
        good, rejected = judge(measurements)
        count_refusals("rest", [verdict.code for verdict in rejected])
        in_order = oldest_first(good)
        return self.report(
            driver_id,
            in_order,
            batch.sent_at,
            batch=True,
            rejected=rejected,
            positions=positions_in(measurements, in_order),
        )


def _user(request: Request) -> AbstractBaseUser:
    """Return the request's user, whom `IsAuthenticated` has checked."""
    return cast("AbstractBaseUser", request.user)
