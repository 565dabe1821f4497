from pathlib import Path

import pytest
from django.core.checks import run_checks
from rest_framework_simplejwt import settings as simplejwt

from tracking.checks import _shards, check_channel_layer, check_deployment, check_settings


def ids():
    return [message.id for message in check_settings()]


def test_the_projects_own_settings_pass():
    assert check_settings() == []


def test_a_project_without_settings_gets_defaults_that_pass(settings):
    del settings.TRACKING
    assert check_settings() == []


@pytest.mark.parametrize(
    ("tracking", "expected"),
    [
        ({"WATCH_POLICIES": "x"}, ["tracking.E001"]),
        ({"WATCH_POLICY": "tracking.permissions.nobody"}, ["tracking.E002"]),
        ({"WATCH_POLICY": "no.such.module"}, ["tracking.E002"]),
        ({"WATCH_POLICY": "not dotted"}, ["tracking.E002"]),
        ({"PUBLISH_POLICY": "tracking.permissions.__name__"}, ["tracking.E002"]),
        ({"AUTHENTICATION_TIMEOUT": 0}, ["tracking.E003"]),
        ({"AUTHENTICATION_TIMEOUT": "10"}, ["tracking.E003"]),
        ({"AUTHENTICATION_TIMEOUT": True}, ["tracking.E003"]),
        ({"STALE_AFTER": 60, "OFFLINE_AFTER": 60}, ["tracking.E003"]),
        ({"STALE_AFTER": "15"}, ["tracking.E003"]),
        ({"SEND_TIMEOUT": 0, "STALE_AFTER": 60, "MAX_BAD_MESSAGES": 0}, ["tracking.E003"] * 3),
        ({"MAX_CONNECTIONS": -1}, ["tracking.E003"]),
        ({"MAX_FIXES_PER_SECOND": "5"}, ["tracking.E003"]),
        ({"MAX_FIXES_BURST": 0}, ["tracking.E003"]),
        ({"MAX_MESSAGE_SIZE": 0}, ["tracking.E003"]),
        ({"MAX_BAD_MESSAGES": 2.5}, ["tracking.E003"]),
        ({"SEND_TIMEOUT": 0}, ["tracking.E003"]),
        ({"CLIENT_ADDRESS": "no.such.function"}, ["tracking.E002"]),
        ({"AUTHENTICATION": "no.such.class"}, ["tracking.E002"]),
        ({"AUTHENTICATION": "tracking.access.tokens.verify"}, ["tracking.E002"]),
        ({"AUTHENTICATION": "builtins.dict"}, ["tracking.E002"]),
        ({"AUTHENTICATION": "tracking.access.drf_tokens.DRFTokens"}, ["tracking.E002"]),
        ({"ACCESS_LOG_DAYS": 36_500}, []),
        ({"ACCESS_LOG_DAYS": 999_999}, ["tracking.E003"]),
        ({"SHARDS": 0}, ["tracking.E003"]),
        ({"SHARDS": 2.0}, ["tracking.E003"]),
        ({"SHARDS": "4"}, ["tracking.E003"]),
        ({"MAP_LINK_URL": "https://example.org/{latitude}"}, ["tracking.E004"]),
        ({"MAP_LINK_URL": None}, ["tracking.E004"]),
        ({"MAP_LINK_URL": ["{latitude}", "{longitude}"]}, ["tracking.E004"]),
        ({"HISTORY": "all", "HISTORY_DAYS": 60}, []),
        ({"HISTORY": "trips", "HISTORY_DAYS": 60}, []),
        ({"HISTORY": "all", "HISTORY_DAYS": 0}, ["tracking.E013"]),
        ({"HISTORY": "on", "HISTORY_DAYS": 60}, ["tracking.E013"]),
        ({"HISTORY": True, "HISTORY_DAYS": 60}, ["tracking.E013"]),
        ({"HISTORY_DAYS": -1}, ["tracking.E013"]),
        ({"HISTORY_DAYS": "60"}, ["tracking.E013"]),
        ({"HISTORY_DAYS": 36_500}, []),
        ({"HISTORY_DAYS": 36_501}, ["tracking.E013"]),
        ({"HISTORY_HOT_DAYS": 999_999}, ["tracking.E013"]),
        ({"HISTORY_HOT_DAYS": 1.5}, ["tracking.E013"]),
        ({"HISTORY": "all", "HISTORY_DAYS": 2}, ["tracking.W011"]),
        ({"HISTORY": "all", "HISTORY_DAYS": 3}, ["tracking.W011"]),
        ({"HISTORY": "all", "HISTORY_DAYS": 4}, []),
        ({"ERASURE_LOG": "/var/lib/rides/erasures.jsonl"}, []),
        ({"ERASURE_LOG": Path("/var/lib/rides/erasures.jsonl")}, []),
        ({"ERASURE_LOG": "erasures.jsonl"}, ["tracking.E013"]),
        ({"ERASURE_LOG": 7}, ["tracking.E013"]),
        ({"EVENT_DAYS": 36_500}, []),
        ({"EVENT_DAYS": 36_501}, ["tracking.E014"]),
        ({"EVENT_DAYS": 0}, ["tracking.E014"]),
        ({"EVENT_DAYS": "30"}, ["tracking.E014"]),
        ({"EVENT_DAYS": True}, ["tracking.E014"]),
        ({"EVENT_DAYS": 4}, []),
        ({"EVENT_DAYS": 3}, ["tracking.W013"]),
        ({"WEBHOOK_ALLOW_PRIVATE": True}, []),
        ({"WEBHOOK_ALLOW_PRIVATE": "True"}, ["tracking.E014"]),
        ({"WEBHOOK_ALLOW_PRIVATE": 1}, ["tracking.E014"]),
        ({"ARRIVING_RADIUS": 300, "ARRIVED_RADIUS": 300.0}, []),
        ({"ARRIVING_RADIUS": 300, "ARRIVED_RADIUS": 301}, ["tracking.E014"]),
        ({"ARRIVING_RADIUS": "500"}, ["tracking.E014"]),
        ({"ARRIVED_RADIUS": 0}, ["tracking.E014"]),
        ({"ARRIVED_RADIUS": True}, ["tracking.E014"]),
        ({"ARRIVED_RADIUS": float("nan")}, ["tracking.E014"]),
        ({"ARRIVING_RADIUS": 50_001, "ARRIVED_RADIUS": None}, ["tracking.E014"] * 2),
        ({"BASE_LAYER": "tracking/map.js"}, []),
        ({"BASE_LAYER": "tracking/missing.js"}, ["tracking.E012"]),
        ({"BASE_LAYER": "/static/tracking/map.js"}, ["tracking.E012"]),
        ({"BASE_LAYER": 1}, ["tracking.E012"]),
        ({"ROUTING": {"BACKEND": "osrm", "URL": "http://127.0.0.1:5000"}}, []),
        ({"ROUTING": {"URL": "http://127.0.0.1:5000"}}, ["tracking.E015"]),
        ({"ROUTING": {"BACKEND": "valhalla", "URL": "https://[::1]:8002/way"}}, []),
        ({"ROUTING": {"BACKEND": "tracking.eta.engines.osrm.OSRM", "URL": "http://osrm"}}, []),
        ({"ROUTING": {"BACKEND": "graphhopper", "URL": "http://osrm"}}, ["tracking.E015"]),
        ({"ROUTING": {"BACKEND": "builtins.dict", "URL": "http://osrm"}}, ["tracking.E015"]),
        ({"ROUTING": {"BACKEND": ["osrm"], "URL": "http://osrm"}}, ["tracking.E015"]),
        ({"ROUTING": {"BACKEND": "osrm"}}, ["tracking.E015"]),
        ({"ROUTING": {"BACKEND": "osrm", "URL": "ftp://osrm"}}, ["tracking.E015"]),
        ({"ROUTING": {"BACKEND": "osrm", "URL": "osrm:5000"}}, ["tracking.E015"]),
        ({"ROUTING": {"BACKEND": "osrm", "URL": "http://osrm:port"}}, ["tracking.E015"]),
        ({"ROUTING": {"BACKEND": "osrm", "URL": "http://osrm?key=1"}}, ["tracking.E015"]),
        ({"ROUTING": {"BACKEND": "osrm", "URL": 5000}}, ["tracking.E015"]),
        ({"ROUTING": {"BACKEND": "osrm", "URL": "http://osrm", "TIMEOUT": 2}}, ["tracking.E015"]),
        ({"ROUTING": "http://osrm"}, ["tracking.E015"]),
        ({"DRIVER_PAGE": "/staff/drivers/"}, ["tracking.E016"]),
        ({"DRIVER_PAGE": "staff/{id}/"}, ["tracking.E016"]),
        ({"DRIVER_PAGE": "//office/{id}/"}, ["tracking.E016"]),
        ({"DRIVER_PAGE": "javascript:alert({id})"}, ["tracking.E016"]),
        ({"DRIVER_PAGE": "https://{id}]/"}, ["tracking.E016"]),
        ({"DRIVER_PAGE": 7}, ["tracking.E016"]),
        ({"DRIVER_PAGE": "/staff/drivers/{id}/"}, []),
        ({"DRIVER_PAGE": "https://office.example.com/drivers?id={id}"}, []),
        ({"SOCKET_URL": "live/"}, ["tracking.E011"]),
        ({"SOCKET_URL": "live.example.com"}, ["tracking.E011"]),
        ({"SOCKET_URL": "//live.example.com/"}, ["tracking.E011"]),
        ({"SOCKET_URL": "https://live.example.com/"}, ["tracking.E011"]),
        ({"SOCKET_URL": "wss://"}, ["tracking.E011"]),
        ({"SOCKET_URL": "wss://[live/"}, ["tracking.E011"]),
        ({"SOCKET_URL": "/live/?a=b"}, ["tracking.E011"]),
        ({"SOCKET_URL": 7}, ["tracking.E011"]),
        ({"SOCKET_URL": "/live"}, []),
        ({"SOCKET_URL": "/live/"}, []),
        ({"SOCKET_URL": "ws://localhost:8001"}, []),
        ({"SOCKET_URL": "wss://live.example.com/sockets/"}, []),
    ],
)
def test_a_wrong_setting_is_named(settings, tracking, expected):
    settings.TRACKING = tracking
    assert ids() == expected


