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

# Without these the models of the app cannot even be imported.
NEEDED_APPS: Final = ("django.contrib.auth", "django.contrib.contenttypes")
# Apps without which some of their own features are missing, and the checks that say so.
USED_APPS: Final = {
    "channels": ("tracking.W006", "Channels' management commands and checks"),
    "rest_framework": ("tracking.W007", "Django REST framework's templates and translations"),
}


def require_apps() -> None:
    """Raise ImproperlyConfigured if an app is missing that the models need.

    No system check can say so: Django runs them after it has imported all models.
    """
    for name in NEEDED_APPS:
        if not apps.is_installed(name):
            raise ImproperlyConfigured(
                f"tracking needs {name!r}, which is not in INSTALLED_APPS. Add it. (tracking.E010)"
            )


def check_project() -> Iterator[CheckMessage]:
    """Check what the app needs of the project's INSTALLED_APPS, URLs and log-in page."""
    yield from _apps()
    if not getattr(settings, "ROOT_URLCONF", None):
        return
    if _reverses("tracking:share"):
        yield from _log_in()
    else:
        yield CheckWarning(
            "The project's URLs have no namespace 'tracking': there are no pages and no REST API, "
            "and the fleet map cannot search.",
            hint=(
                'Add path("driver/", include("tracking.urls")) to ROOT_URLCONF, not inside another '
                "namespace. If sockets are all you need: "
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
            f"LOGIN_URL is {settings.LOGIN_URL!r}, which names no URL: the pages of tracking.urls "
            "answer visitors who are not logged in with an error 500.",
            hint=(
                "Set LOGIN_URL to a path or to the name of a URL, such as 'admin:login'. If nobody "
                "uses the pages: SILENCED_SYSTEM_CHECKS = ['tracking.W009']."
            ),
            id="tracking.W009",
        )


def _reverses(name: str) -> bool:
    try:
        reverse(name)
    except NoReverseMatch:
        return False
    return True
