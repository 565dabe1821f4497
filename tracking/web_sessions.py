"""Log-out means log-out: the tokens that a web session was given end with it, on every worker.

The view that gives a page its token puts `claim(request.session)` into it. When the session's user
logs out, its claim is kept until all its tokens have expired, and the open connections that came
with one of them are checked again at once.
"""

from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any, Final

from django.contrib.auth.signals import user_logged_out
from django.contrib.sessions.backends.base import SessionBase
from django.db import router, transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import salted_hmac
from rest_framework_simplejwt import settings as simplejwt

from tracking import revocation
from tracking.models import EndedWebSession

SALT: Final = "tracking.web_sessions"


def claim(session: SessionBase) -> str:
    """Return what names a web session in the claim `WEB_SESSION_CLAIM` of its tokens.

    Nobody can tell the session's key from it.
    """
    if session.session_key is None:
        session.save()  # It has none before.
    return salted_hmac(SALT, str(session.session_key), algorithm="sha256").hexdigest()


def load_ended(claims: list[str]) -> Mapping[str, bool]:
    """Return those of the web sessions that have ended, each as True."""
    ended = EndedWebSession.objects.filter(claim__in=claims)
    return dict.fromkeys(ended.values_list("claim", flat=True), True)


def end(session: SessionBase, user_id: Any) -> None:
    """End the tokens of a web session whose user logs out."""
    if session.session_key is None:
        return
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


def connect() -> None:
    """Listen to log-outs."""
    user_logged_out.connect(logged_out, dispatch_uid="tracking.web_sessions")
