"""System checks: the signing keys, for settings that do not check them, and the second factor."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning

from accounts.keys import CHECK_IDS, SAME_KEYS, refusal


def check_keys(app_configs: Sequence[AppConfig] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Check that SECRET_KEY and JWT_SIGNING_KEY are set, long enough and different."""
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
    """Check, with `check --deploy`, that staff must set up a second factor."""
    if settings.DEBUG or settings.REQUIRE_SECOND_FACTOR:
        return []
    return [
        CheckWarning(
            "REQUIRE_SECOND_FACTOR is off: a staff password is enough to see every driver.",
            hint="Turn it on. Staff will set up an authenticator app at their next log-in.",
            id="accounts.W001",
        )
    ]
