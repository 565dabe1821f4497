"""Settings, read from the environment. `.env.example` lists and explains each variable."""

import os
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import environ
from corsheaders.defaults import default_headers
from django.core.exceptions import ImproperlyConfigured

from accounts import keys
from ridehail import redis, security
from ridehail.proxies import parse_networks
from tracking.conf import DEFAULTS as TRACKING_DEFAULTS

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()
if (BASE_DIR / ".env").exists():
    env.read_env(BASE_DIR / ".env")

DEBUG = env.bool("DEBUG", default=True)


def _secret(name: str) -> str:
    """Return a secret, by default a public one for development, which production refuses."""
    value: str = env.str(name, default="") or keys.development_key(name)
    # Checked here too, because not every server runs the system checks.
    if not DEBUG and (refusal := keys.refusal(name, value)):
        raise ImproperlyConfigured(f"{keys.CHECK_IDS[name]}: {refusal}")
    return value


SECRET_KEY = _secret("SECRET_KEY")
JWT_SIGNING_KEY = _secret("JWT_SIGNING_KEY")
if not DEBUG and SECRET_KEY == JWT_SIGNING_KEY:
    raise ImproperlyConfigured(f"accounts.E003: {keys.SAME_KEYS}")
# Former keys, which sign nothing new. Signatures made with them stay valid.
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

# Pages of these origins may get tokens for a password, and send and read locations over HTTP. They
# may not get the session's token: cookies are for this site only.
CORS_ALLOWED_ORIGINS = env.list("CORS_ALLOWED_ORIGINS", default=[])
CORS_URLS_REGEX = (
    r"^/(accounts/token(/refresh|/logout)?|driver/(\d+/(locations?|location/stream)|locations"
    r"|nearby/stream)|trips/\d+/stream|fleet/stream)/?\Z"
)
CORS_ALLOW_HEADERS = [*default_headers, "if-none-match"]
CORS_EXPOSE_HEADERS = ["ETag", "Retry-After"]

INSTALLED_APPS = [
    # Before daphne, whose runserver it extends; daphne before staticfiles for the same reason.
    "ridehail",
    "daphne",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "corsheaders",
    "rest_framework",
    "rest_framework_simplejwt.token_blacklist",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "axes",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "django_otp.plugins.otp_static",
    "accounts",
    "tracking",
]

