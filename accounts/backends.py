"""Authentication backends for passwords and second-factor codes.

Passwords are hashed a few at a time, and without holding a database connection.
"""

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

# Checking a password takes about 0.2 s of a core, by design. More at a time would only slow each
# other down, and the event loop with its sockets, too.
MAX_CONCURRENT_HASHES: Final = 2
# Seconds that a log-in waits for its turn before it is refused with TooManyLogIns.
TURN_TIMEOUT: Final = 3.0
# Seconds after which a refused log-in may try again.
RETRY_AFTER: Final = 5

_turns = BoundedSemaphore(MAX_CONCURRENT_HASHES)


class TooManyLogIns(APIException):
    """Raised, as a 503 with Retry-After, when too many passwords are being checked.

    The log-in does not count as failed.
    """

    status_code = 503
    # DRF derives the Retry-After header from it.
    wait = RETRY_AFTER
    message = _("Too many people are logging in. Try again in a few seconds.")

    def __init__(self) -> None:
        super().__init__({"detail": self.message, "code": "busy"})


class PasswordBackend(ModelBackend):
    """Django's ModelBackend, changed to hold no database connection while it hashes.

    The connection pool is small: a dozen log-ins a second would occupy all of it. Raises
    TooManyLogIns if the log-in's turn does not come within TURN_TIMEOUT.
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
                # Take as long as for an existing user, as Django does.
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
        """Return the active user with that id, annotated with whether it has a second factor.

        Each page needs that, and the annotation saves it a query.
        """
        user = second_factor.with_devices(User.objects.all()).filter(pk=user_id).first()
        return user if user is not None and self.user_can_authenticate(user) else None


class CodeBackend(BaseBackend):
    """Check the second factor of a user whose password was correct.

    As this is an authentication backend, `accounts.lockout` counts a wrong code like a wrong
    password. The returned user has django-otp's `otp_device`, with which `login` marks the session
    as verified.
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
    if not _turns.acquire(timeout=TURN_TIMEOUT):
        raise TooManyLogIns
    try:
        yield
    finally:
        _turns.release()
