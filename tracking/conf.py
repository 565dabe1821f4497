"""The `TRACKING` settings dict and its defaults, read lazily so that `override_settings` works."""

from typing import Any, Final

from django.conf import settings

DEFAULTS: Final[dict[str, Any]] = {
    # The policies that permit publishing for a driver and watching one: dotted paths of functions
    # (user, driver_id) -> tracking.permissions.Decision, plain or async.
    "PUBLISH_POLICY": "tracking.permissions.own_location",
    "WATCH_POLICY": "tracking.permissions.any_authenticated",
    # The dotted path of a function (user) -> bool, plain or async, that permits searches for the
    # nearest free drivers. Empty: only staff who may view last known locations, who always may.
    "NEARBY_POLICY": "",
    # The dotted path of the class that finds a token's user: `tracking.access.tokens.AccessTokens`,
    # `tracking.access.drf_tokens.DRFTokens`, or a subclass of your own.
    "AUTHENTICATION": "tracking.access.tokens.AccessTokens",
    # True accepts tokens with exactly the claims id, email, name, iat and exp, signed with the same
    # key, as access tokens too: those of an existing log-in, which SimpleJWT would refuse. The host
    # should sign nothing else of this form with that key.
    "ACCEPT_LOGIN_TOKENS": False,
    # Former keys whose signatures are still accepted: to change SIMPLE_JWT's SIGNING_KEY (or
    # VERIFYING_KEY), add the old one for the lifetime of its tokens.
    "FALLBACK_KEYS": [],
    # Seconds from connecting to the first valid message.
    "AUTHENTICATION_TIMEOUT": 10.0,
    # Limits of open connections per process: in all, per user, and per client address for those
    # that have not authenticated yet. 0 means no limit. The last must fit depots and carriers,
    # whose phones share an address: after a restart, 2,000 phones that take 1 s each to
    # authenticate were all back after 3 s with a limit of 2,000, after 5 s with 1,000, and after 34
    # to 57 s with 100. A silent connection costs 22 KiB for at most AUTHENTICATION_TIMEOUT, and 0.4
    # ms of a core: 2,000 from one address cost 45 MB and 8 % of a core (benchmarks/strangers.py).
    # On a full server, unauthenticated connections of the address with most of them are closed
    # first.
    "MAX_CONNECTIONS": 10_000,
    "MAX_CONNECTIONS_PER_USER": 20,
    "MAX_UNAUTHENTICATED_PER_ADDRESS": 2_000,
    # The dotted path of a function (scope) -> client address, for that limit. The default returns
    # the address of the proxy, if there is one in front of the server.
    "CLIENT_ADDRESS": "tracking.access.addresses.peer_address",
    # Maximum duration of a watch grant in seconds; 0 means no limit.
    "MAX_GRANT_DURATION": 86_400.0,
    # The watcher of a grant also sees fixes recorded up to this many seconds before its start, so
    # that the map is not empty.
    "GRANT_LEAD_TIME": 120.0,
    # Days for which the audit trail of access to locations is kept; 0 turns it off.
    "ACCESS_LOG_DAYS": 90,
    # The fixes that the history keeps: "off" for none, "all", or "trips" for those recorded while
    # the driver had a trip, or a watch grant for it was live. They are kept for HISTORY_DAYS, which
    # must be set for the history to be on: `manage.py tracking_maintain` deletes older ones, and
    # packs those older than HISTORY_HOT_DAYS whole days into a tenth of the space.
    "HISTORY": "off",
    "HISTORY_DAYS": 0,
    "HISTORY_HOT_DAYS": 3,
    # The path of a file to which each erasure of a driver's history is added, on a disk that
    # outlives the database: a restored backup obeys it on the next `tracking_maintain`.
    "ERASURE_LOG": "",
    # Days for which events, and their deliveries to webhooks, are kept once they are dispatched.
    "EVENT_DAYS": 30,
    # True permits webhooks to private addresses: for tests, and for systems in a private network.
    "WEBHOOK_ALLOW_PRIVATE": False,
    # The radii in metres around a waypoint in which a driver is about to arrive, and has arrived. A
    # waypoint may have its own: `arriving_radius`, `arrived_radius`.
    "ARRIVING_RADIUS": 500.0,
    "ARRIVED_RADIUS": 50.0,
    # The routing engine for times of arrival: {"BACKEND": "osrm" or "valhalla", or the dotted path
    # of a subclass of `tracking.eta.engines.Engine`, "URL": "http://127.0.0.1:5000"}. Without one,
    # they are estimated from the straight line, and marked with a low confidence.
    "ROUTING": {},
    # Messages per second on average, and at once, of a driver, of a watcher about one driver, and
    # of a watcher of the fleet: each over all of its connections to a process. A rate of 0 means no
    # limit; the burst is 1 or more.
    "MAX_FIXES_PER_SECOND": 5.0,
    "MAX_FIXES_BURST": 20,
    # Maximum size in bytes of a message, and of a report over HTTP; a batch of 100 fixes with all
    # digits has 20 KiB. The ASGI server counts the bytes of a message, and needs the same limit:
    # `tracking_serve` sets it. If the server's is higher, this limits a message's characters.
    "MAX_MESSAGE_SIZE": 32 * 1024,
    # A connection is closed after this many bad messages in a row.
    "MAX_BAD_MESSAGES": 5,
    # Seconds in which a client must read some of the data sent to it, or it is disconnected.
    "SEND_TIMEOUT": 10.0,
    # A driver is stale this many seconds after the location was measured, and offline this many
    # seconds after the phone last sent anything.
    "STALE_AFTER": 15.0,
    "OFFLINE_AFTER": 60.0,
    # Channel-layer groups that drivers are spread over (driver id modulo SHARDS). A worker receives
    # the groups in which it has watchers. More than one pays off with many workers of few watchers
    # each: at 2,000 updates/s, 4 cost 0.42 CPU seconds per 1,000 updates, and 1 costs 0.35.
    "SHARDS": 1,
    # Seconds over which a stopping server spreads the closing of its sockets.
    "DRAIN_SECONDS": 10.0,
    # The bearer token that opens /metrics/. Without one, /metrics/ is off.
    "METRICS_TOKEN": "",
    # The URL of the admin's link to a map.
    "MAP_LINK_URL": (
        "https://www.openstreetmap.org/?mlat={latitude}&mlon={longitude}"
        "#map=16/{latitude}/{longitude}"
    ),
    # The URL of the map's tiles, such as https://tiles.example.org/{z}/{x}/{y}.png, and their
    # attribution. Without a URL, the map draws coastlines, degrees and a scale, and loads nothing
    # from other hosts.
    "TILE_URL": "",
    "TILE_ATTRIBUTION": "",
    # The address of the host's own page about a driver, to which the dispatcher's console links:
    # "/staff/drivers/{id}/" or "https://office.example.com/drivers/{id}". Empty: the admin's row.
    "DRIVER_PAGE": "",
    # The static path of a JavaScript module that draws more of a map without tiles, such as
    # rides/streets.js: docs/frontend.md says what it exports.
    "BASE_LAYER": "",
    # The start of the sockets' addresses, where they are below a prefix or on another host:
    # "/live/" or "wss://live.example.com/". Empty: at the root of the page's host.
    "SOCKET_URL": "",
    # The path, or URL name, of the view that issues a logged-in page its access token. For pages
    # that are logged in with Django's sessions the package has one: "tracking:token".
    "TOKEN_URL": "/accounts/token/session/",
}


class Conf:
    """Attribute access to `settings.TRACKING`, falling back to `DEFAULTS`."""

    def __getattr__(self, name: str) -> Any:
        if name not in DEFAULTS:
            raise AttributeError(f"TRACKING has no setting {name!r}")
        return getattr(settings, "TRACKING", {}).get(name, DEFAULTS[name])


conf = Conf()