MIDDLEWARE = [
    # Before all middleware that may respond: pages must be able to read refusals, too.
    "corsheaders.middleware.CorsMiddleware",
    # Before the middleware that redirects.
    "tracking.middleware.no_redirected_writes",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "django_permissions_policy.PermissionsPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "accounts.middleware.StaffSessionMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    # Last, as it replaces the response of a log-in page during a lockout.
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "ridehail.urls"
ASGI_APPLICATION = "ridehail.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]


def _database() -> dict[str, Any]:
    """Return the database of DATABASE_URL, or SQLite for development."""
    if not env.str("DATABASE_URL", default=""):
        config: dict[str, Any] = {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": BASE_DIR / "db.sqlite3",
        }
    else:
        config = dict(env.db("DATABASE_URL"))
    options = config.setdefault("OPTIONS", {})
    if config["ENGINE"].endswith("sqlite3"):
        # WAL lets readers go on while the one writer writes. FULL syncs each commit, so that an
        # acknowledged location survives a power cut. IMMEDIATE takes the write lock at BEGIN,
        # where a wait is possible; a lock upgrade later would fail at once.
        options.setdefault("transaction_mode", "IMMEDIATE")
        options.setdefault("timeout", 20)
        options.setdefault("init_command", "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;")
        # A file, because a shared in-memory database locks whole tables between threads.
        config.setdefault(
            "TEST", {"NAME": Path(tempfile.gettempdir()) / f"ridehail-test-{os.getpid()}.sqlite3"}
        )
    elif config["ENGINE"].endswith("postgresql"):
        # Under ASGI, persistent connections belong in a pool (Django refuses CONN_MAX_AGE with it).
        # The pool waits longer between its attempts to reconnect, up to minutes, unless it gives up
        # early and starts again with the next request.
        options.setdefault(
            "pool", {"min_size": 2, "max_size": 10, "timeout": 5, "reconnect_timeout": 5}
        )
        # Or the first requests after a restart of the database server get broken connections.
        config.setdefault("CONN_HEALTH_CHECKS", True)
        # Without these timeouts, libpq waits a quarter of an hour for a host that disappeared
        # without a reset. They are in seconds, the last in milliseconds.
        for name, value in {
            # For a while after a fail-over, the name may lead to the former primary, now a standby.
            "target_session_attrs": "read-write",
            "connect_timeout": 5,
            "keepalives_idle": 5,
            "keepalives_interval": 2,
            "keepalives_count": 3,
            "tcp_user_timeout": 10_000,
        }.items():
            options.setdefault(name, value)
    return config


DATABASES = {"default": _database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"


def _channel_layer() -> dict[str, Any]:
    """Return Redis pub/sub on the hosts of REDIS_URL, or the in-memory layer for development."""
    urls = [redis.check_url(url.strip()) for url in env.list("REDIS_URL", default=[])]
    if not urls:
        return {"BACKEND": "channels.layers.InMemoryChannelLayer"}
    return {
        "BACKEND": "tracking.contrib.channels_redis.ChannelLayer",
        "CONFIG": {
            "hosts": [{"address": url} for url in urls],
            # Pub/sub ignores the database number, so two environments on one Redis need two
            # prefixes.
            "prefix": env.str("REDIS_PREFIX", default="") or redis.default_prefix(urls),
        },
    }


CHANNEL_LAYERS = {"default": _channel_layer()}

AUTH_USER_MODEL = "accounts.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    # Shorter passwords from before keep working until they are changed.
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
AUTHENTICATION_BACKENDS = [
    # First, as it refuses locked-out attempts.
    "accounts.lockout.LockoutBackend",
    "accounts.backends.PasswordBackend",
    "accounts.backends.CodeBackend",
]
LOGIN_URL = "accounts:login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "accounts:login"

# If on, staff must set up a second factor. Users who have one always need it.
REQUIRE_SECOND_FACTOR = (
    env.bool("REQUIRE_SECOND_FACTOR") if env.str("REQUIRE_SECOND_FACTOR", default="") else not DEBUG
)
# The site's name in authenticator apps.
OTP_TOTP_ISSUER = "Ridehail"
# Seconds without activity of a person after which staff are logged out; 0 means never.
STAFF_IDLE_TIMEOUT = env.int("STAFF_IDLE_TIMEOUT_SECONDS", default=1800)

# Failed log-ins within AXES_COOLOFF_TIME that lead to a lock. accounts/lockout.py explains the
# numbers, and adds the counts by network to the counts of AXES_LOCKOUT_PARAMETERS.
LOG_IN_FAILURE_LIMITS = {
    "account_from_address": 5,
    "account_from_network": 20,
    "account": 100,
    "address": 100,
    "network": 300,
}
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"], ["username"], ["ip_address"]]
AXES_FAILURE_LIMIT = LOG_IN_FAILURE_LIMITS["account_from_address"]
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_RESET_ON_SUCCESS = True
AXES_HANDLER = "accounts.lockout.LogInHandler"
AXES_LOCKOUT_CALLABLE = "accounts.lockout.locked_out_page"
AXES_USERNAME_CALLABLE = "accounts.lockout.account"
AXES_CLIENT_IP_CALLABLE = "ridehail.proxies.request_limit_key"
# Successful log-ins are not recorded. `manage.py axes_reset_username` unlocks an account.
AXES_DISABLE_ACCESS_LOG = True
AXES_ENABLE_ADMIN = False
AXES_SENSITIVE_PARAMETERS = ["username", "ip_address", "csrfmiddlewaretoken", "code"]

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rest_framework_simplejwt.authentication.JWTAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["tracking.rest.parsers.SafeJSONParser"],
    "EXCEPTION_HANDLER": "tracking.rest.problems.problem_response",
    "DEFAULT_THROTTLE_CLASSES": [
        "ridehail.throttling.ClientRateThrottle",
        "ridehail.throttling.NetworkRateThrottle",
    ],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    # Per worker and address; a network gets five times as many. A log-in costs a password hash,
    # about 0.2 s of a core; many drivers may share the address of their depot.
    "DEFAULT_THROTTLE_RATES": {"log-in": "30/min", "token": "120/min", "schema": "30/min"},
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Ridehail",
    "DESCRIPTION": "Drivers' locations over HTTP. Live streams use WebSockets.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "COMPONENT_SPLIT_PATCH": False,
    # Of trips, and of locations.
    "ENUM_NAME_OVERRIDES": {
        "TripStatusEnum": "tracking.rest.trip_input.STATUSES",
        "StatusEnum": "tracking.status.Status",
    },
    # From the site's own static files: nothing is fetched from another host.
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {"deepLinking": True},
}
# Local to each process: it holds only the counts of throttling, one per client and scope.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "OPTIONS": {"MAX_ENTRIES": 10_000},
    }
}

SIMPLE_JWT = {
    "ALGORITHM": "HS256",
    "SIGNING_KEY": JWT_SIGNING_KEY,
    "USER_ID_CLAIM": "id",
    "ACCESS_TOKEN_LIFETIME": timedelta(
        seconds=env.int("ACCESS_TOKEN_LIFETIME_SECONDS", default=3600)
    ),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=14),
    # An access token becomes invalid when the user's password changes.
    "CHECK_REVOKE_TOKEN": True,
    "TOKEN_OBTAIN_SERIALIZER": "accounts.tokens.TokenObtainSerializer",
    "TOKEN_REFRESH_SERIALIZER": "accounts.tokens.TokenRefreshSerializer",
}

