"""The value of REDIS_URL, checked, and the prefix that follows from it."""

from collections.abc import Sequence
from typing import Final
from urllib.parse import parse_qs, urlsplit

from django.core.exceptions import ImproperlyConfigured

SCHEMES: Final = ("redis", "rediss", "unix")
PREFIX: Final = "ridehail"


def check_url(url: str) -> str:
    """Return `url`, or raise ImproperlyConfigured if it is no URL of a Redis.

    The message does not quote the URL, which may contain a password.
    """
    example = "Give redis://host:6379/0, rediss:// for TLS, or unix:///path/to/redis.sock."
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES or "://" not in url:
        raise ImproperlyConfigured(f"REDIS_URL has no known scheme. {example}")
    if parts.scheme == "unix":
        if not parts.path:
            raise ImproperlyConfigured(f"REDIS_URL names no socket. {example}")
        return url
    try:
        port = parts.port
    except ValueError as error:
        raise ImproperlyConfigured(
            f"REDIS_URL's port must be a number from 1 to 65535. {example}"
        ) from error
    if not parts.hostname or port == 0:
        raise ImproperlyConfigured(f"REDIS_URL names no host or port. {example}")
    if parts.path.strip("/") and not parts.path.strip("/").isdecimal():
        raise ImproperlyConfigured(f"REDIS_URL's path must be a database number. {example}")
    return url


def default_prefix(urls: Sequence[str]) -> str:
    """Return a prefix that differs between the databases of one Redis, which share all messages."""
    parts = urlsplit(urls[0])
    database = parse_qs(parts.query).get("db", [""])[0]
    if parts.scheme != "unix":
        database = parts.path.strip("/") or database
    return f"{PREFIX}-{database}" if database.isdecimal() and int(database) else PREFIX
