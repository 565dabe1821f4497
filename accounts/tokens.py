"""The JSON Web Tokens that prove who a user is.

An access token carries `id` (a number), `email` and `name`, read from the database whenever one is
issued. A refresh token carries `id`. Both end with the password that they were issued for.
"""

from typing import Any, cast

from django.contrib.auth.signals import user_logged_in
from django.contrib.sessions.backends.base import SessionBase
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.exceptions import AuthenticationFailed
from rest_framework_simplejwt import serializers as simplejwt
from rest_framework_simplejwt.exceptions import InvalidToken
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken
from rest_framework_simplejwt.utils import get_md5_hash_password

from accounts.lockout import LockedOut, lock_ends_in
from accounts.models import User
from tracking import web_sessions
from tracking.authentication import WEB_SESSION_CLAIM

PASSWORD_CLAIM = "password"  # noqa: S105, the name of a claim


def access_token_for(user: User, web_session: SessionBase | None = None) -> str:
    """A new access token, void once the user's password changes or the web session ends.

    It lives as long as SIMPLE_JWT["ACCESS_TOKEN_LIFETIME"] says.
    """
    token = AccessToken()
    if web_session is not None:
        token[WEB_SESSION_CLAIM] = web_sessions.claim(web_session)
    # Not `for_user`: it would make the id a string.
    token[api_settings.USER_ID_CLAIM] = user.pk
    token["email"] = user.email
    token["name"] = user.name
    # SimpleJWT's sign of the password, the hash of a salted hash: nobody can try passwords on it.
    token[api_settings.REVOKE_TOKEN_CLAIM] = get_md5_hash_password(user.password)
    return str(token)


def refresh_token_for(user: User) -> str:
    """A new refresh token, void once the user's password changes."""
    token = RefreshToken()
    token[api_settings.USER_ID_CLAIM] = user.pk
    # Django's own sign that a session outlived its password: a keyed hash, which tells nothing.
    token[PASSWORD_CLAIM] = user.get_session_auth_hash()
    return str(token)


def refresh_token_user(encoded: str) -> User | None:
    """The active user whom the refresh token was issued to, or None if it is void.

    Raises rest_framework_simplejwt.exceptions.TokenError on one that is malformed, expired, or
    not a refresh token.
    """
    token = RefreshToken(encoded)  # type: ignore[arg-type]  # SimpleJWT annotates it wrongly
    user = User.objects.filter(pk=token.get(api_settings.USER_ID_CLAIM), is_active=True).first()
    if user is None:
        return None
    same_password = constant_time_compare(
        token.get(PASSWORD_CLAIM, ""), user.get_session_auth_hash()
    )
    return user if same_password else None


class TokenObtainSerializer(simplejwt.TokenObtainSerializer):
    """`email` and `password` in, `access` and `refresh` out."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # A space may be part of a password, as it may in the log-in page.
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
        # As Django's log-in page does: it ends the count of failures and notes the time.
        user_logged_in.send(sender=User, request=request, user=user)
        return {"access": access_token_for(user), "refresh": refresh_token_for(user)}


class TokenRefreshSerializer(serializers.Serializer[User]):
    """`refresh` in, `access` out."""

    refresh = serializers.CharField(write_only=True)

    def validate(self, attrs: dict[str, str]) -> dict[str, str]:
        user = refresh_token_user(attrs["refresh"])
        if user is None:
            raise InvalidToken(_("Token is no longer valid"))
        return {"access": access_token_for(user)}
