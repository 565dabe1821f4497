"""The Redis that workers hear each other through: its URLs, and what answers there."""

from collections.abc import Sequence
from typing import Final, NamedTuple
from urllib.parse import parse_qs, urlsplit

import redis
from django.core.exceptions import ImproperlyConfigured

from tracking.monitoring.throttled_log import reason

SCHEMES: Final = ("redis", "rediss", "unix")
PREFIX: Final = "ridehail"

SENTINEL: Final = "a Sentinel answers there, which publishes nothing: give the master's port"
CLUSTER: Final = "Redis Cluster is not supported: give a Redis or Valkey of its own"


def check_url(url: str) -> str:
    """Return `url` if a Redis can be there; raise ImproperlyConfigured, which says what is wrong.

    The message does not quote the URL, which may have a password in it.
    """
    example = "Give redis://host:6379/0, rediss:// for TLS, or unix:///path/to/redis.sock."
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES or "://" not in url:
        raise ImproperlyConfigured(f"REDIS_URL has no scheme that is known. {example}")
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
    """Return a prefix that tells the databases of one Redis apart, as nothing else does."""
    parts = urlsplit(urls[0])
    database = parse_qs(parts.query).get("db", [""])[0]
    if parts.scheme != "unix":
        database = parts.path.strip("/") or database
    return f"{PREFIX}-{database}" if database.isdecimal() and int(database) else PREFIX


class Problem(NamedTuple):
    """A reason why workers do not hear each other. An `unreachable` Redis may be starting."""

    text: str
    unreachable: bool


def problems(urls: Sequence[str]) -> list[Problem]:
    """Return what keeps workers from hearing each other there, as far as asking shows."""
    found = []
    for number, url in enumerate(urls, start=1):
        problem = _problem(url)
        if problem is not None:
            text = f"REDIS_URL, host {number} of {len(urls)}: {problem.text}"
            found.append(Problem(text, problem.unreachable))
    return found


def _problem(url: str) -> Problem | None:
    options = {"socket_connect_timeout": 2, "socket_timeout": 2}
    try:
        with redis.Redis.from_url(url, **options) as client:
            mode = client.info("server").get("redis_mode")
            if mode == "sentinel":
                return Problem(SENTINEL, unreachable=False)
            if mode == "cluster":
                return Problem(CLUSTER, unreachable=False)
            client.publish(f"{PREFIX}.check", "")
    except redis.AuthenticationError:
        return Problem("it refuses the password, or wants one", unreachable=False)
    except redis.RedisError as error:
        return Problem(f"it cannot be used: {reason(error)}", unreachable=True)
    return None
