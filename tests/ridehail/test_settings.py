"""The settings module, imported in a new process with its own environment."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tracking.conf import DEFAULTS

PROJECT = Path(__file__).resolve().parents[2]
SECRETS = {"SECRET_KEY": "s" * 50, "JWT_SIGNING_KEY": "j" * 50}
PRINT = """
import json, os, environ
if "ENV_FILE" in os.environ:
    environ.Env.read_env(os.environ["ENV_FILE"])
from django.conf import settings
print(json.dumps({key: getattr(settings, key) for key in %r.split()}, default=str))
"""


def settings_with(names="DEBUG", **environment):
    """Return the named settings, or the error that importing them ends with."""
    kept = {"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "ridehail.settings"}
    run = subprocess.run(
        [sys.executable, "-c", PRINT % names],
        env=kept | environment,
        cwd=PROJECT,
        capture_output=True,
        text=True,
    )
    return json.loads(run.stdout) if run.returncode == 0 else run.stderr.splitlines()[-1]


def test_a_developer_needs_no_environment():
    found = settings_with("DEBUG DATABASES CHANNEL_LAYERS")
    assert found["DEBUG"] is True
    assert found["DATABASES"]["default"]["ENGINE"].endswith("sqlite3")
    assert "InMemory" in found["CHANNEL_LAYERS"]["default"]["BACKEND"]


def test_only_developers_see_the_demos_town_on_the_map():
    assert settings_with("TRACKING")["TRACKING"]["BASE_LAYER"] == "demo/town.js"
    assert settings_with("TRACKING", DEBUG="off", **SECRETS)["TRACKING"]["BASE_LAYER"] == ""
    other = settings_with("TRACKING", TRACKING_BASE_LAYER="tracking/map.js")
    assert other["TRACKING"]["BASE_LAYER"] == "tracking/map.js"


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("value", ["", "too short", "s" * 31])
def test_production_refuses_a_secret_that_is_missing_or_short(name, value):
    error = settings_with(DEBUG="off", **(SECRETS | {name: value}))
    assert "ImproperlyConfigured" in error
    assert f"{name} must be set" in error
    assert {"SECRET_KEY": "accounts.E001", "JWT_SIGNING_KEY": "accounts.E002"}[name] in error
    assert not value or value not in error


def test_production_refuses_the_secrets_that_developers_have():
    developers = settings_with("SECRET_KEY")
    assert "SECRET_KEY must be set" in settings_with(DEBUG="off", **(SECRETS | developers))


def test_production_starts_with_secrets():
    assert settings_with(DEBUG="off", **SECRETS) == {"DEBUG": False}


def test_nobody_is_a_trusted_proxy_but_those_named():
    found = settings_with("TRUSTED_PROXIES SECURE_PROXY_SSL_HEADER")
    assert found == {"TRUSTED_PROXIES": [], "SECURE_PROXY_SSL_HEADER": None}
    found = settings_with(
        "TRUSTED_PROXIES SECURE_PROXY_SSL_HEADER", TRUSTED_PROXIES="127.0.0.1,10.0.0.0/8"
    )
    assert found == {
        "TRUSTED_PROXIES": ["127.0.0.1/32", "10.0.0.0/8"],
        "SECURE_PROXY_SSL_HEADER": ["HTTP_X_FORWARDED_PROTO", "https"],
    }


def test_invalid_network_is_refused_as_a_trusted_proxy():
    assert "TRUSTED_PROXIES: 'nginx'" in settings_with(TRUSTED_PROXIES="nginx")


def test_redirecting_to_https_without_a_proxy_is_refused_as_it_would_loop():
    error = settings_with(SECURE_SSL_REDIRECT="on")
    assert "ImproperlyConfigured: SECURE_SSL_REDIRECT needs TRUSTED_PROXIES" in error


def test_urls_choose_postgresql_and_redis():
    found = settings_with(
        "DATABASES CHANNEL_LAYERS",
        DATABASE_URL="postgres://u:p@db.example:5433/rides",
        REDIS_URL="redis://a.example:6379/0,redis://b.example:6379/0",
    )
    database = found["DATABASES"]["default"]
    assert database["ENGINE"].endswith("postgresql")
    assert (database["HOST"], database["PORT"], database["NAME"]) == ("db.example", 5433, "rides")
    hosts = found["CHANNEL_LAYERS"]["default"]["CONFIG"]["hosts"]
    assert [host["address"] for host in hosts] == [
        "redis://a.example:6379/0",
        "redis://b.example:6379/0",
    ]


def test_every_tracking_setting_comes_from_the_environment_with_the_type_of_its_default():
    given = {bool: "on", int: "7", float: "7.5", str: "seven", list: "seven,eight"}
    expected = {bool: True, int: 7, float: 7.5, str: "seven", list: ["seven", "eight"]}
    defaults = {key: value for key, value in DEFAULTS.items() if key != "ROUTING"}
    environment = {f"TRACKING_{key}": given[type(value)] for key, value in defaults.items()}
    found = settings_with("TRACKING", **environment)["TRACKING"]
    assert found.pop("ROUTING") == {}
    assert found == {key: expected[type(value)] for key, value in defaults.items()}


@pytest.mark.parametrize(("backend", "expected"), [("", "osrm"), ("valhalla", "valhalla")])
def test_the_routing_engine_is_given_by_its_url(backend, expected):
    found = settings_with("TRACKING", ROUTING_URL="http://127.0.0.1:5000", ROUTING_BACKEND=backend)
    assert found["TRACKING"]["ROUTING"] == {"BACKEND": expected, "URL": "http://127.0.0.1:5000"}


def test_the_example_names_every_variable_that_the_settings_read():
    source = (PROJECT / "ridehail" / "settings.py").read_text()
    read = set(re.findall(r'(?:env\.\w+|_secret)\(\s*"([A-Z_]+)"', source))
    read |= {f"TRACKING_{key}" for key in DEFAULTS if key != "ROUTING"}
    example = (PROJECT / ".env.example").read_text()
    assert set(re.findall(r"^([A-Z_]+)=", example, re.MULTILINE)) == read


def test_the_example_copied_as_it_is_changes_nothing():
    names = "DEBUG SECRET_KEY JWT_SIGNING_KEY DATABASES CHANNEL_LAYERS TRACKING SIMPLE_JWT"
    copied = settings_with(names, ENV_FILE=str(PROJECT / ".env.example"))
    plain = settings_with(names)
    for found in (copied, plain):
        del found["DATABASES"]["default"]["TEST"]  # its name contains the process id
    assert copied == plain


def test_postgresql_is_one_that_takes_writes_unless_the_url_says_otherwise():
    url = "postgres://db.example.org/ridehail"
    for query, expected in (("", "read-write"), ("?target_session_attrs=any", "any")):
        options = settings_with("DATABASES", DATABASE_URL=url + query)["DATABASES"]["default"]
        assert options["OPTIONS"]["target_session_attrs"] == expected


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("localhost:6379", "scheme"),
        ("http://localhost:6379", "scheme"),
        ("redis:localhost", "scheme"),
        ("redis://", "host"),
        ("redis://localhost:0", "port"),
        ("redis://localhost:99999", "port"),
        ("redis://localhost:port", "port"),
        ("redis://localhost:6379/cache", "database number"),
        ("unix://", "socket"),
        ("redis://localhost:6379,localhost:6380", "scheme"),
    ],
)
def test_an_invalid_redis_url_is_refused_with_a_remedy(url, reason):
    error = settings_with(REDIS_URL=url)
    assert "ImproperlyConfigured" in error
    assert reason in error
    assert "redis://host:6379/0" in error


def test_the_error_for_an_invalid_redis_url_does_not_show_its_password():
    error = settings_with(REDIS_URL="redis://user:hunter22@localhost:port")
    assert "hunter22" not in error


@pytest.mark.parametrize(
    ("environment", "prefix"),
    [
        ({"REDIS_URL": "redis://a:6379"}, "ridehail"),
        ({"REDIS_URL": "redis://a:6379/0"}, "ridehail"),
        ({"REDIS_URL": "redis://a:6379/3"}, "ridehail-3"),
        ({"REDIS_URL": "unix:///run/redis.sock?db=2"}, "ridehail-2"),
        ({"REDIS_URL": "rediss://user:pw@a:6380/1,redis://b:6379/1"}, "ridehail-1"),
        ({"REDIS_URL": "redis://a:6379/3", "REDIS_PREFIX": "staging"}, "staging"),
    ],
)
def test_environments_on_one_redis_have_prefixes_of_their_own(environment, prefix):
    layers = settings_with("CHANNEL_LAYERS", **environment)["CHANNEL_LAYERS"]
    assert layers["default"]["CONFIG"]["prefix"] == prefix


def test_drivers_are_spread_over_as_many_shards_as_there_are_redis_hosts():
    three = settings_with("TRACKING", REDIS_URL="redis://a,redis://b,redis://c")
    assert three["TRACKING"]["SHARDS"] == 3
    chosen = settings_with("TRACKING", REDIS_URL="redis://a,redis://b", TRACKING_SHARDS="8")
    assert chosen["TRACKING"]["SHARDS"] == 8


def test_production_refuses_one_key_for_both():
    error = settings_with(DEBUG="off", SECRET_KEY="s" * 50, JWT_SIGNING_KEY="s" * 50)
    assert "accounts.E003" in error
    assert "must differ" in error
    assert "sss" not in error


def test_former_keys_come_from_the_environment():
    found = settings_with(
        "SECRET_KEY_FALLBACKS TRACKING",
        SECRET_KEY_FALLBACKS="old,older",
        TRACKING_FALLBACK_KEYS="old token key,older token key",
    )
    assert found["SECRET_KEY_FALLBACKS"] == ["old", "older"]
    assert found["TRACKING"]["FALLBACK_KEYS"] == ["old token key", "older token key"]


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({}, 0),
        ({"SECURE_SSL_REDIRECT": "on", "TRUSTED_PROXIES": "127.0.0.1"}, 31_536_000),
        (
            {
                "SECURE_SSL_REDIRECT": "on",
                "TRUSTED_PROXIES": "127.0.0.1",
                "SECURE_HSTS_SECONDS": "3600",
            },
            3600,
        ),
    ],
)
def test_hsts_is_sent_for_a_year_if_http_is_redirected(environment, seconds):
    found = settings_with("SECURE_HSTS_SECONDS", DEBUG="off", **SECRETS, **environment)
    assert found == {"SECURE_HSTS_SECONDS": seconds}


def test_cookies_are_for_this_host_only_in_production():
    names = "SESSION_COOKIE_NAME CSRF_COOKIE_NAME"
    found = settings_with(names, DEBUG="off", **SECRETS)
    assert list(found.values()) == ["__Host-sessionid", "__Host-csrftoken"]
    assert list(settings_with(names).values()) == ["sessionid", "csrftoken"]