def test_a_missing_channel_layer_is_named(settings):
    settings.CHANNEL_LAYERS = {}
    assert ids() == ["tracking.E005"]


def test_a_channel_layer_in_memory_is_warned_of_before_deployment_alone(settings):
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    (warning,) = check_channel_layer()
    assert warning.id == "tracking.W005"
    assert "tracking.contrib.channels_redis.ChannelLayer" in warning.hint
    found = [message.id for message in run_checks()]
    assert "tracking.W005" not in found
    found = [message.id for message in run_checks(include_deployment_checks=True)]
    assert found.count("tracking.W005") == 1


@pytest.mark.parametrize("backend", ["pubsub.RedisPubSubChannelLayer", "core.RedisChannelLayer"])
def test_the_channel_layers_of_channels_redis_pass(settings, backend):
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": f"channels_redis.{backend}"}}
    assert check_channel_layer() == []


def test_a_missing_channel_layer_is_not_named_twice(settings):
    settings.CHANNEL_LAYERS = {}
    assert check_channel_layer() == []


def test_a_user_model_without_integer_ids_is_named(monkeypatch):
    from django.contrib.sessions.models import Session

    monkeypatch.setattr("tracking.checks.get_user_model", lambda: Session)
    assert ids() == ["tracking.E006", "tracking.W002"]


