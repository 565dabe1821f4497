"""Passwords are checked a few at a time, and without a connection to the database; then codes."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import Any, Final

from asgiref.sync import sync_to_async
from django.contrib.auth.backends import BaseBackend, ModelBackend
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables
from rest_framework.exceptions import APIException

from accounts import second_factor
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

    def get_user(self, user_id: int) -> User | None:
        """Return a session's user, with whether it has a second factor: each page asks."""
        user = second_factor.with_devices(User.objects.all()).filter(pk=user_id).first()
        return user if user is not None and self.user_can_authenticate(user) else None


class CodeBackend(BaseBackend):
    """Checks the second factor of a user whose password was good.

    A backend, so that `accounts.lockout` counts a wrong code as it counts a wrong password. The
    user that it returns has django-otp's `otp_device`, by which `login` verifies the session.
    """

    @sensitive_variables()
    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        user: User | None = None,
        otp_token: str | None = None,
        **kwargs: Any,
    ) -> User | None:
        if user is None or otp_token is None:
            return None
        device = second_factor.verify(user, otp_token)
        if device is None:
            return None
        user.otp_device = device  # type: ignore[attr-defined]  # django-otp's
        return user


@contextmanager
def _turn() -> Iterator[None]:
    if not _turns.acquire(timeout=PATIENCE):
        raise TooManyLogIns
    try:
        yield
    finally:
        _turns.release()