# Every key of TRACKING can be set as TRACKING_<KEY>, parsed with the type of its default. But the
# routing engine is given as ROUTING_URL and ROUTING_BACKEND.
TRACKING = {
    key: env.get_value(f"TRACKING_{key}", cast=type(default), default=default)
    for key, default in {
        **TRACKING_DEFAULTS,
        # The log-in service that existed before this project signs with the same key.
        "ACCEPT_LOGIN_TOKENS": True,
        # Groups are spread over the Redis hosts: with fewer groups than hosts, some would be idle.
        "SHARDS": max(1, len(env.list("REDIS_URL", default=[]))),
        "CLIENT_ADDRESS": "ridehail.proxies.scope_limit_key",
        "HISTORY": "all",
        "HISTORY_DAYS": 60,
    }.items()
    if key != "ROUTING"
}

TRACKING["ROUTING"] = {}
if routing_url := env.str("ROUTING_URL", default=""):
    routing_backend = env.str("ROUTING_BACKEND", default="") or "osrm"
    TRACKING["ROUTING"] = {"BACKEND": routing_backend, "URL": routing_url}

if DEBUG and not TRACKING["BASE_LAYER"]:
    # The demo's made-up town. Production draws no streets that are not there.
    TRACKING["BASE_LAYER"] = "demo/town.js"

# The proxies whose X-Forwarded-For and X-Forwarded-Proto are trusted.
TRUSTED_PROXIES = parse_networks(env.list("TRUSTED_PROXIES", default=[]))
if TRUSTED_PROXIES:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=False)
if SECURE_SSL_REDIRECT and not TRUSTED_PROXIES:
    raise ImproperlyConfigured(
        "SECURE_SSL_REDIRECT needs TRUSTED_PROXIES, the addresses of the proxy that speaks HTTPS. "
        "Without them every request looks like HTTP and would be redirected for ever."
    )
# A year, if all HTTP requests are redirected to HTTPS.
SECURE_HSTS_SECONDS = int(
    env.str("SECURE_HSTS_SECONDS", default="") or (31_536_000 if SECURE_SSL_REDIRECT else 0)
)
# These checks ask for HSTS on all subdomains and in browsers' preload lists, which is for the owner
# of the domain to decide.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not DEBUG
if not DEBUG:
    # Browsers accept these only from this host over HTTPS, never from another host of its domain.
    SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "__Host-sessionid", "__Host-csrftoken"
# The choice in the menu of languages.
LANGUAGE_COOKIE_AGE = 365 * 24 * 60 * 60
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_SECURE = not DEBUG
# The site's scripts read the CSRF token from the page.
CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "ridehail.errors.csrf_failure"

CONTENT_SECURITY_POLICY = security.content_security_policy(
    ALLOWED_HOSTS, TRACKING["TILE_URL"], TRACKING["SOCKET_URL"]
)
PERMISSIONS_POLICY = security.PERMISSIONS_POLICY

DAPHNE_WEBSOCKET_MAX_MESSAGE_SIZE = TRACKING["MAX_MESSAGE_SIZE"]
DAPHNE_WEBSOCKET_MAX_FRAME_SIZE = TRACKING["MAX_MESSAGE_SIZE"]

# The development server and commands log as Django does, with secrets hidden.
LOGGING_CONFIG = "ridehail.logs.configure"
LOGGING = {"version": 1, "disable_existing_loggers": False}
# The format of the production server's log.
LOG_FORMAT = env.str("LOG_FORMAT", default="") or ("plain" if DEBUG else "json")
if LOG_FORMAT not in ("json", "plain"):
    raise ImproperlyConfigured(f"LOG_FORMAT must be json or plain, not {LOG_FORMAT}.")

# The language of people whose browsers ask for none of LANGUAGES, of mails and of commands.
LANGUAGE_CODE = "en"
# Each in itself, as the menu of languages shows them.
LANGUAGES = [
    ("en", "English"),
    ("es", "Español"),
    ("pt-br", "Português (Brasil)"),
    ("fr", "Français"),
    ("de", "Deutsch"),
    ("id", "Bahasa Indonesia"),
    ("hi", "हिन्दी"),
    ("ar", "العربية"),
]
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "ridehail" / "demo" / "static"] if DEBUG else []
if not DEBUG:
    # After SecurityMiddleware. In development, runserver serves static files.
    MIDDLEWARE.insert(
        MIDDLEWARE.index("django.middleware.security.SecurityMiddleware") + 1,
        "whitenoise.middleware.WhiteNoiseMiddleware",
    )
    STORAGES = {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
        "staticfiles": {"BACKEND": "ridehail.static_files.Storage"},
    }
