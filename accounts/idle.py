"""Logging staff out of the site after a time without activity of a person.

The session's own expiry ends it, and each request moves the expiry. An open page also renews its
token without anyone there: such a request moves the expiry only as far as the page says when it was
last touched. No token outlives the session: see `accounts.tokens.access_token_for`.
"""

from datetime import timedelta
from typing import Any, Final

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.signals import user_logged_in
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest
from django.utils import timezone

from accounts.models import User
from accounts.second_factor import is_staff_account

# Seconds since a key, mouse or touch event on the page that sends the request.
IDLE_HEADER: Final = "X-Idle-Seconds"
# The expiry is stored at most this often, to save database writes. A session may therefore end
# earlier by this much.
MAX_RESOLUTION: Final = timedelta(minutes=1)


def extend(session: SessionBase, idle: timedelta | None) -> None:
    """Move a session's expiry to STAFF_IDLE_TIMEOUT after its user's last activity.

    `idle` is the time since that activity. None, for unknown, only shortens an expiry that is
    further away than that.
    """
    timeout = timedelta(seconds=settings.STAFF_IDLE_TIMEOUT)
    if not timeout:
        return
    now = timezone.now()
    latest, held = now + timeout, session.get_expiry_date()
    if held > latest:
        # A new session, or one from before its user became staff.
        session.set_expiry(latest)
    elif idle is not None and latest - idle - held > min(MAX_RESOLUTION, timeout / 10):
        session.set_expiry(latest - idle)


def idle_time(request: HttpRequest) -> timedelta | None:
    """Return the time since the page was last touched, from IDLE_HEADER; None if not given."""
    value = request.headers.get(IDLE_HEADER, "")
    # Eight digits of seconds are three years.
    if not (value.isascii() and value.isdecimal() and len(value) < 9):
        return None
    return timedelta(seconds=int(value))


def logged_in(request: HttpRequest | None, user: User, **kwargs: Any) -> None:
    """Receive Django's `user_logged_in`. The token API sends it too, without a session."""
    session = getattr(request, "session", None)
    if session is not None and SESSION_KEY in session and is_staff_account(user):
        extend(session, timedelta(0))


def connect() -> None:
    """Connect the receiver of log-ins."""
    user_logged_in.connect(logged_in, dispatch_uid="accounts.idle")
