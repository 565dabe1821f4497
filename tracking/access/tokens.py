"""The way from a token to its user.

The signature is checked once per token, the expiry at every use, and the user is loaded on request.
`TRACKING["AUTHENTICATION"]` names the class that decides. `AccessTokens` decides as SimpleJWT does,
by the same settings, and with `TRACKING["ACCEPT_LOGIN_TOKENS"]` it accepts one more kind of token.
"""

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import lru_cache
from typing import Any, ClassVar, Final, NamedTuple

import jwt
from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.core.signals import setting_changed
from django.dispatch import receiver
from django.utils.module_loading import import_string
from rest_framework_simplejwt import settings as simplejwt
from rest_framework_simplejwt import state
from rest_framework_simplejwt.exceptions import TokenBackendError
from rest_framework_simplejwt.utils import get_md5_hash_password

from tracking.conf import conf
from tracking.engine.database import any_of
from tracking.ids import MAX_ID, UserId
from tracking.log_in import may_log_in
from tracking.people import USER_IDS
from tracking.protocol import TokenExpired, TokenInvalid

# A token of an existing log-in has exactly these claims: no type, no token id, its user in `id`.
LOGIN_CLAIMS: Final = frozenset({"id", "email", "name", "iat", "exp"})

# The claim that names the web session that a token ends with: see `tracking.web_sessions`.
WEB_SESSION_CLAIM: Final = "web_session"

# By how much the clock of the server that issues tokens may be ahead of this server's: without
# this, a token that is valid only from the next second on would be refused.
ISSUER_AHEAD: Final = timedelta(seconds=10)

# The last second of the year 9999. A later expiry is refused as invalid.
END_OF_TIME: Final = 253_402_300_799

# Characters. No field that serves as an id holds longer names of users.
MAX_NAME: Final = 254


class Claims(NamedTuple):
    """The contents of a token: its user, and its expiry in seconds since the epoch.

    The user is given by primary key in `user_id`, or by `owner`, which `load_owners` looks up: the
    value of SIMPLE_JWT's USER_ID_FIELD if that is not the primary key, or whatever the class of
    `TRACKING["AUTHENTICATION"]` uses. `expires_at` is `math.inf` for a token that does not expire.
    `password` is a hash of the password that the token was issued for, None if it is not to be
    checked, and `web_session` the web session that the token ends with, if any.
    """

    user_id: UserId | None
    expires_at: float
    password: str | None = None
    owner: str | None = None
    web_session: str | None = None
    # The id of a share link, which the token is for: see `share_tokens`.
    share: int | None = None

    def fit(self, user: AbstractBaseUser) -> bool:
        """Return True if the user's password is still the one that the token was issued for."""
        return self.password in (None, get_md5_hash_password(user.password))


class AccessTokens:
    """SimpleJWT's access tokens. Subclass it for tokens of other kinds."""

    # The accepted schemes of the HTTP header Authorization, in lower case.
    schemes: ClassVar[frozenset[str]] = frozenset({"bearer"})

    def verify(self, token: str) -> Claims:
        """Return the claims of a token; raise `TokenInvalid`.

        Called on the event loop, once for each new token of a connection, so it must not query the
        database, which is for `load_owners`. If `may_block` returns True it is called in a thread
        and may block.
        """
        return _verify_signature(token)

    def may_block(self) -> bool:
        """Return True if `verify` must be called in a thread."""
        return state.token_backend.jwks_client is not None

    def load_owners(self, owners: list[str]) -> Mapping[str, AbstractBaseUser]:
        """Return the users of claims by `owner`; only users that exist and may log in.

        Called in a thread, for concurrent requests together, and again for open connections every
        `session.RECHECK_INTERVAL` seconds and after `tracking.revocation.recheck(user_ids)`.
        """
        return _load_by_field(owners)


@lru_cache(maxsize=1)
def authentication() -> AccessTokens:
    """Return the one instance of the class that `TRACKING["AUTHENTICATION"]` names."""
    made: AccessTokens = import_string(conf.AUTHENTICATION)()
    return made


@receiver(setting_changed)
def _forget_authentication(**kwargs: Any) -> None:
    """Receive `setting_changed`, which tests send."""
    authentication.cache_clear()


def verify(token: str) -> Claims:
    """Return the claims of an access token; raise `TokenInvalid` or `TokenExpired`.

    Does not check the user: `load_users` and `load_owners` do. With a JWK_URL in SIMPLE_JWT this
    may wait for the network, which `may_block` reports.
    """
    claims = authentication().verify(token)
    if claims.expires_at <= time.time():
        raise TokenExpired
    return claims


def may_block() -> bool:
    """Return True if `verify` must be called in a thread, for example as the keys are at a URL."""
    return authentication().may_block()


