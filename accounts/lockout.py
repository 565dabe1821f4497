"""Who may try to log in no more for a while, after too many failures.

Failures are counted by django-axes in the database, which all workers share and which is there
when Redis is not. Nobody writes or reads a count but who logs in.

Three counts, each with its limit: one account from one address, one account from anywhere, any
account from one address. The first is low and stops guessing. The second stops those who guess
from many addresses, and is high, because whoever reaches it keeps the account's owner from logging
in too. The third stops those who try one password on many accounts, and is high, because a
mobile carrier has thousands of customers behind one address. Attempts during a lock do not prolong
it, and a lock touches neither sessions nor refresh tokens: who is logged in stays so.
"""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from math import ceil
from typing import Any

from axes.backends import AxesStandaloneBackend
from axes.handlers.database import AxesDatabaseHandler
from axes.handlers.proxy import AxesProxyHandler
from django.conf import settings
from django.db.models import Max, QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import ngettext
from django.views.decorators.debug import sensitive_variables
from rest_framework.exceptions import APIException

from accounts.models import User


class LockoutBackend(AxesStandaloneBackend):  # type: ignore[misc]  # axes is not annotated
    """Axes' own, whose variables, the password among them, no report of an error shows."""

    authenticate = sensitive_variables()(AxesStandaloneBackend.authenticate)


class LogInHandler(AxesDatabaseHandler):  # type: ignore[misc]  # axes is not annotated
    """Axes' own, with a limit for each of the counts instead of one for all."""

    def get_failures(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> int:
        """What axes compares with AXES_FAILURE_LIMIT."""
        locked = next(self._locks(request, credentials), None) is not None
        return settings.AXES_FAILURE_LIMIT if locked else 0

    def lock_ends_in(
        self, request: HttpRequest, credentials: dict[str, Any] | None = None
    ) -> timedelta:
        """The time after which the locks that hit the request are over at the latest."""
        newest = max(
            (
                attempts.aggregate(newest=Max("attempt_time"))["newest"]
                for attempts in self._locks(request, credentials)
            ),
            default=timezone.now(),
        )
        remaining: timedelta = newest + settings.AXES_COOLOFF_TIME - timezone.now()
        return max(remaining, timedelta(seconds=1))

    def reset_user_attempts(
        self, request: HttpRequest, credentials: dict[str, Any] | None = None
    ) -> int:
        """Forget the user's failures at this address.

        Not those at others, which may be somebody else's, and not those of other accounts at
        this address: having one account would let anybody try the passwords of all.
        """
        first, *_others = self.filter_user_attempts(request, credentials)
        count: int = first.delete()[0]
        return count

    def _locks(
        self, request: HttpRequest, credentials: dict[str, Any] | None
    ) -> Iterator[QuerySet[Any]]:
        """The counted attempts of each limit that is reached."""
        counts = self.get_user_attempts(request, credentials)
        for attempts, limit in zip(counts, settings.LOG_IN_FAILURE_LIMITS, strict=True):
            failures = attempts.aggregate(failures=Sum("failures_since_start"))["failures"] or 0
            if failures >= limit:
                yield attempts


class LockedOut(APIException):
    """429 that says when to come back, in words and in a Retry-After header."""

    status_code = 429

    def __init__(self, wait: timedelta) -> None:
        super().__init__({"detail": message(wait), "code": "locked_out"})
        # What DRF makes the header from.
        self.wait = wait.total_seconds()


def lock_ends_in(request: HttpRequest, credentials: Mapping[str, Any]) -> timedelta:
    """How long whoever was just locked out must wait."""
    wait: timedelta = AxesProxyHandler.get_implementation().lock_ends_in(request, credentials)
    return wait


def message(wait: timedelta) -> str:
    minutes = ceil(wait / timedelta(minutes=1))
    return ngettext(
        "Too many failed log-ins. Try again in %(minutes)d minute.",
        "Too many failed log-ins. Try again in %(minutes)d minutes.",
        minutes,
    ) % {"minutes": minutes}


def locked_out_page(request: HttpRequest, *_arguments: Any) -> HttpResponse:
    """What axes' middleware answers instead of the log-in page."""
    wait = lock_ends_in(request, request.axes_credentials)  # type: ignore[attr-defined]
    response = render(request, "accounts/locked_out.html", {"message": message(wait)}, status=429)
    response["Retry-After"] = str(ceil(wait.total_seconds()))
    return response


def account(request: HttpRequest, credentials: Mapping[str, Any] | None) -> str:
    """The e-mail address that somebody tries to log in with, in the form that it is stored in."""
    # Django's form calls it username, SimpleJWT's serializer by its name.
    given = (credentials or {}).get("username") or (credentials or {}).get("email") or ""
    # As long as axes' column.
    return User.normalize_username(given)[:255]
