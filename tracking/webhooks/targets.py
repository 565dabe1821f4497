"""Targets of webhooks: the URLs and the addresses to which deliveries may go.

A URL is checked when it is saved, and the address at each connection: between the two, and between
two connections, the name may get another address (DNS rebinding).
"""

import ipaddress
import re
import socket
from collections.abc import Sequence
from concurrent.futures import Future
from ipaddress import IPv4Address, IPv6Address
from threading import BoundedSemaphore, Thread
from typing import Any, Final, TypeAlias

from django.utils.translation import gettext as _
from yarl import URL

from tracking.conf import conf

Address: TypeAlias = IPv4Address | IPv6Address
# As `socket.getaddrinfo` returns it.
AddressInfo: TypeAlias = tuple[int, int, int, str, tuple[Any, ...]]

# Characters of a URL, as in the database.
MAX_LENGTH: Final = 2000
# Seconds in which a name must be found.
LOOKUP_TIMEOUT: Final = 5.0
# Lookups at the same time: each has a thread, for which nothing can be done while a server of names
# does not answer. One more fails.
MAX_LOOKUPS: Final = 64

# Refused even if private addresses are permitted: nothing that takes webhooks has them, and the
# metadata of a cloud's machine, with its passwords, is there.
_NEVER: Final = tuple(
    map(
        ipaddress.ip_network,
        (
            "0.0.0.0/8",  # this host
            "169.254.0.0/16",  # link-local; 169.254.169.254 and others are metadata
            "100.100.100.200/32",  # metadata of Alibaba Cloud
            "168.63.129.16/32",  # metadata of Azure, a public address
            "192.0.0.192/32",  # metadata of Oracle Cloud
            "224.0.0.0/4",  # multicast
            "255.255.255.255/32",  # broadcast
            "::/128",
            "fe80::/10",  # link-local
            "fd00:ec2::/32",  # metadata of AWS
            "fd20:ce::254/128",  # metadata of Google Cloud
            "ff00::/8",  # multicast
        ),
    )
)
# IANA's special-purpose addresses. Not `is_private` and `is_global`: what they mean differs between
# versions of Python.
_PRIVATE: Final = tuple(
    map(
        ipaddress.ip_network,
        (
            "10.0.0.0/8",
            "100.64.0.0/10",  # shared by a provider's customers (CGNAT)
            "127.0.0.0/8",
            "172.16.0.0/12",
            "192.0.0.0/24",  # protocol assignments
            "192.0.2.0/24",  # documentation
            "192.31.196.0/24",  # AS112
            "192.52.193.0/24",  # AMT
            "192.88.99.0/24",  # relays of 6to4
            "192.168.0.0/16",
            "192.175.48.0/24",  # AS112
            "198.18.0.0/15",  # benchmarks
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "240.0.0.0/4",  # reserved
            "2001::/23",  # protocol assignments, with Teredo, benchmarks and ORCHID
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4
            "2620:4f:8000::/48",  # AS112
            "3fff::/20",  # documentation
        ),
    )
)
# The only addresses of IPv6 that are given out. All others are refused: loopback, unique local
# (ULA), site-local, compatible with IPv4, discarded.
_GLOBAL_V6: Final = ipaddress.ip_network("2000::/3")
# A network with IPv6 alone reaches a public IPv4 address there.
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")

# A label that makes browsers and the C library read the host as an IPv4 address.
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*", re.IGNORECASE)
_NAME: Final = re.compile(r"(?=.{1,253}\Z)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.?\b)+\Z")


class InvalidTarget(ValueError):
    """A URL or an address to which nothing is delivered. The message is for whoever entered it."""


class ForbiddenAddressError(OSError):
    """A connection was not opened, because deliveries to its address are not permitted."""


def check_url(url: str) -> None:
    """Raise `InvalidTarget` unless deliveries may go to this URL. Look up its host's addresses.

    It is https: http is permitted with TRACKING["WEBHOOK_ALLOW_PRIVATE"] alone, as anybody on the
    way can read it.
    """
    host, port = check_form(url)
    try:
        found = lookup(host, port).result(LOOKUP_TIMEOUT)
    except TimeoutError:
        raise InvalidTarget(
            _("The host %(host)s was not found within %(seconds)g seconds. Try again later.")
            % {"host": host, "seconds": LOOKUP_TIMEOUT}
        ) from None
    except (OSError, UnicodeError):
        raise InvalidTarget(
            _("The host %(host)s was not found. Check its spelling: it must be a public name.")
            % {"host": host}
        ) from None
    for *_others, address in found:
        if not is_permitted(address[0]):
            raise InvalidTarget(
                _(
                    "The host %(host)s has the address %(address)s, which is not public. Use a"
                    " host whose addresses all are."
                )
                % {"host": host, "address": address[0]}
            )


def is_permitted(address: str | Address) -> bool:
    """Return True if deliveries may go to this address.

    TRACKING["WEBHOOK_ALLOW_PRIVATE"] permits private ones too, but for link-local addresses,
    multicast, and the metadata of clouds.
    """
    try:
        address = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return False
        if address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        elif address in _NAT64:
            address = IPv4Address(int(address) & 0xFFFF_FFFF)
    if any(address in network for network in _NEVER):
        return False
    return bool(conf.WEBHOOK_ALLOW_PRIVATE) or _is_public(address)


