"""The client address that rate limits are counted by."""

from typing import Any

from django.utils.module_loading import import_string

from tracking.conf import conf


def address_of(scope: dict[str, Any]) -> str:
    """Return the address of a connection's client, as `TRACKING["CLIENT_ADDRESS"]` finds it."""
    address: str = import_string(conf.CLIENT_ADDRESS)(scope)
    return address


def peer_address(scope: dict[str, Any]) -> str:
    """Return the address of the network peer: the proxy's, if there is one; empty if unknown."""
    host: str = (scope.get("client") or [""])[0]
    return host
