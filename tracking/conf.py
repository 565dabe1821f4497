"""The `TRACKING` settings dict and its defaults, read lazily so that `override_settings` works."""

from typing import Any, Final

from django.conf import settings

DEFAULTS: Final[dict[str, Any]] = {
    # Who may publish for a driver, and who may watch one: dotted paths to
    # (user, driver_id) -> tracking.permissions.Decision, plain or async.
    "PUBLISH_POLICY": "tracking.permissions.own_location",
    "WATCH_POLICY": "tracking.permissions.any_authenticated",
    # Whether tokens of exactly the claims id, email, name, iat and exp, signed with the same key,
    # are access tokens too: an existing log-in's, which SimpleJWT would refuse. Nothing else that
    # the host signs with that key should look like this.
    "ACCEPT_LOGIN_TOKENS": False,
    # Keys of before that tokens may still be signed with: to change SIMPLE_JWT's SIGNING_KEY (or
    # VERIFYING_KEY), add the old one for as long as its tokens live.
    "FALLBACK_KEYS": [],
    # Seconds from connecting to the first valid message.
    "AUTHENTICATION_TIMEOUT": 10.0,
    # Connections that a process takes, in all and of one user; and of one client address, how many
    # may be open that have not authenticated yet. 0 means no limit. The last is for depots and
    # carriers, whose phones share an address: after a restart, 2,000 phones that need 1 s each to
    # say who they are were all back after 3 s with 2,000, after 5 s with 1,000, and after 34 to
    # 57 s with 100. A silent connection costs 22 KiB for at most AUTHENTICATION_TIMEOUT, and 0.4 ms
    # of a core: one address gets 45 MB and 8 % of a core by 2,000 (benchmarks/strangers.py). On a
    # full server, the address with the most of them makes room for others.
    "MAX_CONNECTIONS": 10_000,
    "MAX_CONNECTIONS_PER_USER": 20,
    "MAX_UNAUTHENTICATED_PER_ADDRESS": 2_000,
    # Whom a connection comes from, for that limit: the dotted path of a function of the ASGI scope.
    # This one sees a proxy in front of the server as everybody's address.
    "CLIENT_ADDRESS": "tracking.access.addresses.peer_address",
    # Seconds that a watch grant may last at the most; 0 means no limit.
    "MAX_GRANT_DURATION": 86_400.0,
    # Seconds before a watch grant's start of which its watcher sees, so that the map is not empty.
    "GRANT_LEAD_TIME": 120.0,
    # Days for which is kept who looked at whose location; 0 keeps nothing.
    "ACCESS_LOG_DAYS": 90,
    # Messages that a connection may send on the average and at once. 0 means no limit.
    "MAX_FIXES_PER_SECOND": 5.0,
    "MAX_FIXES_BURST": 20,
    # Bytes of a message; a batch of 100 fixes, every number to its last digit, has 20 KiB. The
    # server, which reads it first, has a limit of its own and should be given the same.
    "MAX_MESSAGE_SIZE": 32 * 1024,
    # This many bad messages in a row, and it is not a client of ours.
    "MAX_BAD_MESSAGES": 5,
    # Seconds in which a client must take something of what it was sent. One that does not is gone,
    # or might as well be.
    "SEND_TIMEOUT": 10.0,
    # Seconds since the place was measured until a driver counts as stale, and since the phone was
    # heard until it counts as offline.
    "STALE_AFTER": 15.0,
    "OFFLINE_AFTER": 60.0,
    # Channel-layer groups that drivers are spread over (driver id modulo SHARDS). A worker hears
    # of groups in which it has watchers. More than one pays with many workers of few watchers
    # each: at 2,000 updates/s, 4 cost 0.42 CPU seconds per 1,000 updates, and 1 costs 0.35.
    "SHARDS": 1,
    # Seconds over which a server that is told to stop spreads the closing of its sockets.
    "DRAIN_SECONDS": 10.0,
    # Whoever sends this as a bearer token sees /metrics/; without it there are none.
    "METRICS_TOKEN": "",
    # Where the admin's "show on a map" link leads.
    "MAP_LINK_URL": (
        "https://www.openstreetmap.org/?mlat={latitude}&mlon={longitude}"
        "#map=16/{latitude}/{longitude}"
    ),
    # The map's tiles, such as https://tiles.example.org/{z}/{x}/{y}.png, and whom to thank for
    # them. Without a URL the map draws its own base layer and asks no other host.
    "TILE_URL": "",
    "TILE_ATTRIBUTION": "",
    # Where a logged-in page gets its access token: a path, or the name of a URL.
    "TOKEN_URL": "/accounts/token/session/",
}


class Conf:
    """Attribute access to `settings.TRACKING`, falling back to `DEFAULTS`."""

    def __getattr__(self, name: str) -> Any:
        if name not in DEFAULTS:
            raise AttributeError(f"TRACKING has no setting {name!r}")
        return getattr(settings, "TRACKING", {}).get(name, DEFAULTS[name])


conf = Conf()
