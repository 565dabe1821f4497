"""How people are named, whatever user model the project has."""

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import FieldDoesNotExist
from django.db.models import Q
from django.utils.html import format_html
from django.utils.safestring import SafeString

from tracking.lookups import any_case


def _existing(*names: str) -> tuple[str, ...]:
    """Those of the names that are fields of the project's user model, each once."""
    fields = []
    for name in dict.fromkeys(names):
        try:
            get_user_model()._meta.get_field(name)
        except FieldDoesNotExist:
            continue
        fields.append(name)
    return tuple(fields)


# This app knows only what every user model has, and these usual names.
NAME_FIELDS = _existing("name", "first_name", "last_name")
SEARCH_FIELDS = _existing(
    get_user_model().USERNAME_FIELD, get_user_model().get_email_field_name(), *NAME_FIELDS
)


def search_lookups(*relations: str) -> tuple[str, ...]:
    """Return the lookups that find people by text, of users or of what has them in `relations`."""
    paths: list[tuple[str, ...]] = [(relation,) for relation in relations] or [()]
    return tuple(any_case(*path, field) for path in paths for field in SEARCH_FIELDS)


def active(relation: str = "") -> Q:
    """Return the condition that an account is active, of users or of what has them in `relation`.

    No condition where the user model has no such field.
    """
    prefix = f"{relation}__" if relation else ""
    return Q(**{f"{prefix}{field}": True for field in _existing("is_active")})


def own_name(user: AbstractBaseUser) -> str:
    """Return the user's name, or "" where the user model knows none."""
    parts = [getattr(user, field) for field in NAME_FIELDS]
    return " ".join(part for part in parts if part)


def full_name(user: AbstractBaseUser) -> str:
    """The user's name as far as the user model knows one, or else the log-in name."""
    return own_name(user) or user.get_username()


def contact(user: AbstractBaseUser) -> str:
    """The user's e-mail address, or the log-in name where the user model has no address."""
    return getattr(user, user.get_email_field_name(), "") or user.get_username()


def identity(user: AbstractBaseUser) -> SafeString:
    """The name and, below it, the contact: a cell of the admin's lists."""
    return format_html('{}<span class="tracking-contact">{}</span>', full_name(user), contact(user))
