"""System checks of a channel layer's Redis hosts: each must pass messages between workers."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import redis
import redis.sentinel
from channels_redis.utils import decode_hosts
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning

from tracking.throttled_log import reason

# The default of channels_redis.
DEFAULT_PREFIX: Final = "asgi"
# Seconds. Shorter than the channel layer's own, so that a check ends soon.
TIMEOUTS: Final = {"socket_connect_timeout": 2, "socket_timeout": 2}

OPTIONS: Final = "its settings are neither a Redis URL nor options of redis-py's connections"
SENTINEL: Final = (
    "this is a Sentinel, which does not pass on messages: use the master's port, or `sentinels` "
    "and `master_name` as channels_redis documents them"
)
CLUSTER: Final = "Redis Cluster is not supported: use a single Redis or Valkey"
REPLICA: Final = (
    "this is a replica, and messages published to a replica reach only the subscribers of the same "
    "replica: use the master's address"
)
PASSWORD: Final = "it refused the password, or requires one"  # noqa: S105 - a message
PERMISSION: Final = (
    "its user lacks a permission that workers need (select, publish, subscribe, unsubscribe and "
    "ping, on channels that start with the prefix)"
)


class Problem(NamedTuple):
    """A reason why workers do not receive each other's messages.

    `unreachable` faults may be temporary, for example while Redis starts.
    """

    text: str
    unreachable: bool


def check_hosts(hosts: Sequence[Any], prefix: str = DEFAULT_PREFIX) -> list[CheckMessage]:
    """Return the `problems` of a channel layer's hosts as system check messages."""
    return [
        CheckWarning(text, id="tracking.W010") if unreachable else Error(text, id="tracking.E009")
        for text, unreachable in problems(hosts, prefix)
    ]


def problems(hosts: Sequence[Any], prefix: str = DEFAULT_PREFIX) -> list[Problem]:
    """Connect to each host, and return the problems found, at most one per host.

    `hosts` is the value of `hosts` in channels_redis' CONFIG. The names of the layer's channels
    start with `prefix`: the permissions of a Redis user may be limited to it.
    """
    decoded = decode_hosts(hosts)
    found = []
    for number, host in enumerate(decoded, start=1):
        problem = _problem(host, f"{prefix}.check")
        if problem is not None:
            text = f"Redis host {number} of {len(decoded)}: {problem.text}"
            found.append(Problem(text, problem.unreachable))
    return found


def _problem(host: Mapping[str, Any], channel: str) -> Problem | None:
    try:
        with _client(host) as client, client.pubsub() as subscription:
            server = _hello(client)
            if server.get("mode") == "sentinel":
                return Problem(SENTINEL, unreachable=False)
            if server.get("mode") == "cluster":
                return Problem(CLUSTER, unreachable=False)
            if server.get("role") == "replica":
                return Problem(REPLICA, unreachable=False)
            subscription.subscribe(channel)
            subscription.get_message(timeout=2)  # raises if SUBSCRIBE was refused
            client.publish(channel, "")
    except redis.AuthenticationError:
        return Problem(PASSWORD, unreachable=False)
    except redis.exceptions.NoPermissionError as error:
        return Problem(f"{PERMISSION}: {reason(error)}", unreachable=False)
    except redis.RedisError as error:
        return Problem(f"it cannot be used: {reason(error)}", unreachable=True)
    except (TypeError, ValueError):  # without its text, which may contain the password
        return Problem(OPTIONS, unreachable=False)
    return None


def _client(host: Mapping[str, Any]) -> Any:
    """Return a client for a decoded host, as `channels_redis.utils.create_pool` does for asyncio.

    If the options are wrong, this call or the client's first connection raises TypeError or
    ValueError.
    """
    options = {**host, **TIMEOUTS}
    if "address" in options:
        return redis.Redis.from_url(options.pop("address"), **options)
    if (master := options.pop("master_name", None)) is None:
        return redis.Redis.from_pool(redis.ConnectionPool(**options))
    sentinel: Any = redis.sentinel.Sentinel  # which has no annotations
    for_sentinels = {**(options.pop("sentinel_kwargs", None) or {}), **TIMEOUTS}
    return sentinel(options.pop("sentinels"), sentinel_kwargs=for_sentinels).master_for(
        master, **options
    )


def _hello(client: Any) -> dict[str, str]:
    """Return the server's reply to HELLO, empty if it does not know the command.

    HELLO needs no permission, while many Redis users may not call INFO or ROLE.
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