def test_a_user_model_that_does_not_tell_drivers_from_passengers_is_warned_of(
    settings, monkeypatch
):
    from django.contrib.auth.models import Group

    monkeypatch.setattr("tracking.checks.get_user_model", lambda: Group)
    assert ids() == ["tracking.W002"]
    settings.TRACKING = {"PUBLISH_POLICY": "tracking.permissions.staff_only"}
    assert ids() == []


def test_a_signing_key_that_can_be_guessed_is_named(settings):
    settings.SIMPLE_JWT = {**settings.SIMPLE_JWT, "SIGNING_KEY": "x" * 31}
    (error,) = check_settings()
    assert error.id == "tracking.E007"
    assert "SIMPLE_JWT['SIGNING_KEY'] has fewer" in error.msg


def test_a_secret_key_that_signs_the_tokens_is_named_as_such(settings):
    settings.SECRET_KEY = "x" * 31
    assert ids() == []
    # SimpleJWT's default, which it reads at import.
    settings.SIMPLE_JWT = {"ALGORITHM": "HS256"}
    simplejwt.api_settings.SIGNING_KEY = settings.SECRET_KEY
    (error,) = check_settings()
    assert error.id == "tracking.E007"
    assert "SIMPLE_JWT" not in error.msg
    assert "SECRET_KEY, which signs the tokens, has fewer" in error.msg


