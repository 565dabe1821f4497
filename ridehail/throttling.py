"""Throttles of REST requests, by user, address and network.

The counts are in this process's memory, so each worker allows the rate: it protects the worker.
Guessing is stopped by `accounts.lockout`, whose counts all workers share.
"""

from typing import Any, Final

from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.throttling import ScopedRateThrottle

from ridehail.proxies import request_limit_key, site_network

# The rate of a network is the rate of one address times this factor.
NETWORK_FACTOR: Final = 5


class ClientRateThrottle(ScopedRateThrottle):
    """Count by user, and anonymous requests by the address from `ridehail.proxies`."""

    def get_ident(self, request: Request | HttpRequest) -> str:
        return request_limit_key(request) or ""


class NetworkRateThrottle(ScopedRateThrottle):
    """Count anonymous requests by network, up to NETWORK_FACTOR times the rate of an address."""

    cache_format = "throttle_network_%(scope)s_%(ident)s"

    def parse_rate(self, rate: str | None) -> tuple[int | None, int | None]:
        requests, seconds = super().parse_rate(rate)
        return requests and requests * NETWORK_FACTOR, seconds

    def get_cache_key(self, request: Request | HttpRequest, view: Any) -> str | None:
        if request.user and request.user.is_authenticated:
            return None
        network = site_network(request_limit_key(request) or "")
        return self.cache_format % {"scope": self.scope, "ident": network}
