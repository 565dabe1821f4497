"""System checks of the project around the app: its apps, its URLs, its log-in page."""

from collections.abc import Iterator
from typing import Final

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage
from django.core.checks import Warning as CheckWarning
from django.core.exceptions import ImproperlyConfigured
from django.shortcuts import resolve_url
from django.urls import NoReverseMatch, reverse

# The models of tracking cannot be imported without these.
NEEDED_APPS: Final = ("django.contrib.auth", "django.contrib.contenttypes")
# Optional apps, with the id of the check and the features that are missing without the app.
USED_APPS: Final = {
    "channels": ("tracking.W006", "Channels' management commands and checks"),
    "rest_framework": ("tracking.W007", "Django REST framework's templates and translations"),
}


def require_apps() -> None:
    """Raise ImproperlyConfigured if an app is missing that the models need.

    A system check would be too late: Django runs the checks after it has imported all models.
    """
    for name in NEEDED_APPS:
        if not apps.is_installed(name):
            raise ImproperlyConfigured(
                f"tracking requires {name!r}: add it to INSTALLED_APPS. (tracking.E010)"
            )


def check_project() -> Iterator[CheckMessage]:
    """Check the project's INSTALLED_APPS, URLs and LOGIN_URL."""
    yield from _apps()
    if not getattr(settings, "ROOT_URLCONF", None):
        return
    if _reverses("tracking:share"):
        yield from _log_in()
    else:
        yield CheckWarning(
            "The project's URLs do not include tracking.urls: its pages, the REST API and the "
            "search of the fleet map are missing.",
            hint=(
                'Add path("driver/", include("tracking.urls")) to ROOT_URLCONF, outside other '
                "namespaces. If you need only the WebSockets: "
                "SILENCED_SYSTEM_CHECKS = ['tracking.W008']."
            ),
            id="tracking.W008",
        )


def _apps() -> Iterator[CheckMessage]:
    for name, (check_id, features) in USED_APPS.items():
        if not apps.is_installed(name):
            yield CheckWarning(
                f"{name!r} is not in INSTALLED_APPS: {features} are missing.",
                hint=f"Add {name!r} to INSTALLED_APPS.",
                id=check_id,
            )


def _log_in() -> Iterator[CheckMessage]:
    try:
        resolve_url(settings.LOGIN_URL)
    except (NoReverseMatch, TypeError):
        yield CheckWarning(
            f"LOGIN_URL is {settings.LOGIN_URL!r}, which is neither a path nor the name of a URL: "
            "visitors who are not logged in get an error 500 on the pages of tracking.urls.",
            hint=(
                "Set LOGIN_URL to a path or to the name of a URL, such as 'admin:login'. If the "
                "pages are not used: SILENCED_SYSTEM_CHECKS = ['tracking.W009']."
            ),
            id="tracking.W009",
        )


def _reverses(name: str) -> bool:
    try:
        reverse(name)
    except NoReverseMatch:
        return False
    return True
