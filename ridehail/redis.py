"""The Redis that workers hear each other through: its URLs, and what answers there."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qs, urlsplit

import redis
from django.core.exceptions import ImproperlyConfigured

from tracking.throttled_log import reason

SCHEMES: Final = ("redis", "rediss", "unix")
PREFIX: Final = "ridehail"

SENTINEL: Final = "a Sentinel answers there, which publishes nothing: give the master's port"
CLUSTER: Final = "Redis Cluster is not supported: give a Redis or Valkey of its own"
REPLICA: Final = (
    "a replica answers there, and what is published to it reaches only those who subscribed to "
    "the same replica: give the master's address"
)
PERMISSION: Final = (
    "its user lacks a permission that workers need (select, publish, subscribe, unsubscribe and "
    "ping, on channels that begin with the prefix)"
)


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


def problems(urls: Sequence[str], prefix: str = PREFIX) -> list[Problem]:
    """Return what keeps workers from hearing each other there, as far as asking shows.

    `prefix` begins the names of their channels, which a user may be limited to.
    """
    found = []
    for number, url in enumerate(urls, start=1):
        problem = _problem(url, f"{prefix}.check")
        if problem is not None:
            text = f"REDIS_URL, host {number} of {len(urls)}: {problem.text}"
            found.append(Problem(text, problem.unreachable))
    return found


def _problem(url: str, channel: str) -> Problem | None:
    options = {"socket_connect_timeout": 2, "socket_timeout": 2}
    try:
        with redis.Redis.from_url(url, **options) as client, client.pubsub() as subscription:
            server = _hello(client)
            if server.get("mode") == "sentinel":
                return Problem(SENTINEL, unreachable=False)
            if server.get("mode") == "cluster":
                return Problem(CLUSTER, unreachable=False)
            if server.get("role") == "replica":
                return Problem(REPLICA, unreachable=False)
            subscription.subscribe(channel)
            subscription.get_message(timeout=2)  # the answer, which may be a refusal
            client.publish(channel, "")
    except redis.AuthenticationError:
        return Problem("it refuses the password, or wants one", unreachable=False)
    except redis.exceptions.NoPermissionError as error:
        return Problem(f"{PERMISSION}: {reason(error)}", unreachable=False)
    except redis.RedisError as error:
        return Problem(f"it cannot be used: {reason(error)}", unreachable=True)
    return None


def _hello(client: Any) -> dict[str, str]:
    """Return what a server says of itself, or nothing if it does not know the question.

    Not INFO or ROLE, which many users may not call: HELLO takes no permission.
    """
    try:
        answer = client.execute_command("HELLO")
    except redis.AuthenticationError:
        raise
    except redis.ResponseError:  # a proxy, or Redis before 6.2
        return {}
    if isinstance(answer, list):  # with ?protocol=2 in the URL
        answer = dict(zip(answer[::2], answer[1::2], strict=True))
    return {_text(key): _text(value) for key, value in answer.items()}


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
