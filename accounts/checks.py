"""System checks of the keys, for settings that do not refuse them as `ridehail.settings` does."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error

from accounts.keys import CHECK_IDS, SAME_KEYS, refusal


def check_keys(app_configs: Sequence[AppConfig] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Check that production has secrets of its own, and long enough ones."""
    if settings.DEBUG:
        return []
    messages: list[CheckMessage] = [
        Error(message, id=check_id)
        for name, check_id in CHECK_IDS.items()
        if (message := refusal(name, getattr(settings, name, "")))
    ]
    if getattr(settings, "JWT_SIGNING_KEY", "") == settings.SECRET_KEY:
        messages.append(Error(SAME_KEYS, id="accounts.E003"))
    return messages
