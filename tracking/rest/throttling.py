"""How often REST may be called. `REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"]` may give other rates
for these scopes. Counts are in the default cache, those of a user by user.
"""

from typing import Any, ClassVar, Final

from rest_framework.exceptions import AuthenticationFailed, PermissionDenied, Throttled
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle, UserRateThrottle

from tracking.access.addresses import address_of
from tracking.protocol import TokenExpired, TokenInvalid

# Not what fails on this side, such as a database that is unavailable. A session without its CSRF
# token is `PermissionDenied`.
BAD_CREDENTIALS: Final = (TokenInvalid, TokenExpired, AuthenticationFailed, PermissionDenied)


class WithDefaultRate(SimpleRateThrottle):
    default_rate: ClassVar[str]

    def get_rate(self) -> str | None:
        assert self.scope is not None  # noqa: S101 - for the type checker
        return self.THROTTLE_RATES.get(self.scope, self.default_rate)


class ByUser(WithDefaultRate, UserRateThrottle):
    """Counts by user, and strangers by address."""

    def get_cache_key(self, request: Request, view: Any) -> str | None:
        # DRF's own takes a stranger's X-Forwarded-For for the address: a new one for each call
        # would be no limit, and would push the users' counts out of the cache.
        if not request.user.is_authenticated:
            return _key_of_address(self, request)
        return super().get_cache_key(request, view)


class ReportThrottle(ByUser):
    """Reports of one driver: twice what a socket may send, as phones catch up one by one."""

    scope = "location-report"
    default_rate = "10/s"


class ReadThrottle(ByUser):
    """Looks of one user: a page with ten cars may look at each once a second."""

    scope = "location-read"
    default_rate = "10/s"


class RefusalThrottle(WithDefaultRate):
    """Device tokens that were refused, by address.

    No guess hits 160 random bits; this spares the database. High enough that some phones whose
    tokens were revoked, which try again and again, do not silence their depot.
    """

    scope = "device-refusal"
    default_rate = "120/min"

    def get_cache_key(self, request: Request, view: Any) -> str | None:
        return _key_of_address(self, request)

    def throttle_success(self) -> bool:
        """Allow without counting: `count` does, if the token is refused."""
        return True

    def count(self) -> None:
        """Count the request that was allowed last."""
        if self.key is not None:
            super().throttle_success()


class TokenRefusalThrottle(RefusalThrottle):
    """Access tokens that were refused, by address.

    Beyond it, who sends a bad one is told to wait; a good one passes. High enough for a depot whose
    phones wake up with tokens that have expired.
    """

    scope = "token-refusal"
    default_rate = "6000/min"


class GrantThrottle(ByUser):
    """Calls of one user about watch grants: a dispatch system opens and ends many."""

    scope = "grants"
    default_rate = "50/s"


class PageTokenThrottle(ByUser):
    """Access tokens for the pages of one user."""

    scope = "page-token"
    default_rate = "120/min"


class ThrottledRefusals:
    """For a DRF view: what is refused counts as much as what is answered, and nothing is cached.

    DRF asks the throttles last, so that whoever was refused could go on without end.
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
        """Done already, before the permissions."""

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Where somebody is, or that they may not be watched, is for nobody's cache."""
        response.headers.setdefault("Cache-Control", "no-store")
        return super().finalize_response(request, response, *args, **kwargs)  # type: ignore[misc]


def _key_of_address(throttle: SimpleRateThrottle, request: Request) -> str | None:
    address = address_of(_scope(request))
    # Without one, as behind a proxy on a Unix socket, all would be one client.
    return throttle.cache_format % {"scope": throttle.scope, "ident": address} if address else None


def _scope(request: Request) -> dict[str, Any]:
    """The ASGI scope of a request, as far as it tells the client, whatever server it came by."""
    peer = request.META.get("REMOTE_ADDR")
    return {
        "client": [peer, 0] if peer else None,
        "headers": [
            (name.lower().encode("latin-1"), value.encode("latin-1", "replace"))
            for name, value in request.headers.items()
        ],
    }
