"""The client's address behind proxies, and the keys by which clients are limited."""

import logging
import re
from collections.abc import Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Any, Final, TypeAlias

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest

logger = logging.getLogger(__name__)

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

# Some proxies add the port: 192.0.2.1:4711, [2001:db8::1]:4711.
WITH_PORT = re.compile(r"\[(.+)\](?::[0-9]{1,5})?|([0-9.]+):[0-9]{1,5}")


def client_address(
    peer: str | None, forwarded_for: str, trusted: Sequence[Network]
) -> Address | None:
    """Return the address nearest to the server that is not a trusted proxy's.

    `peer` is the other end of the connection, `forwarded_for` the value of X-Forwarded-For, with
    its lines joined by commas. Each proxy appends the address that called it, so the header is
    read from its end, and only as far as trusted proxies wrote it: the client may have invented
    the rest. Return None if the peer has no address, as on a Unix socket.
    """
    address = _parse(peer or "")
    if forwarded_for and address is not None and not _is_in(address, trusted):
        _warn_once(address)
    hops = [hop for hop in forwarded_for.split(",") if hop.strip()]
    while address is not None and hops and _is_in(address, trusted):
        hop = _parse(hops.pop())
        if hop is None:
            break
        address = hop
    return address


def _is_in(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)


def _warn_once(peer: Address) -> None:
    """Warn once about an untrusted peer that sends X-Forwarded-For.

    If it is a proxy, all its clients count as one and are soon locked out together.
    """
    if peer not in _warned and len(_warned) < MAX_WARNED_ADDRESSES:
        _warned.add(peer)
        logger.warning(
            "X-Forwarded-For came from %s, which is not in TRUSTED_PROXIES, and was ignored. If "
            "that is your proxy, name it there: all its clients share one address's limits.",
            peer,
        )


# Any client can send the header and must not fill the log, so only so many addresses are logged.
MAX_WARNED_ADDRESSES: Final = 16
_warned: set[Address] = set()


def limit_key(address: Address | None) -> str:
    """Return the key for limits per address: the address, or the /64 of an IPv6 address.

    One customer gets at least a /64, and could start anew with each of its 2^64 addresses.
    """
    if isinstance(address, IPv6Address):
        return str(IPv6Network((address, 64), strict=False).network_address)
    return str(address or "")


def site_network(key: str) -> Network | None:
    """Return the IPv4 /24 or IPv6 /48 that contains a `limit_key`, or None for "".

    That is what one site or one rented server usually gets.
    """
    address = _parse(key)
    if address is None:
        return None
    return ip_network((address, 24 if address.version == 4 else 48), strict=False)


def request_limit_key(request: HttpRequest) -> str | None:
    """Return the `limit_key` of the client that sent the request; None if it has no address."""
    address = client_address(
        request.META.get("REMOTE_ADDR"),
        request.META.get("HTTP_X_FORWARDED_FOR", ""),
        settings.TRUSTED_PROXIES,
    )
    return limit_key(address) or None


def scope_limit_key(scope: dict[str, Any]) -> str:
    """Return the `limit_key` of the client of an ASGI scope's connection; "" without address."""
    forwarded_for = b",".join(
        value for name, value in scope.get("headers", ()) if name == b"x-forwarded-for"
    )
    peer = (scope.get("client") or [None])[0]
    return limit_key(
        client_address(peer, forwarded_for.decode("latin-1"), settings.TRUSTED_PROXIES)
    )


def parse_networks(texts: Sequence[str]) -> list[Network]:
    """Parse addresses and CIDR blocks. Raises ImproperlyConfigured on anything else."""
    try:
        return [ip_network(text.strip()) for text in texts]
    except ValueError as error:
        raise ImproperlyConfigured(f"TRUSTED_PROXIES: {error}") from error


def _parse(text: str) -> Address | None:
    text = text.strip()
    if found := WITH_PORT.fullmatch(text):
        text = found[1] or found[2]
    try:
        # Drop the zone of fe80::1%eth0, which is local to that machine.
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    # A socket that serves both families shows 192.0.2.1 as ::ffff:192.0.2.1.
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address
