"""Staff is logged out of the site after a while in which no human did anything.

The end is the session's own expiry, which each request moves. An open page renews its token all
by itself, so that such a request moves nothing, unless it says when the page was last touched. And
no token outlives the session: see `accounts.tokens.access_token_for`.
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

# Seconds since a key, a mouse or a finger touched the page that sends the request.
IDLE_HEADER: Final = "X-Idle-Seconds"
# Not each request writes to the database. In exchange a session may end so much early.
MAX_RESOLUTION: Final = timedelta(minutes=1)


def note(session: SessionBase, idle: timedelta | None) -> None:
    """Let a session live on from when its user was last active, so long ago; None is unknown."""
    timeout = timedelta(seconds=settings.STAFF_IDLE_TIMEOUT)
    if not timeout:
        return
    now = timezone.now()
    latest, held = now + timeout, session.get_expiry_date()
    if held > latest:
        # A new session, or one of before its user was staff.
        session.set_expiry(latest)
    elif idle is not None and latest - idle - held > min(MAX_RESOLUTION, timeout / 10):
        session.set_expiry(latest - idle)


def told_by_page(request: HttpRequest) -> timedelta | None:
    """Return how long ago the page says that it was touched, None if it does not say."""
    value = request.headers.get(IDLE_HEADER, "")
    # So many digits are three years.
    if not (value.isascii() and value.isdecimal() and len(value) < 9):
        return None
    return timedelta(seconds=int(value))


def logged_in(request: HttpRequest | None, user: User, **kwargs: Any) -> None:
    """Receive Django's `user_logged_in`, which the token API, that makes no session, sends, too."""
    session = getattr(request, "session", None)
    if session is not None and SESSION_KEY in session and is_staff_account(user):
        note(session, timedelta(0))


def connect() -> None:
    """Listen to log-ins."""
    user_logged_in.connect(logged_in, dispatch_uid="accounts.idle")
