from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.throttling import ScopedRateThrottle

from ridehail.proxies import request_limit_key


class ClientRateThrottle(ScopedRateThrottle):
    """Counts by user, and the anonymous by the address that `ridehail.proxies` finds.

    The counts are in this process's memory, so that each worker allows the rate: it is there to
    spare the worker. Against guessing stands `accounts.lockout`, which all workers share.
    """

    def get_ident(self, request: Request | HttpRequest) -> str:
        return request_limit_key(request) or ""
