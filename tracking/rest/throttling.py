"""Rate limits of the REST API.

`REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"]` can set other rates for these scopes. The counts are in
the default cache, by user for logged-in users.
"""

from typing import Any, ClassVar, Final

from rest_framework.exceptions import AuthenticationFailed, PermissionDenied, Throttled
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle, UserRateThrottle

from tracking.access.addresses import address_of
from tracking.protocol import TokenExpired, TokenInvalid

# Faults of the client only: an unavailable database is not one. A session without its CSRF token
# raises `PermissionDenied`.
BAD_CREDENTIALS: Final = (TokenInvalid, TokenExpired, AuthenticationFailed, PermissionDenied)


class WithDefaultRate(SimpleRateThrottle):
    default_rate: ClassVar[str]

    def get_rate(self) -> str | None:
        assert self.scope is not None  # noqa: S101 - for the type checker
        return self.THROTTLE_RATES.get(self.scope, self.default_rate)


class ByUser(WithDefaultRate, UserRateThrottle):
    """Counts by user, and anonymous requests by address."""

    def get_cache_key(self, request: Request, view: Any) -> str | None:
        # DRF would trust the X-Forwarded-For of any client. With a new one in each request, a
        # client would avoid the limit, and push the users' counts out of the cache.
        if not request.user.is_authenticated:
            return _key_of_address(self, request)
        return super().get_cache_key(request, view)


class ReportThrottle(ByUser):
    """Reports of one driver: twice a socket's rate, as some phones send a backlog one by one."""

    scope = "location-report"
    default_rate = "10/s"


class ReadThrottle(ByUser):
    """Reads of one user: enough for a page that gets ten cars once a second."""

    scope = "location-read"
    default_rate = "10/s"


class RefusalThrottle(WithDefaultRate):
    """Refused device tokens, by address.

    The limit protects the database: 160 random bits cannot be guessed. It is high enough that a few
    phones which retry with revoked tokens do not block the other phones of their depot.
    """

    scope = "device-refusal"
    default_rate = "120/min"

    def get_cache_key(self, request: Request, view: Any) -> str | None:
        return _key_of_address(self, request)

    def throttle_success(self) -> bool:
        """Allow the request without counting it: `count` is called if the token is refused."""
        return True

    def count(self) -> None:
        """Count the request that was last allowed."""
        if self.key is not None:
            super().throttle_success()


class TokenRefusalThrottle(RefusalThrottle):
    """Refused access tokens, by address.

    Beyond the limit, a bad token is answered with 429; a valid one still passes. The limit is high
    enough for a depot whose phones all wake up with expired tokens.
    """

    scope = "token-refusal"
    default_rate = "6000/min"


class GrantThrottle(ByUser):
    """Requests of one user for watch grants: a dispatch system opens and ends many."""

    scope = "grants"
    default_rate = "50/s"


class TripThrottle(ByUser):
    """Requests of one user for trips and states: a dispatch system has all trips of a town."""

    scope = "trips"
    default_rate = "100/s"


class SharedTripThrottle(WithDefaultRate):
    """Requests for the pages of share links and their tokens, by address.

    High enough for a family behind one address and for chat programs that fetch previews.
    """

    scope = "shared-trip"
    default_rate = "300/min"

    def get_cache_key(self, request: Request, view: Any) -> str | None:
        return _key_of_address(self, request)


class WebhookThrottle(ByUser):
    """Requests of one user for webhooks: each new address has a name to resolve."""

    scope = "webhooks"
    default_rate = "10/s"


class NearbyThrottle(ByUser):
    """Searches of one user for the nearest drivers: one for each new trip of a large town."""

    scope = "nearby"
    default_rate = "1000/s"


class TrackThrottle(ByUser):
    """Requests of one user for the history: a page of 50,000 points takes a second of a core."""

    scope = "track-read"
    default_rate = "60/min"


class ExportThrottle(ByUser):
    """Exports of one user, each of which may take minutes of a core."""

    scope = "track-export"
    default_rate = "20/hour"


class PageTokenThrottle(ByUser):
    """Requests of one user's pages for access tokens."""

    scope = "page-token"
    default_rate = "120/min"


class ThrottledRefusals:
    """Mixin for DRF views that counts refused requests like others, and forbids caching.

    DRF checks throttles last, so refused requests would not be limited.
    """

    def perform_authentication(self, request: Request) -> None:
        try:
            super().perform_authentication(request)  # type: ignore[misc]
        except BAD_CREDENTIALS:
            refusals = TokenRefusalThrottle()
            if not refusals.allow_request(request, self):  # type: ignore[arg-type]
                raise Throttled(refusals.wait()) from None
            refusals.count()
            raise

    def check_permissions(self, request: Request) -> None:
        super().check_throttles(request)  # type: ignore[misc]
        super().check_permissions(request)  # type: ignore[misc]

    def check_throttles(self, request: Request) -> None:
        """Do nothing: `check_permissions` has checked them."""

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Forbid caches to store locations and refusals, unless the view set Cache-Control."""
        response.headers.setdefault("Cache-Control", "no-store")
        return super().finalize_response(request, response, *args, **kwargs)  # type: ignore[misc]


def _key_of_address(throttle: SimpleRateThrottle, request: Request) -> str | None:
    address = address_of(_scope(request))
    # Without an address, as behind a proxy on a Unix socket, do not limit: all would be one client.
    return throttle.cache_format % {"scope": throttle.scope, "ident": address} if address else None


def _scope(request: Request) -> dict[str, Any]:
    """Return the part of an ASGI scope that `address_of` needs, also for a WSGI request."""
    peer = request.META.get("REMOTE_ADDR")
    return {
        "client": [peer, 0] if peer else None,
        "headers": [
            (name.lower().encode("latin-1"), value.encode("latin-1", "replace"))
            for name, value in request.headers.items()
        ],
    }
