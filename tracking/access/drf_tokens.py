"""Tokens of `rest_framework.authtoken`, for `TRACKING["AUTHENTICATION"]` of hosts that use them.

They do not expire. An open connection ends when its token's row or its user is deleted, or the user
becomes inactive.
"""

import math
from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar, Final

from django.apps import apps
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.db.models.signals import post_delete

from tracking.access.tokens import AccessTokens, Claims
from tracking.log_in import may_log_in
from tracking.protocol import TokenInvalid
from tracking.revocation import recheck

# The prefix of owners that are keys of tokens. Owners without it are names of users, which must
# never be mistaken for a key, or the other way round.
_KEY: Final = "authtoken:"


class DRFTokens(AccessTokens):
    """DRF's tokens, and also SimpleJWT's, which pages get for their web session."""

    schemes: ClassVar[frozenset[str]] = frozenset({"bearer", "token"})

    def __init__(self) -> None:
        if not apps.is_installed("rest_framework.authtoken"):
            raise ImproperlyConfigured("'rest_framework.authtoken' is not in INSTALLED_APPS")
        self._model = _token_model()
        self._max_length: int = self._model._meta.get_field("key").max_length

    def verify(self, token: str) -> Claims:
        """Return the claims of either kind of token; `load_owners` checks that a key exists."""
        # A JWT has dots; a key is hexadecimal and has none.
        if "." in token:
            return super().verify(token)
        # Impossible keys cost no query and never reach the database.
        if len(token) > self._max_length or not (token.isascii() and token.isalnum()):
            raise TokenInvalid
        return Claims(None, math.inf, owner=f"{_KEY}{token}")

    def load_owners(self, owners: list[str]) -> Mapping[str, AbstractBaseUser]:
        """Return users who may log in, by owner: the prefixed key of a token, or a name."""
        keys = [owner.removeprefix(_KEY) for owner in owners if owner.startswith(_KEY)]
        names = [owner for owner in owners if not owner.startswith(_KEY)]
        found = dict(super().load_owners(names)) if names else {}
        if keys:
            rows = self._model._default_manager.filter(key__in=keys)
            for row in rows.select_related("user"):
                # DRF's own authentication refuses inactive users, whatever SIMPLE_JWT says.
                if row.user.is_active and may_log_in(row.user):
                    found[f"{_KEY}{row.key}"] = row.user
        return found


def connect() -> None:
    """Check the open sessions of a user again whenever the user's token is deleted."""
    model = _token_model()
    # For a deletion through a proxy model, Django sends the signal with the proxy as the sender.
    for each in apps.get_models():
        if issubclass(each, model):
            post_delete.connect(token_deleted, sender=each)


def _token_model() -> Any:
    # By name, because importing the module requires that the app is installed.
    return apps.get_app_config("authtoken").get_model("Token")


def token_deleted(instance: Any, using: str, **kwargs: Any) -> None:
    """Receive `post_delete` of tokens."""
    transaction.on_commit(partial(recheck, [instance.user_id]), using=using)
