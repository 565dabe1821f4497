"""The rule that decides whether a user may log in, the same for every kind of token."""

from django.contrib.auth.base_user import AbstractBaseUser
from rest_framework_simplejwt import settings as simplejwt


def may_log_in(user: AbstractBaseUser) -> bool:
    """Return True if SIMPLE_JWT lets the user log in: see its USER_AUTHENTICATION_RULE."""
    options = simplejwt.api_settings
    return bool(options.USER_AUTHENTICATION_RULE(user)) and (
        user.is_active or not options.CHECK_USER_IS_ACTIVE
    )
