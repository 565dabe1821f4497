"""Passwords are checked a few at a time, and without a connection to the database."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import Any, Final

from asgiref.sync import sync_to_async
from django.contrib.auth.backends import ModelBackend
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables
from rest_framework.exceptions import APIException

from accounts.models import User
from tracking.rest.bridge import give_back_connections

# Checking a password takes a core for some 0.2 s, by design. More at a time would only
# slow each other down, and the event loop with its sockets too.
CONCURRENT: Final = 2
# Seconds that a log-in waits for its turn, and after which a refused one may try again.
PATIENCE: Final = 3.0
RETRY_AFTER: Final = 5

_turns = BoundedSemaphore(CONCURRENT)


class TooManyLogIns(APIException):
    """503 that says when to come back. The log-in does not count as failed."""

    status_code = 503
    # What DRF makes the Retry-After header from.
    wait = RETRY_AFTER
    message = _("Too many people are logging in. Try again in a few seconds.")

    def __init__(self) -> None:
        super().__init__({"detail": self.message, "code": "busy"})


class PasswordBackend(ModelBackend):
    """Django's own, which would hold its connection while it hashes.

    The pool is small: a dozen log-ins a second would take it from everything else. Raises
    TooManyLogIns where the turn does not come within `PATIENCE`.
    """

    @sensitive_variables()
    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> User | None:
        email = kwargs.get(User.USERNAME_FIELD) if username is None else username
        if email is None or password is None:
            return None
        try:
            user = User.objects.get_by_natural_key(email)
        except User.DoesNotExist:
            user = None
        give_back_connections()
        with _turn():
            if user is None:
                # It takes as long as for a user that there is, as in Django.
                User().set_password(password)
                return None
            good = user.check_password(password)
        return user if good and self.user_can_authenticate(user) else None

    async def aauthenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> User | None:
        return await sync_to_async(self.authenticate)(request, username, password, **kwargs)


@contextmanager
def _turn() -> Iterator[None]:
    if not _turns.acquire(timeout=PATIENCE):
        raise TooManyLogIns
    try:
        yield
    finally:
        _turns.release()
