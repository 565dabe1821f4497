"""Rates of requests, by user, address and network.

The counts are in this process's memory, so that each worker allows the rate: it is there to spare
the worker. `accounts.lockout`, which all workers share, is what stops guessing.
"""

from typing import Any, Final

from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.throttling import ScopedRateThrottle

from ridehail.proxies import request_limit_key, site_network

# How many addresses' rates one network has.
NETWORK_FACTOR: Final = 5


class ClientRateThrottle(ScopedRateThrottle):
    """Count by user, and the anonymous by the address that `ridehail.proxies` finds."""

    def get_ident(self, request: Request | HttpRequest) -> str:
        return request_limit_key(request) or ""


class NetworkRateThrottle(ScopedRateThrottle):
    """Count the anonymous by the network of their address, to NETWORK_FACTOR times the rate."""

    cache_format = "throttle_network_%(scope)s_%(ident)s"

    def parse_rate(self, rate: str | None) -> tuple[int | None, int | None]:
        requests, seconds = super().parse_rate(rate)
        return requests and requests * NETWORK_FACTOR, seconds

    def get_cache_key(self, request: Request | HttpRequest, view: Any) -> str | None:
        if request.user and request.user.is_authenticated:
            return None
        network = site_network(request_limit_key(request) or "")
        return self.cache_format % {"scope": self.scope, "ident": network}