# Checking HS256 costs 39 µs, a cache hit 0.1 µs. A session remembers its own token, so the cache is
# for clients that reconnect. Only valid tokens are cached: a flood of bad ones evicts none.
@lru_cache(maxsize=1_000)
def _verify_signature(token: str) -> Claims:
    if not token:
        raise TokenInvalid("the token is empty: log in and send the access token")
    payload = _decode(token)
    options = simplejwt.api_settings
    is_login = conf.ACCEPT_LOGIN_TOKENS and payload.keys() == LOGIN_CLAIMS
    if not is_login:
        _check_kind(payload)
    expires_at = payload.get("exp")
    if isinstance(expires_at, bool) or not isinstance(expires_at, int | float):
        raise TokenInvalid
    if not 0 <= expires_at <= END_OF_TIME:
        raise TokenInvalid
    password = None
    if options.CHECK_REVOKE_TOKEN and not is_login:
        password = str(payload.get(options.REVOKE_TOKEN_CLAIM, ""))
    user_id, owner = None, None
    if is_login:
        user_id = _user_id(payload["id"])
    elif _is_primary_key(options.USER_ID_FIELD):
        user_id = _user_id(payload.get(options.USER_ID_CLAIM))
    else:
        owner = _name(payload.get(options.USER_ID_CLAIM))
    leeway = state.token_backend.get_leeway().total_seconds()
    web_session = payload.get(WEB_SESSION_CLAIM)
    return Claims(
        user_id,
        expires_at + leeway,
        password,
        owner,
        web_session if isinstance(web_session, str) else None,
    )


def _decode(token: str) -> dict[str, Any]:
    """Return a token's claims; raise `TokenInvalid` for a bad signature or a future start."""
    try:
        newest = state.token_backend.get_verifying_key(token)  # type: ignore[arg-type]
    except TokenBackendError as error:
        raise TokenInvalid from error
    for number, key in enumerate((newest, *conf.FALLBACK_KEYS)):
        try:
            return _decode_with(key, token)
        except jwt.InvalidSignatureError as error:
            if number == len(conf.FALLBACK_KEYS):
                raise TokenInvalid from error
        except (jwt.InvalidTokenError, ValueError, OverflowError, TypeError) as error:
            # PyJWT before 2.14 raises TypeError for a time that is a list.
            raise TokenInvalid from error
    raise TokenInvalid


def _decode_with(key: Any, token: str) -> dict[str, Any]:
    backend = state.token_backend
    payload: dict[str, Any] = jwt.decode(
        token,
        key,
        algorithms=[backend.algorithm],
        audience=backend.audience,
        issuer=backend.issuer,
        leeway=max(backend.get_leeway(), ISSUER_AHEAD),
        # The expiry is checked at each use of a token.
        options={"verify_aud": backend.audience is not None, "verify_exp": False},
    )
    return payload


def _check_kind(payload: Mapping[str, Any]) -> None:
    options = simplejwt.api_settings
    if options.JTI_CLAIM is not None and options.JTI_CLAIM not in payload:
        raise TokenInvalid
    if options.TOKEN_TYPE_CLAIM is not None:
        kinds = [token_class.token_type for token_class in options.AUTH_TOKEN_CLASSES]
        if payload.get(options.TOKEN_TYPE_CLAIM) not in kinds:
            raise TokenInvalid("this is not an access token: send the one named access")


def _user_id(claim: object) -> UserId:
    user_id = USER_IDS.parse_claim(claim)
    if user_id is None:
        raise TokenInvalid
    return user_id


def _name(claim: object) -> str:
    if isinstance(claim, bool) or not isinstance(claim, str | int):
        raise TokenInvalid
    # Converting an integer of more digits to text takes long.
    if isinstance(claim, int) and not -MAX_ID <= claim <= MAX_ID:
        raise TokenInvalid
    if not 0 < len(name := str(claim)) <= MAX_NAME:
        raise TokenInvalid
    return name


def _is_primary_key(field: str) -> bool:
    key = get_user_model()._meta.pk
    return field in ("pk", key.name, key.attname)


def load_users(user_ids: Sequence[UserId]) -> Mapping[UserId, AbstractBaseUser]:
    """Return the users that exist and may log in, by id, in one query."""
    model = get_user_model()
    users = model._default_manager.filter(pk__in=any_of(user_ids, model))
    return {user.pk: user for user in users if may_log_in(user)}


def load_owners(owners: list[str]) -> Mapping[str, AbstractBaseUser]:
    """Return the users that exist and may log in, by `Claims.owner`."""
    return authentication().load_owners(owners)


def _load_by_field(names: list[str]) -> Mapping[str, AbstractBaseUser]:
    """Return the users that exist and may log in, by SIMPLE_JWT's USER_ID_FIELD."""
    model = get_user_model()
    name = simplejwt.api_settings.USER_ID_FIELD
    field = model._meta.get_field(name)
    values = []
    for value in names:
        try:
            values.append(field.to_python(value))  # type: ignore[union-attr]
        except (ValidationError, ValueError, TypeError):
            continue  # No user has it, for example if it is not a UUID.
    users = model._default_manager.filter(**{f"{name}__in": values})
    return {str(getattr(user, name)): user for user in users if may_log_in(user)}
