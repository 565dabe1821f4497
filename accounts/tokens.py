"""The JSON Web Tokens that authenticate users.

An access token carries `id` (a number), `email` and `name`, as they are in the database when it is
issued. A refresh token carries `id`. Both become invalid when the user's password changes.
"""

from contextlib import suppress
from datetime import timedelta
from math import ceil
from typing import Any, Final, cast
from uuid import uuid4

import jwt
from django.contrib.auth import authenticate
from django.contrib.auth.signals import user_logged_in
from django.contrib.sessions.backends.base import SessionBase
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.exceptions import AuthenticationFailed, ErrorDetail, PermissionDenied, Throttled
from rest_framework_simplejwt import serializers as simplejwt
from rest_framework_simplejwt.exceptions import InvalidToken, TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken
from rest_framework_simplejwt.utils import get_md5_hash_password

from accounts import second_factor
from accounts.lockout import LockedOut, lock_ends_in
from accounts.models import User
from tracking.conf import conf
from tracking.rest.session_token import bind_to_session

# The time for which a used refresh token may be used again: on a bad network the response may get
# lost, and that must not log the phone out.
REUSE_GRACE_PERIOD: Final = timedelta(seconds=60)

PASSWORD_CLAIM = "password"  # noqa: S105, the name of a claim
# The second-factor device that verified the log-in.
DEVICE_CLAIM: Final = "otp_device"

# Shared by all refresh tokens of one log-in. A token that is used twice within REUSE_GRACE_PERIOD
# leads to two, and logging out with either ends both.
LOG_IN_CLAIM: Final = "log_in"


def access_token_for(user: User, web_session: SessionBase | None = None) -> str:
    """Return a new access token, valid until the user's password changes or the web session ends.

    It expires after SIMPLE_JWT["ACCESS_TOKEN_LIFETIME"], and no later than the web session would
    without further activity.
    """
    token = AccessToken()
    if web_session is not None:
        bind_to_session(token, web_session)
    # Not `for_user`: it would make the id a string.
    token[api_settings.USER_ID_CLAIM] = user.pk
    token["email"] = user.email
    token["name"] = user.name
    # SimpleJWT's fingerprint of the password, the hash of a salted hash: it cannot be used to guess
    # passwords.
    token[api_settings.REVOKE_TOKEN_CLAIM] = get_md5_hash_password(user.password)
    return str(token)


def refresh_token_for(user: User, device_id: str | None = None, log_in: str | None = None) -> str:
    """Return a new refresh token, valid until the password changes or the device is removed.

    `device_id` is the id of the device that verified the log-in, if one was needed. `log_in` is the
    id that all tokens of a log-in share; without it, the token is the first of a new log-in.
    """
    token = RefreshToken()
    token[LOG_IN_CLAIM] = log_in or uuid4().hex
    if device_id is not None:
        token[DEVICE_CLAIM] = device_id
    token[api_settings.USER_ID_CLAIM] = user.pk
    # Django's own fingerprint of the password, as in sessions: a keyed hash, which reveals nothing.
    token[PASSWORD_CLAIM] = user.get_session_auth_hash()
    return str(token)


class RotatingToken(RefreshToken):
    """A refresh token that may be used once, and again within REUSE_GRACE_PERIOD."""

    @property
    def log_in(self) -> str:
        """The id that all tokens of its log-in share; its own id if it was issued without one."""
        found = self.payload.get(LOG_IN_CLAIM)
        return found if isinstance(found, str) else str(self.payload[api_settings.JTI_CLAIM])

    def check_blacklist(self) -> None:
        void = Q(token__jti=_ended(self.log_in)) | Q(
            token__jti=self.payload[api_settings.JTI_CLAIM],
            blacklisted_at__lt=timezone.now() - REUSE_GRACE_PERIOD,
        )
        if BlacklistedToken.objects.filter(void).exists():
            raise TokenError(_("Token is blacklisted"))

    def revoke(self) -> None:
        """End all tokens of its log-in."""
        # Blacklist an id that stands for the log-in until the last of its tokens has expired.
        now = timezone.now()
        log_in, _created = OutstandingToken.objects.get_or_create(
            jti=_ended(self.log_in),
            defaults={"created_at": now, "expires_at": now + self.lifetime},
        )
        BlacklistedToken.objects.get_or_create(token=log_in)


def _ended(log_in: str) -> str:
    return f"log-in-{log_in}"


def read_refresh_token(encoded: str) -> RotatingToken:
    """Return the decoded refresh token if it is valid, signed with the current or a former key.

    Raises rest_framework_simplejwt.exceptions.TokenError.
    """
    try:
        return RotatingToken(encoded)  # type: ignore[arg-type]  # SimpleJWT annotates it wrongly
    except TokenError:
        for key in conf.FALLBACK_KEYS:
            try:
                jwt.decode(encoded, key, algorithms=[api_settings.ALGORITHM])
            except jwt.InvalidTokenError:
                continue
            token = RotatingToken(encoded, verify=False)  # type: ignore[arg-type]
            token.verify()
            return token
        raise