def socket_factory(info: AddressInfo) -> socket.socket:
    """Return a socket for aiohttp's connector, which connects it to this very address.

    Raise `ForbiddenAddressError` if that is not permitted.
    """
    family, kind, protocol, _, address = info
    if family not in (socket.AF_INET, socket.AF_INET6) or not is_permitted(address[0]):
        raise ForbiddenAddressError("deliveries to this address are not permitted")
    return socket.socket(family, kind, protocol)


def lookup(host: str, port: int) -> "Future[Sequence[AddressInfo]]":
    """Look up a host's addresses in a thread of its own, for aiohttp's connector and for checks.

    Not in a pool: names that hang would fill it, and a program waits for a pool's threads when it
    ends.
    """
    future: Future[Sequence[AddressInfo]] = Future()
    if not _lookups.acquire(blocking=False):
        future.set_exception(OSError("too many lookups of names hang"))
        return future
    thread = Thread(target=_look_up, args=(host, port, future), name="tracking-lookup", daemon=True)
    try:
        thread.start()
    except RuntimeError as error:  # no thread can be started
        _lookups.release()
        future.set_exception(OSError(str(error)))
    return future


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv6Address) and address not in _GLOBAL_V6:
        return False
    return not any(address in network for network in _PRIVATE)


def check_form(url: str) -> tuple[str, int]:
    """Return the host and the port of a well-formed URL; raise `InvalidTarget`.

    Nothing is looked up.
    """
    if len(url) > MAX_LENGTH:
        raise InvalidTarget(
            _("The URL has %(count)d characters. At most %(most)d fit.")
            % {"count": len(url), "most": MAX_LENGTH}
        )
    if any(character.isspace() or not character.isprintable() for character in url):
        raise InvalidTarget(
            _("The URL contains a space or a control character. Remove or encode it.")
        )
    if "\\" in url:
        raise InvalidTarget(_("The URL contains a backslash. Use / instead."))
    try:
        # The parser that the sender uses, so that both mean the same host.
        parsed = URL(url)
        host, port = parsed.raw_host, parsed.port
    except (ValueError, TypeError):
        raise InvalidTarget(_with_example(_("This is not a URL."))) from None
    if conf.WEBHOOK_ALLOW_PRIVATE:
        if parsed.scheme not in ("https", "http"):
            text = _("The URL must begin with https:// or http://.")
            raise InvalidTarget(_with_example(text))
    elif parsed.scheme != "https":
        raise InvalidTarget(_with_example(_("The URL must begin with https://.")))
    if parsed.raw_fragment or url.endswith("#"):
        raise InvalidTarget(
            _("The URL contains a fragment, which is never sent. Remove # and after.")
        )
    if "@" in parsed.raw_authority or "@" in url.partition("//")[2].partition("/")[0]:
        raise InvalidTarget(
            _(
                "The URL contains a user name or password. Remove them: the signature proves who"
                " sends."
            )
        )
    if not host:
        raise InvalidTarget(_with_example(_("The URL has no host.")))
    if not port:
        raise InvalidTarget(_("The URL's port must be between 1 and 65535."))
    _check_host(host, is_bracketed="[" in url.partition("//")[2].partition("/")[0])
    return host, port


def _with_example(text: str) -> str:
    example = _("Enter one such as https://example.com/webhooks.")
    return f"{text} {example}"


def _check_host(host: str, *, is_bracketed: bool) -> None:
    """Raise `InvalidTarget` for a host in a form that programs read differently."""
    if is_bracketed or _is_v4(host):
        if "%" in host or (is_bracketed and not _is_v6(host)):
            raise InvalidTarget(
                _("[%(host)s] is not an IPv6 address without a zone.") % {"host": host}
            )
        return
    if host.endswith("."):
        raise InvalidTarget(_("The host ends with a dot. Remove it."))
    if _NUMBER.fullmatch(host.rpartition(".")[2]):
        raise InvalidTarget(
            _(
                "The host %(host)s is an unusual form of an IPv4 address. Use a name, or four"
                " decimal numbers."
            )
            % {"host": host}
        )
    if not _NAME.fullmatch(host.lower()):
        raise InvalidTarget(
            _("The host %(host)s is not a valid name. Use letters, digits, hyphens and dots.")
            % {"host": host}
        )


def _is_v4(host: str) -> bool:
    try:
        IPv4Address(host)
    except ValueError:
        return False
    return True


def _is_v6(host: str) -> bool:
    try:
        IPv6Address(host)
    except ValueError:
        return False
    return True


_lookups: Final = BoundedSemaphore(MAX_LOOKUPS)


def _look_up(host: str, port: int, future: "Future[Sequence[AddressInfo]]") -> None:
    """Look up in this thread, and put the result into `future`."""
    try:
        if future.set_running_or_notify_cancel():
            future.set_result(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    except Exception as error:
        future.set_exception(error)
    finally:
        _lookups.release()
