"""System checks: the keys, for settings that do not refuse them, and the second factor."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning

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


def check_second_factor(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Check, for a deployment, that staff needs more than a password."""
    if settings.DEBUG or settings.REQUIRE_SECOND_FACTOR:
        return []
    return [
        CheckWarning(
            "REQUIRE_SECOND_FACTOR is off: a password of staff is enough to see every driver.",
            hint="Turn it on. Staff is led to set up an authenticator app at the next log-in.",
            id="accounts.W001",
        )
    ]
