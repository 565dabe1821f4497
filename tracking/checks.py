"""System checks of the settings: each message names a fault, its hint says how to correct it."""

from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from channels import DEFAULT_CHANNEL_LAYER
from channels.layers import InMemoryChannelLayer, get_channel_layer
from django.apps import AppConfig
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.staticfiles import finders
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning
from django.core.exceptions import SuspiciousFileOperation
from django.db import connections, router
from django.utils.module_loading import import_string
from rest_framework_simplejwt import settings as simplejwt

from tracking.access.tokens import AccessTokens
from tracking.conf import DEFAULTS, conf
from tracking.engine.database import UnsupportedDatabaseError, supported
from tracking.eta.engines import BACKENDS, Engine
from tracking.models import DriverLocation
from tracking.people import ids_of
from tracking.project_checks import check_project

# RFC 7518 section 3.2: an HMAC key is at least as long as the hash, 32 bytes for SHA-256.
MIN_KEY_BYTES = 32

# A hundred years. Dates cannot be calculated with days without end.
MAX_DAYS = 36_500

# Webhooks are retried for a little more than three days.
MIN_EVENT_DAYS = 4

# Metres, as that of a zone.
MAX_RADIUS = 50_000


def check_settings(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Check `TRACKING`, and the other settings of the project that tracking depends on."""
    return [
        *_keys(),
        *_policies(),
        *_authentication(),
        *_numbers(),
        *_history(),
        *_erasure_log_path(),
        *_events(),
        *_map_link(),
        *_base_layer(),
        *_socket_url(),
        *_driver_page(),
        *_routing(),
        *_layer(),
        *_shards(getattr(settings, "CHANNEL_LAYERS", {})),
        *_users(),
        *_roles(),
        *_signing_key(),
        *_databases(),
        *_redirects(),
        *check_project(),
    ]


def check_deployment(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Check for defaults that may be too open for production: `check --deploy`."""
    return [*_open_policy(), *_erasure_log(), *_webhooks_to_private_addresses()]


def _erasure_log() -> Iterator[CheckMessage]:
    if conf.HISTORY != "off" and not conf.ERASURE_LOG:
        yield CheckWarning(
            "A restored backup would bring back erased parts of the history.",
            hint=(
                "Set TRACKING['ERASURE_LOG'] to the path of a file on a disk that outlives the "
                "database: docs/history.md. If backups are never older than the last erasure: "
                "SILENCED_SYSTEM_CHECKS = ['tracking.W012']."
            ),
            id="tracking.W012",
        )


def _open_policy() -> list[CheckMessage]:
    if conf.WATCH_POLICY != "tracking.permissions.any_authenticated":
        return []
    return [
        CheckWarning(
            "Every logged-in user may watch every driver.",
            hint=(
                "Set TRACKING['WATCH_POLICY'] to 'tracking.permissions.granted' (staff, and users"
                " with a live grant), to 'tracking.permissions.staff_only', or to a policy of your"
                " own. If this is intended: SILENCED_SYSTEM_CHECKS = ['tracking.W001']."
            ),
            id="tracking.W001",
        )
    ]


def _keys() -> Iterator[CheckMessage]:
    for key in sorted(set(getattr(settings, "TRACKING", {})) - set(DEFAULTS)):
        yield Error(
            f"TRACKING has an unknown setting: {key!r}.",
            hint=f"The settings are: {', '.join(DEFAULTS)}.",
            id="tracking.E001",
        )


def _policies() -> Iterator[CheckMessage]:
    for key, arguments in (
        ("PUBLISH_POLICY", "(user, driver_id) -> tracking.permissions.Decision"),
        ("WATCH_POLICY", "(user, driver_id) -> tracking.permissions.Decision"),
        ("CLIENT_ADDRESS", "(scope) -> str"),
        ("NEARBY_POLICY", "(user) -> bool"),
    ):
        path = getattr(conf, key)
        if key == "NEARBY_POLICY" and not path:
            continue
        try:
            found = callable(import_string(path))
        except (ImportError, AttributeError):
            found = False
        if not found:
            yield Error(
                f"TRACKING[{key!r}] is {path!r}, which cannot be imported or is not a function.",
                hint=f"Set it to the dotted path of a function {arguments}.",
                id="tracking.E002",
            )


def _authentication() -> Iterator[CheckMessage]:
    path = conf.AUTHENTICATION
    try:
        found = isinstance(import_string(path)(), AccessTokens)
        reason = "is not a subclass of tracking.access.tokens.AccessTokens"
    except Exception as error:  # a host's own class may raise anything
        found, reason = False, f"cannot be imported or instantiated: {error}"
    if not found:
        yield Error(
            f"TRACKING['AUTHENTICATION'], {path!r}, {reason}.",
            hint=(
                "Set it to 'tracking.access.tokens.AccessTokens', to "
                "'tracking.access.drf_tokens.DRFTokens', or to the path of your own subclass."
            ),
            id="tracking.E002",
        )


def _numbers() -> Iterator[CheckMessage]:
    wrong = {
        key
        for key in ("AUTHENTICATION_TIMEOUT", "SEND_TIMEOUT", "STALE_AFTER", "OFFLINE_AFTER")
        if not _is_number(getattr(conf, key)) or getattr(conf, key) <= 0
    }
    for key in sorted(wrong):
        yield Error(
            f"TRACKING[{key!r}] must be a number of seconds greater than 0.", id="tracking.E003"
        )
    comparable = wrong.isdisjoint(("STALE_AFTER", "OFFLINE_AFTER"))
    if comparable and conf.STALE_AFTER >= conf.OFFLINE_AFTER:
        yield Error(
            "TRACKING['STALE_AFTER'] must be less than TRACKING['OFFLINE_AFTER'].",
            id="tracking.E003",
        )
    for key in (
        "MAX_CONNECTIONS",
        "MAX_CONNECTIONS_PER_USER",
        "MAX_UNAUTHENTICATED_PER_ADDRESS",
        "MAX_FIXES_PER_SECOND",
    ):
        if not _is_number(getattr(conf, key)) or getattr(conf, key) < 0:
            yield Error(
                f"TRACKING[{key!r}] must be a number, 0 or more; 0 means no limit.",
                id="tracking.E003",
            )
    if not _is_number(conf.ACCESS_LOG_DAYS) or not 0 <= conf.ACCESS_LOG_DAYS <= MAX_DAYS:
        yield Error(
            f"TRACKING['ACCESS_LOG_DAYS'] must be a number of days, from 0 to {MAX_DAYS:,}; 0 turns"
            " it off.",
            id="tracking.E003",
        )
    for key in ("DRAIN_SECONDS", "GRANT_LEAD_TIME", "MAX_GRANT_DURATION"):
        if not _is_number(getattr(conf, key)) or getattr(conf, key) < 0:
            yield Error(
                f"TRACKING[{key!r}] must be a number of seconds, 0 or more.", id="tracking.E003"
            )
    for key in ("MAX_FIXES_BURST", "MAX_MESSAGE_SIZE", "MAX_BAD_MESSAGES"):
        if type(getattr(conf, key)) is not int or getattr(conf, key) < 1:
            yield Error(f"TRACKING[{key!r}] must be an integer greater than 0.", id="tracking.E003")
    if type(conf.SHARDS) is not int or not 1 <= conf.SHARDS <= 256:
        yield Error("TRACKING['SHARDS'] must be an integer from 1 to 256.", id="tracking.E003")


def _history() -> Iterator[CheckMessage]:
    if conf.HISTORY not in ("off", "all", "trips"):
        yield Error(
            f"TRACKING['HISTORY'] must be 'off', 'all' or 'trips', not {conf.HISTORY!r}.",
            id="tracking.E013",
        )
    for key in ("HISTORY_DAYS", "HISTORY_HOT_DAYS"):
        if type(getattr(conf, key)) is not int or not 0 <= getattr(conf, key) <= MAX_DAYS:
            yield Error(
                f"TRACKING[{key!r}] must be a whole number of days, from 0 to {MAX_DAYS:,}.",
                id="tracking.E013",
            )
            return
    if conf.HISTORY in ("all", "trips") and not conf.HISTORY_DAYS:
        yield Error(
            "TRACKING['HISTORY'] is on, and TRACKING['HISTORY_DAYS'] does not say for how long.",
            hint=(
                "Locations of people may be kept no longer than needed. Set the days after which "
                "they are deleted, such as 60, and run manage.py tracking_maintain every day."
            ),
            id="tracking.E013",
        )
    elif conf.HISTORY_DAYS and conf.HISTORY_HOT_DAYS >= conf.HISTORY_DAYS:
        yield CheckWarning(
            "TRACKING['HISTORY_HOT_DAYS'] is not less than TRACKING['HISTORY_DAYS'], so that the "
            "history is never packed.",
            id="tracking.W011",
        )


def _erasure_log_path() -> Iterator[CheckMessage]:
    path = conf.ERASURE_LOG
    if not path:
        return
    if not isinstance(path, str | PathLike) or not Path(path).is_absolute():
        yield Error(
            f"TRACKING['ERASURE_LOG'] is {path!r}, which is not an absolute path.",
            hint="The servers and manage.py, which may run elsewhere, must use the same file.",
            id="tracking.E013",
        )


def _events() -> Iterator[CheckMessage]:
    if type(conf.EVENT_DAYS) is not int or not 1 <= conf.EVENT_DAYS <= MAX_DAYS:
        yield Error(
            f"TRACKING['EVENT_DAYS'] must be a whole number of days, from 1 to {MAX_DAYS:,}.",
            id="tracking.E014",
        )
    elif conf.EVENT_DAYS < MIN_EVENT_DAYS:
        yield CheckWarning(
            "TRACKING['EVENT_DAYS'] is shorter than webhooks are retried, so that some are given "
            "up early.",
            hint=f"Set it to {MIN_EVENT_DAYS} or more.",
            id="tracking.W013",
        )
    if type(conf.WEBHOOK_ALLOW_PRIVATE) is not bool:
        yield Error("TRACKING['WEBHOOK_ALLOW_PRIVATE'] must be True or False.", id="tracking.E014")
    wrong = False
    for key in ("ARRIVING_RADIUS", "ARRIVED_RADIUS"):
        value = getattr(conf, key)
        if not _is_number(value) or not 1 <= value <= MAX_RADIUS:
            wrong = True
            yield Error(
                f"TRACKING[{key!r}] must be a number of metres, from 1 to {MAX_RADIUS:,}.",
                id="tracking.E014",
            )
    if not wrong and conf.ARRIVED_RADIUS > conf.ARRIVING_RADIUS:
        yield Error(
            "TRACKING['ARRIVED_RADIUS'] must not be greater than TRACKING['ARRIVING_RADIUS']: a "
            "driver is about to arrive before it has arrived.",
            id="tracking.E014",
        )


def _webhooks_to_private_addresses() -> Iterator[CheckMessage]:
    if conf.WEBHOOK_ALLOW_PRIVATE is True:
        yield CheckWarning(
            "Staff who may add webhook endpoints can send requests to every address in the "
            "server's own network.",
            hint=(
                "Leave TRACKING['WEBHOOK_ALLOW_PRIVATE'] off unless the receivers are in a private "
                "network. If that is so: SILENCED_SYSTEM_CHECKS = ['tracking.W014']."
            ),
            id="tracking.W014",
        )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _map_link() -> Iterator[CheckMessage]:
    url = conf.MAP_LINK_URL
    if not isinstance(url, str) or "{latitude}" not in url or "{longitude}" not in url:
        yield Error(
            "TRACKING['MAP_LINK_URL'] must be a string with {latitude} and {longitude}.",
            id="tracking.E004",
        )


def _base_layer() -> Iterator[CheckMessage]:
    path = conf.BASE_LAYER
    try:
        found = not path or finders.find(path) is not None
    except (SuspiciousFileOperation, TypeError):
        found = False
    if not found:
        yield Error(
            f"TRACKING['BASE_LAYER'] is {path!r}, and there is no such static file.",
            hint="Set it to the path of a JavaScript module, relative to a static files directory, "
            "as in {% static %}.",
            id="tracking.E012",
        )


def _socket_url() -> Iterator[CheckMessage]:
    if not conf.SOCKET_URL:
        return
    try:
        url = urlsplit(conf.SOCKET_URL)
        complete = url.scheme in ("ws", "wss") and bool(url.hostname)
    except (ValueError, AttributeError, TypeError):
        complete = False
    else:
        complete = complete or (conf.SOCKET_URL.startswith("/") and not url.netloc)
        complete = complete and not url.query and not url.fragment
    if not complete:
        yield Error(
            "TRACKING['SOCKET_URL'] must be a path that starts with / or a URL that starts with "
            "ws:// or wss://, without a query string or fragment.",
            hint="For example '/live/' or 'wss://live.example.com/'; '' for the root of this site.",
            id="tracking.E011",
        )


def _driver_page() -> Iterator[CheckMessage]:
    page = conf.DRIVER_PAGE
    if not page:
        return
    try:
        url = urlsplit(page)
        is_page = "{id}" in page and (
            (url.scheme in ("http", "https") and bool(url.hostname))
            or (page.startswith("/") and not url.netloc)
        )
    except (ValueError, AttributeError, TypeError):
        is_page = False
    if not is_page:
        yield Error(
            "TRACKING['DRIVER_PAGE'] must be a path that starts with / or a URL that starts with "
            "http:// or https://, and contain {id}.",
            hint="For example '/staff/drivers/{id}/'; '' for the driver's row in the admin.",
            id="tracking.E016",
        )


def _routing() -> Iterator[CheckMessage]:
    routing = conf.ROUTING
    hint = "For example {'BACKEND': 'osrm', 'URL': 'http://127.0.0.1:5000'}, or {} for none."
    if not isinstance(routing, Mapping):
        yield Error("TRACKING['ROUTING'] must be a dict.", hint=hint, id="tracking.E015")
        return
    for key in sorted(set(routing) - {"BACKEND", "URL"}):
        yield Error(
            f"TRACKING['ROUTING'] has an unknown key: {key!r}.", hint=hint, id="tracking.E015"
        )
    if not routing:
        return
    backend = routing.get("BACKEND", "")
    try:
        found = issubclass(import_string(BACKENDS.get(backend, str(backend))), Engine)
    except (ImportError, AttributeError, TypeError):
        found = False
    if not found:
        yield Error(
            f"TRACKING['ROUTING']['BACKEND'] is {backend!r}, which is no routing engine.",
            hint="Set it to 'osrm', to 'valhalla', or to the path of a subclass of "
            "tracking.eta.engines.Engine.",
            id="tracking.E015",
        )
    try:
        url = urlsplit(routing.get("URL", ""))
        complete = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
        complete = complete and not url.query and not url.fragment
    except (ValueError, AttributeError, TypeError):
        complete = False
    if not complete:
        yield Error(
            "TRACKING['ROUTING']['URL'] must be a URL that starts with http:// or https://, without"
            " a query string or fragment.",
            hint=hint,
            id="tracking.E015",
        )


def _layer() -> Iterator[CheckMessage]:
    layer = None
    if DEFAULT_CHANNEL_LAYER in getattr(settings, "CHANNEL_LAYERS", {}):
        layer = get_channel_layer()
    if layer is None or "groups" not in getattr(type(layer), "extensions", ["groups"]):
        yield Error(
            "tracking needs a default channel layer that supports groups.",
            hint="Set CHANNEL_LAYERS['default']. For development, its BACKEND can be "
            "'channels.layers.InMemoryChannelLayer'.",
            id="tracking.E005",
        )


def check_channel_layer(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Check that workers receive each other's messages: `check --deploy`.

    A channel layer class may have a method `check()`, which returns more messages.
    """
    if DEFAULT_CHANNEL_LAYER not in getattr(settings, "CHANNEL_LAYERS", {}):
        return []  # tracking.E005
    layer = get_channel_layer()
    if isinstance(layer, InMemoryChannelLayer):
        return [
            CheckWarning(
                "The default channel layer is in memory: with several workers, watchers do not "
                "receive the locations of drivers who are connected to another worker.",
                hint=(
                    "Set the BACKEND of CHANNEL_LAYERS['default'] to "
                    "'tracking.contrib.channels_redis.ChannelLayer'. If you run only one worker: "
                    "SILENCED_SYSTEM_CHECKS = ['tracking.W005']."
                ),
                id="tracking.W005",
            )
        ]
    # Look it up on the class: an instance of channels_redis' pub/sub layer delegates unknown
    # attributes to an object that needs a running event loop.
    check = getattr(type(layer), "check", None)
    return check(layer) if check is not None else []


def _shards(layers: Mapping[str, Any]) -> Iterator[CheckMessage]:
    layer = layers.get(DEFAULT_CHANNEL_LAYER, {})
    hosts = layer.get("CONFIG", {}).get("hosts", [])
    if type(conf.SHARDS) is not int:
        return  # tracking.E003
    if isinstance(hosts, list | tuple) and len(hosts) > conf.SHARDS:
        yield CheckWarning(
            f"The channel layer has {len(hosts)} hosts, but TRACKING['SHARDS'] is {conf.SHARDS}: "
            "locations are sent through at most one host per shard, so some hosts are idle.",
            hint=f"Set TRACKING['SHARDS'] to {len(hosts)} or more.",
            id="tracking.W003",
        )


def _users() -> Iterator[CheckMessage]:
    if ids_of(get_user_model()._meta.pk) is None:
        yield Error(
            "The user model's primary key must be an integer or a UUID: clients use it as the"
            " driver's id.",
            hint="Users with another type of primary key cannot be tracked.",
            id="tracking.E006",
        )


def _roles() -> Iterator[CheckMessage]:
    has_role = any(field.name == "role" for field in get_user_model()._meta.get_fields())
    if conf.PUBLISH_POLICY == "tracking.permissions.own_location" and not has_role:
        yield CheckWarning(
            "Every user may publish a location: the default policy checks `role`, and the user "
            "model has no such field.",
            hint=(
                "Set TRACKING['PUBLISH_POLICY'] to a function (user, driver_id) -> "
                "tracking.permissions.Decision that permits drivers only, and each only for "
                "themselves. If every user is a driver: "
                "SILENCED_SYSTEM_CHECKS = ['tracking.W002']."
            ),
            id="tracking.W002",
        )


def _signing_key() -> Iterator[CheckMessage]:
    key = simplejwt.api_settings.SIGNING_KEY or ""
    own = "SIGNING_KEY" in (getattr(settings, "SIMPLE_JWT", None) or {})
    name = "SIMPLE_JWT['SIGNING_KEY']" if own else "SECRET_KEY, which signs the tokens,"
    if simplejwt.api_settings.ALGORITHM.startswith("HS") and len(key.encode()) < MIN_KEY_BYTES:
        yield Error(
            f"{name} has fewer than {MIN_KEY_BYTES} bytes, so it can be guessed.",
            hint="Generate one: python -c 'import secrets; print(secrets.token_urlsafe(50))'",
            id="tracking.E007",
        )


def _databases() -> Iterator[CheckMessage]:
    aliases = {router.db_for_read(DriverLocation), router.db_for_write(DriverLocation)}
    for alias in sorted(aliases):
        try:
            supported(connections[alias].vendor)
        except UnsupportedDatabaseError as error:
            yield Error(
                f"DATABASES[{alias!r}], which stores the locations: {error}.",
                hint=(
                    "Use PostgreSQL or SQLite for locations. If the rest of the project needs"
                    " another database, use DATABASE_ROUTERS. Engines derived from Django's"
                    " PostgreSQL and SQLite engines work too."
                ),
                id="tracking.E008",
            )


def _redirects() -> Iterator[CheckMessage]:
    names = list(settings.MIDDLEWARE)
    security = "django.middleware.security.SecurityMiddleware"
    if not settings.SECURE_SSL_REDIRECT or security not in names:
        return
    ours = "tracking.middleware.no_redirected_writes"
    if ours not in names or names.index(ours) > names.index(security):
        yield CheckWarning(
            "SECURE_SSL_REDIRECT also redirects locations that are reported over plain HTTP. They "
            "are lost, because HTTP clients follow a redirect with a GET without a body.",
            hint=f"Add {ours!r} to MIDDLEWARE, before {security!r}.",
            id="tracking.W004",
        )
