"""System checks of what only this project has."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning

from ridehail.redis import PREFIX, problems


def check_redis(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Ask the Redis that REDIS_URL names whether workers can hear each other there."""
    config = settings.CHANNEL_LAYERS["default"].get("CONFIG", {})
    urls = [host["address"] for host in config.get("hosts", [])]
    return [
        CheckWarning(text, id="ridehail.W001") if unreachable else Error(text, id="ridehail.E001")
        for text, unreachable in problems(urls, config.get("prefix", PREFIX))
    ]
