"""The client address that limits count by."""

from typing import Any

from django.utils.module_loading import import_string

from tracking.conf import conf


def address_of(scope: dict[str, Any]) -> str:
    """Return whom a connection comes from, as `TRACKING["CLIENT_ADDRESS"]` sees it."""
    address: str = import_string(conf.CLIENT_ADDRESS)(scope)
    return address


def peer_address(scope: dict[str, Any]) -> str:
    """Return the address of the other end, which is a proxy's if there is one."""
    host: str = (scope.get("client") or [""])[0]
    return host
