"""System checks: what is wrong with the project's settings, and what would be right."""

from collections.abc import Iterator, Mapping, Sequence
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
from tracking.models import DriverLocation
from tracking.people import ids_of
from tracking.project_checks import check_project

# RFC 7518 section 3.2: an HMAC key as long as the hash, and SHA-256 has 32 bytes.
MIN_KEY_BYTES = 32


def check_settings(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Check `TRACKING` and what tracking needs of the project around it."""
    return [
        *_keys(),
        *_policies(),
        *_authentication(),
        *_numbers(),
        *_map_link(),
        *_base_layer(),
        *_socket_url(),
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
    """Check what is right for developers and may be wrong in production: `check --deploy`."""
    if conf.WATCH_POLICY != "tracking.permissions.any_authenticated":
        return []
    return [
        CheckWarning(
            "Everybody who is logged in may watch every driver.",
            hint=(
                "Set TRACKING['WATCH_POLICY'] to 'tracking.permissions.granted' (staff, and whoever"
                " has a live grant), to 'tracking.permissions.staff_only', or to a policy of your"
                " own. If everybody may: SILENCED_SYSTEM_CHECKS = ['tracking.W001']."
            ),
            id="tracking.W001",
        )
    ]


def _keys() -> Iterator[CheckMessage]:
    for key in sorted(set(getattr(settings, "TRACKING", {})) - set(DEFAULTS)):
        yield Error(
            f"TRACKING has no setting {key!r}.",
            hint=f"There are: {', '.join(DEFAULTS)}.",
            id="tracking.E001",
        )


def _policies() -> Iterator[CheckMessage]:
    for key, arguments in (
        ("PUBLISH_POLICY", "(user, driver_id) -> bool"),
        ("WATCH_POLICY", "(user, driver_id) -> bool"),
        ("CLIENT_ADDRESS", "(scope) -> str"),
    ):
        path = getattr(conf, key)
        try:
            found = callable(import_string(path))
        except (ImportError, AttributeError):
            found = False
        if not found:
            yield Error(
                f"TRACKING[{key!r}] names no function: {path!r}.",
                hint=f"Give the dotted path of a function {arguments}.",
                id="tracking.E002",
            )


def _authentication() -> Iterator[CheckMessage]:
    path = conf.AUTHENTICATION
    try:
        found = isinstance(import_string(path)(), AccessTokens)
        reason = "is no subclass of tracking.access.tokens.AccessTokens"
    except Exception as error:  # whatever a host's own class raises
        found, reason = False, f"cannot be used: {error}"
    if not found:
        yield Error(
            f"TRACKING['AUTHENTICATION'], {path!r}, {reason}.",
            hint=(
                "Give the dotted path of tracking.access.tokens.AccessTokens, of "
                "tracking.access.drf_tokens.DRFTokens, or of a subclass of your own."
            ),
            id="tracking.E002",
        )


def _numbers() -> Iterator[CheckMessage]:
    for key in ("AUTHENTICATION_TIMEOUT", "SEND_TIMEOUT", "STALE_AFTER", "OFFLINE_AFTER"):
        if not _is_number(getattr(conf, key)) or getattr(conf, key) <= 0:
            yield Error(
                f"TRACKING[{key!r}] must be a number of seconds above 0.", id="tracking.E003"
            )
            return
    if conf.STALE_AFTER >= conf.OFFLINE_AFTER:
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
    if not _is_number(conf.ACCESS_LOG_DAYS) or conf.ACCESS_LOG_DAYS < 0:
        yield Error(
            "TRACKING['ACCESS_LOG_DAYS'] must be a number of days, 0 or more; 0 keeps nothing.",
            id="tracking.E003",
        )
    for key in ("DRAIN_SECONDS", "GRANT_LEAD_TIME", "MAX_GRANT_DURATION"):
        if not _is_number(getattr(conf, key)) or getattr(conf, key) < 0:
            yield Error(
                f"TRACKING[{key!r}] must be a number of seconds, 0 or more.", id="tracking.E003"
            )
    for key in ("MAX_FIXES_BURST", "MAX_MESSAGE_SIZE", "MAX_BAD_MESSAGES"):
        if type(getattr(conf, key)) is not int or getattr(conf, key) < 1:
            yield Error(f"TRACKING[{key!r}] must be a whole number above 0.", id="tracking.E003")
    if type(conf.SHARDS) is not int or not 1 <= conf.SHARDS <= 256:
        yield Error("TRACKING['SHARDS'] must be a whole number from 1 to 256.", id="tracking.E003")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _map_link() -> Iterator[CheckMessage]:
    if "{latitude}" not in conf.MAP_LINK_URL or "{longitude}" not in conf.MAP_LINK_URL:
        yield Error(
            "TRACKING['MAP_LINK_URL'] must contain {latitude} and {longitude}.",
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
            f"TRACKING['BASE_LAYER'] names no static file: {path!r}.",
            hint="Give the path of a JavaScript module as {% static %} takes it.",
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
            "TRACKING['SOCKET_URL'] must be a path that begins with / or an address that begins "
            "with ws:// or wss://, without ? and #.",
            hint="For example '/live/' or 'wss://live.example.com/'; '' for this site's own root.",
            id="tracking.E011",
        )


def _layer() -> Iterator[CheckMessage]:
    layer = None
    if DEFAULT_CHANNEL_LAYER in getattr(settings, "CHANNEL_LAYERS", {}):
        layer = get_channel_layer()
    if layer is None or "groups" not in getattr(type(layer), "extensions", ["groups"]):
        yield Error(
            "Live tracking needs a default channel layer with groups.",
            hint="Set CHANNEL_LAYERS['default'], to channels.layers.InMemoryChannelLayer to begin.",
            id="tracking.E005",
        )


def check_channel_layer(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Check that workers receive each other's messages: `check --deploy`.

    A channel layer may have a method `check()` that returns messages of its own.
    """
    if DEFAULT_CHANNEL_LAYER not in getattr(settings, "CHANNEL_LAYERS", {}):
        return []  # tracking.E005
    layer = get_channel_layer()
    if isinstance(layer, InMemoryChannelLayer):
        return [
            CheckWarning(
                "The channel layer is in memory: with more than one worker, watchers do not "
                "receive what drivers of other workers send.",
                hint=(
                    "Set the BACKEND of CHANNEL_LAYERS['default'] to "
                    "'tracking.contrib.channels_redis.ChannelLayer'. If there is only one worker: "
                    "SILENCED_SYSTEM_CHECKS = ['tracking.W005']."
                ),
                id="tracking.W005",
            )
        ]
    # Of its class: channels_redis' own layer takes any attribute from the running event loop's.
    check = getattr(type(layer), "check", None)
    return check(layer) if check is not None else []


def _shards(layers: Mapping[str, Any]) -> Iterator[CheckMessage]:
    layer = layers.get(DEFAULT_CHANNEL_LAYER, {})
    hosts = layer.get("CONFIG", {}).get("hosts", [])
    if isinstance(hosts, list | tuple) and len(hosts) > conf.SHARDS:
        yield CheckWarning(
            f"The channel layer has {len(hosts)} hosts, and TRACKING['SHARDS'] is {conf.SHARDS}: "
            "drivers' locations go through no more hosts than there are shards.",
            hint=f"Set TRACKING['SHARDS'] to {len(hosts)} or more.",
            id="tracking.W003",
        )


def _users() -> Iterator[CheckMessage]:
    if ids_of(get_user_model()._meta.pk) is None:
        yield Error(
            "The user model's primary key must be an integer or a UUID: it is the driver's id on"
            " the wire.",
            hint="Users that have another key cannot be tracked.",
            id="tracking.E006",
        )


def _roles() -> Iterator[CheckMessage]:
    has_role = any(field.name == "role" for field in get_user_model()._meta.get_fields())
    if conf.PUBLISH_POLICY == "tracking.permissions.own_location" and not has_role:
        yield CheckWarning(
            "Every user may publish a location: the user model has no `role`.",
            hint=(
                "Set TRACKING['PUBLISH_POLICY'] to a function (user, driver_id) -> bool that lets "
                "drivers publish for themselves, and nobody else. If every user is a driver: "
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
            f"{name} has fewer than {MIN_KEY_BYTES} bytes: it can be guessed.",
            hint="Make one with: python -c 'import secrets; print(secrets.token_urlsafe(50))'",
            id="tracking.E007",
        )


def _databases() -> Iterator[CheckMessage]:
    aliases = {router.db_for_read(DriverLocation), router.db_for_write(DriverLocation)}
    for alias in sorted(aliases):
        try:
            supported(connections[alias].vendor)
        except UnsupportedDatabaseError as error:
            yield Error(
                f"DATABASES[{alias!r}], where locations go: {error}.",
                hint=(
                    "Give them one of the two, with DATABASE_ROUTERS if the rest of the project is"
                    " to stay where it is. Engines that are built on Django's own will do."
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
            "SECURE_SSL_REDIRECT redirects reports over plain HTTP, which loses them: HTTP clients "
            "follow as a GET without a body.",
            hint=f"Add {ours!r} to MIDDLEWARE, before {security!r}.",
            id="tracking.W004",
        )