def refresh_token_user(encoded: str) -> User | None:
    """Return the active user to whom the refresh token was issued, or None if it was revoked.

    Raises rest_framework_simplejwt.exceptions.TokenError on a token that is malformed, expired,
    used or not a refresh token.
    """
    return _user_of(read_refresh_token(encoded))


def _user_of(token: RefreshToken) -> User | None:
    user = User.objects.filter(pk=token.get(api_settings.USER_ID_CLAIM), is_active=True).first()
    if user is None:
        return None
    found = token.get(PASSWORD_CLAIM, "")
    # The fingerprint is keyed with SECRET_KEY: as for sessions, one made with a former key counts.
    valid = (user.get_session_auth_hash(), *user.get_session_auth_fallback_hash())
    return user if any(constant_time_compare(found, value) for value in valid) else None


class TokenObtainSerializer(simplejwt.TokenObtainSerializer):
    """Take `email`, `password` and, from staff, `otp`; return `access` and `refresh`."""

    otp = serializers.CharField(
        write_only=True,
        required=False,
        max_length=second_factor.MAX_CODE_LENGTH,
        help_text="For accounts with a second factor: a code from the app, or a recovery code.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # A space may be part of a password, as on the log-in page.
        self.fields["password"] = serializers.CharField(write_only=True, trim_whitespace=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, str]:
        request = self.context["request"]
        try:
            super().validate(attrs)
        except AuthenticationFailed as error:
            if getattr(request, "axes_locked_out", False):
                raise LockedOut(lock_ends_in(request, attrs)) from error
            raise
        user = cast("User", self.user)
        device_id = _second_factor(request, user, attrs.get("otp"))
        # As Django's log-in page does: it resets the count of failures and updates `last_login`.
        user_logged_in.send(sender=User, request=request, user=user)
        return {"access": access_token_for(user), "refresh": refresh_token_for(user, device_id)}


class SecondFactorRefused(AuthenticationFailed):
    """Raised as a 401 with a code of its own: the password was correct."""

    def __init__(self, detail: str, code: str) -> None:
        super().__init__({"detail": detail, "code": code})


class TooManyCodes(Throttled):
    """Raised as a 429 with the time after which the next code is checked."""

    def __init__(self, wait: timedelta) -> None:
        super().__init__(ceil(wait.total_seconds()))
        self.detail = {
            "detail": ErrorDetail(str(self.detail)),
            "code": ErrorDetail("otp_throttled"),
        }


def _second_factor(request: HttpRequest, user: User, code: str | None) -> str | None:
    """Return the id of the device that accepted `code`, or None if the user needs no code.

    Raises an APIException if a code is needed and is missing, wrong or sent too soon.
    """
    if not second_factor.is_demanded(user):
        return None
    if not second_factor.has_device(user):
        detail = _("Log in on the website first to set up a second factor.")
        raise PermissionDenied({"detail": detail, "code": "otp_not_set_up"})
    if code is None:
        detail = _("Send a code from your authenticator app, or a recovery code, as otp.")
        raise SecondFactorRefused(detail, "otp_required")
    if (until := second_factor.blocked_until(user, code)) is not None:
        raise TooManyCodes(until - timezone.now())
    if not authenticate(request, username=user.email, user=user, otp_token=code):
        if getattr(request, "axes_locked_out", False):
            raise LockedOut(lock_ends_in(request, {"email": user.email}))
        raise SecondFactorRefused(str(second_factor.WRONG_CODE), "otp_invalid")
    device_id: str = user.otp_device.persistent_id  # type: ignore[attr-defined]
    return device_id


class TokenRefreshSerializer(serializers.Serializer[User]):
    """Take `refresh`; return `access` and a new `refresh` that replaces the old one."""

    refresh = serializers.CharField(write_only=True)

    def validate(self, attrs: dict[str, str]) -> dict[str, str]:
        token = read_refresh_token(attrs["refresh"])
        user = _user_of(token)
        device_id = token.get(DEVICE_CLAIM)
        # A token from before its user became staff or had a second factor, or of a removed device.
        if user is None or (
            second_factor.is_demanded(user) and not second_factor.is_device_of(user, device_id)
        ):
            raise InvalidToken(_("Token is no longer valid"))
        token.blacklist()
        refresh = refresh_token_for(user, device_id, token.log_in)
        return {"access": access_token_for(user), "refresh": refresh}


class LogOutSerializer(serializers.Serializer[User]):
    """Take `refresh` and end all refresh tokens of its log-in. Ignore an invalid one."""

    refresh = serializers.CharField(write_only=True)

    def validate(self, attrs: dict[str, str]) -> dict[str, str]:
        with suppress(TokenError):
            read_refresh_token(attrs["refresh"]).revoke()
        return {}
