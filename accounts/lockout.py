"""Lockout: no more log-in attempts for a while after too many failures.

django-axes counts failures in the database, which all workers share and which does not depend on
Redis. Only log-in attempts read or write a count.

Five counts, each with its limit in LOG_IN_FAILURE_LIMITS:

- `account_from_address`: one account from one address. It is low and stops guessing.
- `account_from_network`: one account from one /24 or IPv6 /48. It stops guessing from the many
  addresses of one network, and keeps one network from reaching the next limit alone: a locked
  attempt is not counted, so one network adds no more than this limit to that count.
- `account`: one account from anywhere. It stops guessing from many networks. It is high, because
  an attacker who reaches it also keeps the account's owner from logging in.
- `address`, `network`: any account from one address, or from one network. They stop attackers who
  try one password on many accounts. They are high, because a mobile carrier has thousands of
  customers behind one address.

Attempts during a lock do not prolong it. A lock affects neither sessions nor refresh tokens: users
who are logged in stay logged in.
"""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from ipaddress import ip_address
from math import ceil
from typing import Any

from axes.attempts import get_cool_off_threshold
from axes.backends import AxesStandaloneBackend
from axes.handlers.database import AxesDatabaseHandler
from axes.handlers.proxy import AxesProxyHandler
from axes.models import AccessAttempt
from django.conf import settings
from django.db import connections
from django.db.models import Max, QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import ngettext
from django.views.decorators.debug import sensitive_variables
from rest_framework.exceptions import APIException

from accounts.models import User
from accounts.second_factor import has_device, is_due
from ridehail.proxies import Network, site_network


class LockoutBackend(AxesStandaloneBackend):  # type: ignore[misc]  # axes is not annotated
    """Axes' backend, with its variables, such as the password, hidden in error reports."""

    authenticate = sensitive_variables()(AxesStandaloneBackend.authenticate)


class LogInHandler(AxesDatabaseHandler):  # type: ignore[misc]  # axes is not annotated
    """Axes' handler, with a limit for each of the counts instead of one for all."""

    def get_failures(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> int:
        """Return AXES_FAILURE_LIMIT, with which axes compares it, if a limit is reached; else 0."""
        locked = next(self._locks(request, credentials), None) is not None
        return settings.AXES_FAILURE_LIMIT if locked else 0

    def lock_ends_in(
        self, request: HttpRequest, credentials: dict[str, Any] | None = None
    ) -> timedelta:
        """Return the time, at least 1 s, after which all locks on the request have ended."""
        newest = max(
            (
                attempts.aggregate(newest=Max("attempt_time"))["newest"]
                for attempts in self._locks(request, credentials)
            ),
            default=timezone.now(),
        )
        remaining: timedelta = newest + settings.AXES_COOLOFF_TIME - timezone.now()
        return max(remaining, timedelta(seconds=1))

    def user_logged_in(self, sender: Any, request: HttpRequest, user: User, **kwargs: Any) -> None:
        """Reset the user's failures, unless the user still has to give a code.

        Otherwise an attacker who has only the password could guess codes without limit.
        """
        if not (has_device(user) and is_due(user)):
            super().user_logged_in(sender, request, user, **kwargs)

    def reset_user_attempts(
        self, request: HttpRequest, credentials: dict[str, Any] | None = None
    ) -> int:
        """Reset the user's failures at this address and return their number.

        Failures at other addresses stay, as they may be an attacker's. So do those of other
        accounts at this address: otherwise one account would be enough to try the passwords of all.
        """
        first, *_others = self.filter_user_attempts(request, credentials)
        count: int = first.delete()[0]
        return count

    def _locks(
        self, request: HttpRequest, credentials: dict[str, Any] | None
    ) -> Iterator[QuerySet[Any]]:
        """Yield the counted attempts of each limit that is reached."""
        from_address, of_account, at_address = self.get_user_attempts(request, credentials)
        counts = {
            "account_from_address": from_address,
            "account": of_account,
            "address": at_address,
        }
        if network := site_network(request.axes_ip_address or ""):  # type: ignore[attr-defined]
            recent = AccessAttempt.objects.filter(attempt_time__gte=get_cool_off_threshold(request))
            counts["account_from_network"] = _from_network(of_account, network)
            counts["network"] = _from_network(recent, network)
        for name, attempts in counts.items():
            failures = attempts.aggregate(failures=Sum("failures_since_start"))["failures"] or 0
            if failures >= settings.LOG_IN_FAILURE_LIMITS[name]:
                yield attempts


def _from_network(attempts: QuerySet[Any], network: Network) -> QuerySet[Any]:
    if connections[attempts.db].vendor == "postgresql":
        return attempts.filter(ip_address__range=(str(network[0]), str(network[-1])))
    # SQLite stores addresses as text, which sorts differently.
    ids = [
        pk
        for pk, address in attempts.values_list("pk", "ip_address")
        if address and ip_address(address) in network
    ]
    return attempts.filter(pk__in=ids)


class LockedOut(APIException):
    """Raised as a 429 that says when to try again, in its text and in Retry-After."""

    status_code = 429

    def __init__(self, wait: timedelta) -> None:
        super().__init__({"detail": message(wait), "code": "locked_out"})
        # DRF derives the header from it.
        self.wait = wait.total_seconds()


def lock_ends_in(request: HttpRequest, credentials: Mapping[str, Any]) -> timedelta:
    """Return how long a request that was just locked out must wait."""
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
    """Return the response with which axes' middleware replaces the log-in page's."""
    wait = lock_ends_in(request, request.axes_credentials)  # type: ignore[attr-defined]
    context = {"message": message(wait), "status": 429}
    # The project provides the template, as it does Django's 404.html.
    response = render(request, "429.html", context, status=429)
    response["Retry-After"] = str(ceil(wait.total_seconds()))
    return response


def account(request: HttpRequest, credentials: Mapping[str, Any] | None) -> str:
    """Return the e-mail address of a log-in attempt, normalized as it is stored."""
    # Django's form calls it "username", SimpleJWT's serializer "email".
    given = (credentials or {}).get("username") or (credentials or {}).get("email") or ""
    # Axes' column holds 255 characters.
    return User.normalize_username(given)[:255]