def test_a_redirect_that_loses_reports_is_named(settings):
    settings.SECURE_SSL_REDIRECT = True
    assert ids() == []
    ours = "tracking.middleware.no_redirected_writes"
    others = [name for name in settings.MIDDLEWARE if name != ours]
    assert len(others) == len(settings.MIDDLEWARE) - 1
    for middleware in (others, [*others, ours]):
        settings.MIDDLEWARE = middleware
        assert ids() == ["tracking.W004"]
    settings.SECURE_SSL_REDIRECT = False
    assert ids() == []


def test_more_redis_hosts_than_shards_is_warned_of(settings):
    config = {"hosts": ["redis://a", "redis://b"]}
    settings.TRACKING = {"SHARDS": 1}
    layers = {"default": {"CONFIG": config}}
    (warning,) = [*_shards(layers)]
    assert warning.id == "tracking.W003"
    assert "2 or more" in warning.hint
    settings.TRACKING = {"SHARDS": 2}
    assert [*_shards(layers)] == []
    assert [*_shards({})] == []
    settings.TRACKING = {"SHARDS": "4"}
    assert [*_shards(layers)] == []


@pytest.mark.parametrize("key", ["PUBLISH_POLICY", "WATCH_POLICY"])
def test_a_missing_policy_is_asked_for_with_the_result_that_policies_have(settings, key):
    settings.TRACKING = {key: "no.such.function"}
    (error,) = check_settings()
    assert error.hint.endswith("(user, driver_id) -> tracking.permissions.Decision.")


@pytest.mark.parametrize(
    ("history", "erasure_log", "expected"),
    [
        ("off", "", []),
        ("all", "", ["tracking.W012"]),
        ("trips", "", ["tracking.W012"]),
        ("all", "/var/lib/rides/erasures.jsonl", []),
    ],
)
def test_a_history_without_an_erasure_log_is_reported_for_production(
    settings, history, erasure_log, expected
):
    settings.TRACKING = {
        "WATCH_POLICY": "tracking.permissions.granted",
        "HISTORY": history,
        "ERASURE_LOG": erasure_log,
    }
    assert [message.id for message in check_deployment()] == expected


@pytest.mark.parametrize(("allowed", "expected"), [(True, ["tracking.W014"]), (False, [])])
def test_webhooks_to_private_addresses_are_reported_for_production(settings, allowed, expected):
    settings.TRACKING = {
        "WATCH_POLICY": "tracking.permissions.granted",
        "WEBHOOK_ALLOW_PRIVATE": allowed,
    }
    assert [message.id for message in check_deployment()] == expected
