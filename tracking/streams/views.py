"""Streams over HTTP: `text/event-stream`, or what is to be seen now as JSON, for polling."""

import json
from http import HTTPStatus
from typing import Any, ClassVar, Final

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponseBase, StreamingHttpResponse
from rest_framework.exceptions import APIException
from rest_framework.request import Request

from tracking.consumers import TrackingConsumer, WatcherConsumer
from tracking.consumers.fleet import FleetConsumer
from tracking.consumers.nearby import NearbyConsumer
from tracking.consumers.trip import TripConsumer
from tracking.ids import DriverId
from tracking.protocol import CloseCode
from tracking.rest.bridge import call_async
from tracking.rest.conditional import conditional
from tracking.rest.fleet import bbox_of
from tracking.rest.problems import InvalidParameters
from tracking.rest.throttling import ReadThrottle
from tracking.rest.views import BearerAuthentication, RestView
from tracking.runtime import get_runtime
from tracking.streams.events import EventStream
from tracking.streams.exchange import Exchange, Refused, scope_of
from tracking.streams.links import HasToken, LinkAuthentication

EVENT_STREAM: Final = "text/event-stream"

# The statuses of refusals, by the close code of the socket, and by the code of the error.
_STATUS: Final = {
    CloseCode.BAD_REQUEST: HTTPStatus.BAD_REQUEST,
    CloseCode.UNAUTHORIZED: HTTPStatus.UNAUTHORIZED,
    CloseCode.FORBIDDEN: HTTPStatus.FORBIDDEN,
    CloseCode.TOO_MANY_REQUESTS: HTTPStatus.TOO_MANY_REQUESTS,
    CloseCode.INTERNAL_ERROR: HTTPStatus.INTERNAL_SERVER_ERROR,
}
_STATUS_OF_ERROR: Final = {
    "invalid_message": HTTPStatus.BAD_REQUEST,
    "invalid_location": HTTPStatus.BAD_REQUEST,
    "rate_limited": HTTPStatus.TOO_MANY_REQUESTS,
    "trip_ended": HTTPStatus.GONE,
}


class NotStreamed(APIException):
    """The refusal of a stream, with the error of the socket's frame."""

    # Seconds, which DRF sends as Retry-After.
    wait: int | None = None

    def __init__(self, refusal: Refused) -> None:
        self.status_code = _STATUS_OF_ERROR.get(refusal.code) or _STATUS.get(
            refusal.close_code,  # type: ignore[call-overload]  # other codes are 503
            HTTPStatus.SERVICE_UNAVAILABLE,
        )
        if self.status_code in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS):
            self.wait = 5
        super().__init__(str(refusal) or "try again later", refusal.code or "unavailable")


class NeedsASGI(APIException):
    """501: the project is served by WSGI, which would occupy a thread with each stream."""

    status_code = HTTPStatus.NOT_IMPLEMENTED
    default_code = "not_implemented"
    default_detail = "streams need an ASGI server"


class StreamView(RestView):
    """A stream of a socket, opened by its consumer's first message.

    The token comes in the Authorization header, and nowhere else.
    """

    throttle_classes = (ReadThrottle,)
    consumer: ClassVar[type[TrackingConsumer]]

    def get(self, request: Request, **ids: Any) -> HttpResponseBase:
        django_request = request._request
        if not isinstance(django_request, ASGIRequest):
            raise NeedsASGI
        token = request.headers["Authorization"].partition(" ")[2].strip()
        payload = {"token": token, "command": "start", **self.payload(request)}
        message = json.dumps({"type": "authenticate", "payload": payload})
        scope = scope_of(django_request.scope, self.query(**ids))
        accepts = request.headers.get("Accept", "")
        try:
            if "application/json" in accepts and EVENT_STREAM not in accepts:
                scope["extensions"]["tracking.is_poll"] = True
                frames = call_async(self._read_all, scope, message)
                body = f"[{','.join(frames)}]".encode()
                return conditional(django_request, body)
            exchange, first = call_async(self._open, scope, message)
        except Refused as refusal:
            raise NotStreamed(refusal) from refusal
        stream: Any = EventStream(exchange, first)
        # A proxy must pass each event on at once; nginx obeys the last header.
        headers = {**exchange.headers, "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingHttpResponse(stream, content_type=EVENT_STREAM, headers=headers)

    def query(self, **ids: Any) -> str:
        """Return the query string of the socket."""
        return ""

    def payload(self, request: Request) -> dict[str, Any]:
        """Return more members of the first message; raise APIException or `TrackingError`."""
        return {}

    def is_last(self, frames: list[str]) -> bool:
        """Return True if these first frames show everything that is to be seen now."""
        return True

    async def _open(self, scope: dict[str, Any], message: str) -> tuple[Exchange, str]:
        if get_runtime().draining:
            raise Refused(CloseCode.SERVICE_RESTART, "", "this server is restarting: try again")
        exchange = Exchange(self.consumer(), scope, message)
        exchange.start()
        try:
            return exchange, await exchange.read_first()
        except BaseException:
            exchange.leave()
            raise

    async def _read_all(self, scope: dict[str, Any], message: str) -> list[str]:
        exchange, first = await self._open(scope, message)
        try:
            frames = [first]
            while not self.is_last(frames):
                frames.append(await exchange.read_frame())
            return frames
        finally:
            exchange.leave()


class DriverStreamView(StreamView):
    """A driver's locations, with details."""

    consumer = WatcherConsumer

    def query(self, driver_id: DriverId) -> str:  # type: ignore[override]
        return f"userId={driver_id}"

    def payload(self, request: Request) -> dict[str, Any]:
        return {"details": True}


class TripStreamView(StreamView):
    """A trip, and the locations of its driver: for its people, and for those who have a link."""

    authentication_classes = (LinkAuthentication, BearerAuthentication)
    permission_classes = (HasToken,)
    consumer = TripConsumer

    def query(self, trip_id: int) -> str:  # type: ignore[override]
        return f"tripId={trip_id}"

    def is_last(self, frames: list[str]) -> bool:
        return len(frames) > 1 or json.loads(frames[0])["trip"]["driver"] is None


class FleetStreamView(StreamView):
    """The locations of all drivers, or of those in `bbox`."""

    consumer = FleetConsumer

    def payload(self, request: Request) -> dict[str, Any]:
        bbox = request.query_params.get("bbox")
        return {} if bbox is None else {"bbox": list(bbox_of(bbox))}

    def is_last(self, frames: list[str]) -> bool:
        return not json.loads(frames[-1]).get("more")


class NearbyStreamView(StreamView):
    """The free cars near a place."""

    consumer = NearbyConsumer

    def payload(self, request: Request) -> dict[str, Any]:
        try:
            return {name: float(request.query_params[name]) for name in ("lat", "lon")}
        except (KeyError, ValueError) as error:
            raise InvalidParameters({"lat": ["Give lat and lon, decimal degrees."]}) from error
