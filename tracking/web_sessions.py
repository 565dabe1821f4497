"""Revocation at log-out: the tokens of a web session end with it, on every worker.

The view that gives a page its token puts `claim(request.session)` into it. When the session's user
logs out, the claim is stored until all its tokens have expired, and open connections that
authenticated with one of them are checked again at once.
"""

import secrets
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial, wraps
from typing import Any, Final, TypeAlias

from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.contrib.sessions.backends.base import SessionBase
from django.db import router, transaction
from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone
from rest_framework_simplejwt import settings as simplejwt
from rest_framework_simplejwt import state

from tracking import revocation
from tracking.models import EndedWebSession

View: TypeAlias = Callable[..., HttpResponseBase]

# The session key of the claim. The claim is not derived from the session's own key, which Django
# may change during a session, for example after a change of SECRET_KEY.
CLAIM: Final = "_tracking_web_session"


def claim(session: SessionBase) -> str:
    """Return the value of the claim `WEB_SESSION_CLAIM` for a session; create it if needed."""
    if CLAIM not in session:
        session[CLAIM] = secrets.token_hex(32)
        # Save at once: outside a request nothing else does, and the log-out must find it.
        session.save()
    found: str = session[CLAIM]
    return found


def load_ended(claims: list[str]) -> Mapping[str, bool]:
    """Return the given claims of web sessions that have ended, each mapped to True."""
    ended = EndedWebSession.objects.filter(claim__in=claims)
    return dict.fromkeys(ended.values_list("claim", flat=True), True)


def end(name: str, user_id: Any) -> None:
    """End the tokens with the claim `name`, which were issued to the user's web session."""
    now = timezone.now()
    using = router.db_for_write(EndedWebSession)
    ended = EndedWebSession.objects.using(using)
    # Delete claims whose tokens have all expired.
    ended.filter(ended_at__lt=now - _longest_lifetime()).delete()
    ended.get_or_create(claim=name, defaults={"ended_at": now})
    transaction.on_commit(partial(revocation.recheck, [user_id]), using=using)


def _longest_lifetime() -> timedelta:
    """Return the longest time for which a token may be accepted, with a minute to spare."""
    options = simplejwt.api_settings
    lifetimes = [token.lifetime for token in options.AUTH_TOKEN_CLASSES if token.lifetime]
    longest: timedelta = max([options.ACCESS_TOKEN_LIFETIME, *lifetimes])
    return longest + state.token_backend.get_leeway() + timedelta(minutes=1)


def logged_out(request: HttpRequest | None, user: Any, **kwargs: Any) -> None:
    """Receive Django's `user_logged_out`, which is sent before the session is flushed."""
    session = getattr(request, "session", None)
    # A session without a claim was given no token.
    if user is not None and session is not None and CLAIM in session:
        end(session[CLAIM], user.pk)


def logged_in(request: HttpRequest | None, **kwargs: Any) -> None:
    """Receive Django's `user_logged_in`, which an API without sessions may send, too.

    Create the claim now: two pages that request their first tokens at once would each create one,
    and one would be lost.
    """
    session = getattr(request, "session", None)
    if session is not None and SESSION_KEY in session:
        claim(session)


def ends_the_session_before(view: View) -> View:
    """Wrap a log-in view, to end the tokens of the user who was logged in before.

    Django replaces the session of another user without sending `user_logged_out`.
    """

    @wraps(view)
    def logging_in(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        user_id, before = request.session.get(SESSION_KEY), request.session.get(CLAIM)
        response = view(request, *args, **kwargs)
        if before is not None and request.session.get(CLAIM) not in (before, None):
            end(before, get_user_model()._meta.pk.to_python(user_id))
        return response

    return logging_in


def connect() -> None:
    """Connect the receivers of log-ins and log-outs."""
    user_logged_in.connect(logged_in, dispatch_uid="tracking.web_sessions")
    user_logged_out.connect(logged_out, dispatch_uid="tracking.web_sessions")
