"""Log-out means log-out: the tokens that a web session was given end with it, on every worker.

The view that gives a page its token puts `claim(request.session)` into it. When the session's user
logs out, its claim is kept until all its tokens have expired, and the open connections that came
with one of them are checked again at once.
"""

import secrets
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any, Final

from django.contrib.auth import SESSION_KEY
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.contrib.sessions.backends.base import SessionBase
from django.db import router, transaction
from django.http import HttpRequest
from django.utils import timezone
from rest_framework_simplejwt import settings as simplejwt

from tracking import revocation
from tracking.models import EndedWebSession

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


def end(session: SessionBase, user_id: Any) -> None:
    """End the tokens of a web session whose user logs out."""
    if CLAIM not in session:
        return  # It was given no token.
    now = timezone.now()
    using = router.db_for_write(EndedWebSession)
    ended = EndedWebSession.objects.using(using)
    # Tokens that could be shown again have expired by then.
    lifetime = simplejwt.api_settings.ACCESS_TOKEN_LIFETIME + timedelta(minutes=1)
    ended.filter(ended_at__lt=now - lifetime).delete()
    ended.get_or_create(claim=claim(session), defaults={"ended_at": now})
    transaction.on_commit(partial(revocation.recheck, [user_id]), using=using)


def logged_out(request: HttpRequest | None, user: Any, **kwargs: Any) -> None:
    """Receive Django's `user_logged_out`, which is sent before the session is flushed."""
    session = getattr(request, "session", None)
    if user is not None and session is not None:
        end(session, user.pk)


def logged_in(request: HttpRequest | None, **kwargs: Any) -> None:
    """Receive Django's `user_logged_in`, which an API that makes no session sends, too.

    Two pages that ask for their first tokens at once would each make a claim, and one be lost.
    """
    session = getattr(request, "session", None)
    if session is not None and SESSION_KEY in session:
        claim(session)


def connect() -> None:
    """Listen to log-ins and log-outs."""
    user_logged_in.connect(logged_in, dispatch_uid="tracking.web_sessions")
    user_logged_out.connect(logged_out, dispatch_uid="tracking.web_sessions")
