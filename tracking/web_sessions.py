"""Log-out means log-out: the tokens that a web session was given end with it, on every worker.

The view that gives a page its token puts `claim(request.session)` into it. When the session's user
logs out, its claim is kept until all its tokens have expired, and the open connections that came
with one of them are checked again at once.
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

from tracking import revocation
from tracking.models import EndedWebSession

View: TypeAlias = Callable[..., HttpResponseBase]

# Where a session keeps its claim. Not made from the session's key: Django gives a session another
# one in the middle, such as when SECRET_KEY was changed.
CLAIM: Final = "_tracking_web_session"


def claim(session: SessionBase) -> str:
    """Return what names a web session in the claim `WEB_SESSION_CLAIM` of its tokens."""
    if CLAIM not in session:
        session[CLAIM] = secrets.token_hex(32)
        # At once: outside a request nobody else does, and the log-out must find it.
        session.save()
    found: str = session[CLAIM]
    return found


def load_ended(claims: list[str]) -> Mapping[str, bool]:
    """Return those of the web sessions that have ended, each as True."""
    ended = EndedWebSession.objects.filter(claim__in=claims)
    return dict.fromkeys(ended.values_list("claim", flat=True), True)


def end(name: str, user_id: Any) -> None:
    """End the tokens with this claim, which the user's web session was given."""
    now = timezone.now()
    using = router.db_for_write(EndedWebSession)
    ended = EndedWebSession.objects.using(using)
    # Tokens that could be shown again have expired by then.
    lifetime = simplejwt.api_settings.ACCESS_TOKEN_LIFETIME + timedelta(minutes=1)
    ended.filter(ended_at__lt=now - lifetime).delete()
    ended.get_or_create(claim=name, defaults={"ended_at": now})
    transaction.on_commit(partial(revocation.recheck, [user_id]), using=using)


def logged_out(request: HttpRequest | None, user: Any, **kwargs: Any) -> None:
    """Receive Django's `user_logged_out`, which is sent before the session is flushed."""
    session = getattr(request, "session", None)
    # Without a claim, it was given no token.
    if user is not None and session is not None and CLAIM in session:
        end(session[CLAIM], user.pk)


def logged_in(request: HttpRequest | None, **kwargs: Any) -> None:
    """Receive Django's `user_logged_in`, which an API that makes no session sends, too.

    Two pages that ask for their first tokens at once would each make a claim, and one be lost.
    """
    session = getattr(request, "session", None)
    if session is not None and SESSION_KEY in session:
        claim(session)


def ends_the_session_before(view: View) -> View:
    """Wrap a view that logs in, so that the tokens of who was logged in before end.

    Django replaces the session of another user without `user_logged_out`.
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
    """Listen to log-ins and log-outs."""
    user_logged_in.connect(logged_in, dispatch_uid="tracking.web_sessions")
    user_logged_out.connect(logged_out, dispatch_uid="tracking.web_sessions")
